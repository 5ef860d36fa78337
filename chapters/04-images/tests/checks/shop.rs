//! A store of its own for a check, with one image; for an older stage a folder that stands for it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use checks::drive::Ended;
use checks::finding::Finding;
use checks::stage::{Stage, base};
use tempfile::TempDir;

/// The store, gone with it.
pub(crate) struct Shop {
    binary: PathBuf,
    /// Whether the stage knows images.
    knows: bool,
    folder: TempDir,
}

/// What a write would change of a file: inode, length, mode, times.
type Seen = (u64, u64, u32, i64, i64);
type Files = BTreeMap<PathBuf, Seen>;

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

    /// Everything of the mould, as the host sees it: path, and what a write would change.
    pub(crate) fn mould(&self) -> Result<Files, Finding> {
        let folder = self.place(if self.knows { "root/layers" } else { "rootfs" });
        let mut found = BTreeMap::new();
        walk(&folder, &mut found)?;
        if found.len() < 10 {
            return Err(anyhow::anyhow!("{} has {} files: no mould", folder.display(), found.len()).into());
        }
        Ok(found)
    }
}

fn walk(folder: &Path, found: &mut Files) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let seen = fs::symlink_metadata(&path)?;
        found.insert(path.clone(), (seen.ino(), seen.len(), seen.mode(), seen.mtime(), seen.ctime_nsec()));
        if seen.is_dir() {
            walk(&path, found)?;
        }
        if found.len() > 1_000_000 {
            bail!("{} has no end", folder.display());
        }
    }
    Ok(())
}

/// Bytes on the disk beneath a folder.
pub(crate) fn weight(folder: &Path) -> Result<u64, Finding> {
    let output = Command::new("du").args(["-sk"]).arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    Ok(number.with_context(|| format!("du {}", folder.display()))? * 1024)
}
