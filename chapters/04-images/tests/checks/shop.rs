//! A store of its own for a check, with one image; for an older stage a folder that stands for it.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use checks::drive::Ended;
use checks::finding::Finding;
use checks::stage::{Stage, base};
use tempfile::TempDir;

/// The store, gone with it.
pub(crate) struct Shop {
    binary: PathBuf,
    /// Whether the stage knows images.
    pub(crate) knows: bool,
    folder: TempDir,
}

/// What the checks' image is called.
pub(crate) const IMAGE: &str = "shop/base:1";

impl Shop {
    /// With one image: this machine's base, and a few files to be changed.
    pub(crate) fn open(stage: &Stage) -> Result<Self, Finding> {
        let folder = tempfile::Builder::new().prefix("boxroom-shop-").tempdir()?;
        let rootfs = folder.path().join("rootfs");
        let copied = Command::new("cp").arg("-a").arg(base()?).arg(&rootfs).status()?;
        if !copied.success() {
            return Err(anyhow::anyhow!("cp -a of the base: {copied}").into());
        }
        fs::create_dir_all(rootfs.join("goods/inner"))?;
        for name in ["goods/one", "goods/two", "goods/inner/three"] {
            fs::write(rootfs.join(name), name)?;
        }
        fs::hard_link(rootfs.join("goods/one"), rootfs.join("goods/same-as-one"))?;
        let binary = stage.binary().context("a stage without a binary")?.to_path_buf();
        let shop = Self { binary, knows: stage.has(4), folder };
        if shop.knows {
            shop.must(&[
                "import",
                &shop.place("rootfs").to_string_lossy(),
                IMAGE,
                "--change",
                "CMD [\"sh\"]",
            ])?;
        }
        Ok(shop)
    }

    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these words, in this data root.
    pub(crate) fn command_in<S: AsRef<OsStr>>(&self, root: &str, words: &[S]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/");
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        command.env("BOXROOM_ROOT", self.place(root)).env("BOXROOM_RUN", self.place("run"));
        command
    }

    /// Its end, whatever it is.
    pub(crate) fn tell<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<Ended, Finding> {
        self.tell_in("root", words)
    }

    pub(crate) fn tell_in<S: AsRef<OsStr>>(&self, root: &str, words: &[S]) -> Result<Ended, Finding> {
        let output = self.command_in(root, words).output()?;
        Ok(Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// What it prints, where it ends well.
    pub(crate) fn must<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<String, Finding> {
        self.must_in("root", words)
    }

    pub(crate) fn must_in<S: AsRef<OsStr>>(&self, root: &str, words: &[S]) -> Result<String, Finding> {
        let ended = self.tell_in(root, words)?;
        if ended.code != 0 {
            let words: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
            let error =
                anyhow::anyhow!("{}: exit code {}: {}", words.join(" "), ended.code, ended.stderr.trim());
            return Err(error.into());
        }
        Ok(ended.stdout)
    }

    /// A shell in a new container of the image; for an older stage in the folder.
    pub(crate) fn sh(&self, options: &[&str], script: &str) -> Result<Ended, Finding> {
        let rootfs = self.place("rootfs").to_string_lossy().into_owned();
        let image: &[&str] = if self.knows { &[IMAGE] } else { &["--rootfs", &rootfs] };
        let words = [&["run"], options, image, &["sh", "-c", script]].concat();
        self.tell(&words)
    }
}

/// What an ordinary user's containers made belongs to ids that only the map can remove: so the program itself does.
impl Drop for Shop {
    fn drop(&mut self) {
        if !self.knows || nix::unistd::geteuid().is_root() {
            return;
        }
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let root = entry.file_name().to_string_lossy().into_owned();
            if entry.path().join("images/index.json").is_file() {
                let _ = self.empty(&root);
            }
        }
    }
}

impl Shop {
    fn empty(&self, root: &str) -> Result<(), Finding> {
        for line in self.must_in(root, &["containers"])?.lines() {
            let id = line.split(' ').next().unwrap_or_default();
            let _ = self.tell_in(root, &["discard", id])?;
        }
        for digest in self.must_in(root, &["ls", "--quiet"])?.lines() {
            let _ = self.tell_in(root, &["rm", digest])?;
        }
        self.must_in(root, &["prune"]).map(drop)
    }
}
