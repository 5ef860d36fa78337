//! The desk on which a check works: a folder of the host, volumes and images of its own, gone with it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use checks::drive::Ended;
use checks::finding::Finding;
use checks::mould;
use checks::stage::{PATH, Stage, folder, program};
use tempfile::TempDir;

/// What a check works with.
pub(crate) struct Desk {
    binary: PathBuf,
    /// Whether the stage knows volumes.
    pub(crate) knows: bool,
    folder: TempDir,
    nonce: String,
    volumes: RefCell<Vec<String>>,
    images: RefCell<Vec<String>>,
}

impl Desk {
    pub(crate) fn new(stage: &Stage) -> Result<Self, Finding> {
        mould::ready()?;
        let folder = tempfile::Builder::new().prefix("boxroom-desk-").tempdir()?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode)?;
        Ok(Self {
            binary: stage.binary().context("a stage without a binary")?.to_path_buf(),
            knows: stage.has(5),
            folder,
            nonce: checks::secret()?[..8].to_string(),
            volumes: RefCell::default(),
            images: RefCell::default(),
        })
    }

    /// A path in the folder, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// A folder in it.
    pub(crate) fn make(&self, name: &str) -> Result<String, Finding> {
        let path = self.path(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The name of a volume that goes with the desk.
    pub(crate) fn volume(&self, word: &str) -> String {
        let name = format!("check-{}-{word}", self.nonce);
        self.volumes.borrow_mut().push(name.clone());
        name
    }

    /// Something that nobody else has.
    pub(crate) fn unique(&self) -> &str {
        &self.nonce
    }

    /// The base, changed by a script; `words` are those of a Dockerfile.
    pub(crate) fn image(&self, script: &str, words: &[&str]) -> Result<String, Finding> {
        let name = format!("checks/desk-{}:{}", self.nonce, self.images.borrow().len());
        let container = format!("desk-{}-{}", self.nonce, self.images.borrow().len());
        let made = self.moulder(&["run", "--name", &container, mould::IMAGE, "sh", "-c", script]);
        let changes = words.iter().flat_map(|word| ["--change", word]);
        let words: Vec<&str> = ["commit", &container, &name].into_iter().chain(changes).collect();
        let committed = made.and_then(|_| self.moulder(&words));
        // Whatever became of it.
        let discarded = self.moulder(&["discard", &container]);
        committed.and(discarded)?;
        self.images.borrow_mut().push(name.clone());
        Ok(name)
    }

    /// Chapter 04's program, which makes images.
    fn moulder(&self, words: &[&str]) -> Result<String, Finding> {
        let ended = ended(&mut dressed(&program("ch04-images")?, words)?)?;
        if ended.code == 0 {
            return Ok(ended.stdout);
        }
        Err(anyhow::anyhow!("ch04-images {words:?}: exit code {}: {}", ended.code, ended.stderr.trim())
            .into())
    }

    /// `run`, not started yet; options of this chapter are left out for a stage that doesn't know them.
    pub(crate) fn command(&self, options: &[&str], image: &str, words: &[&str]) -> Result<Command, Finding> {
        let options = if self.knows { options } else { &[] };
        dressed(&self.binary, &[&["run"], options, &["--", image], words].concat())
    }

    /// A shell in a container of this image, to its end.
    pub(crate) fn sh_in(&self, image: &str, options: &[&str], script: &str) -> Result<Ended, Finding> {
        ended(&mut self.command(options, image, &["sh", "-c", script])?)
    }

    /// A shell in a container of the base.
    pub(crate) fn sh(&self, options: &[&str], script: &str) -> Result<Ended, Finding> {
        self.sh_in(mould::IMAGE, options, script)
    }

    /// The stage's program with these words.
    pub(crate) fn tell(&self, words: &[&str]) -> Result<Ended, Finding> {
        ended(&mut dressed(&self.binary, words)?)
    }

    /// All volumes of the store, by their names.
    pub(crate) fn all(&self) -> Result<Vec<String>, Finding> {
        Ok(self.tell(&["volume", "ls", "-q"])?.stdout.lines().map(Into::into).collect())
    }
}

/// Hermetic, in the checks' own store.
fn dressed<S: AsRef<OsStr>>(binary: &std::path::Path, words: &[S]) -> Result<Command, Finding> {
    let mut command = Command::new(binary);
    command.args(words).env_clear().stdin(Stdio::null()).env("PATH", PATH).env("HOME", "/");
    command.env("BOXROOM_RUN", folder()?.join("run")).env("BOXROOM_ROOT", folder()?.join("root"));
    Ok(command)
}

pub(crate) fn ended(command: &mut Command) -> Result<Ended, Finding> {
    let output = command.output()?;
    Ok(Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Drop for Desk {
    fn drop(&mut self) {
        let volumes = std::mem::take(&mut *self.volumes.borrow_mut());
        if self.knows && !volumes.is_empty() {
            let words: Vec<&str> =
                ["volume", "rm", "-f"].into_iter().chain(volumes.iter().map(String::as_str)).collect();
            let _ = self.tell(&words);
        }
        let images = std::mem::take(&mut *self.images.borrow_mut());
        for image in &images {
            let _ = self.moulder(&["rm", image]);
        }
        if !images.is_empty() {
            let _ = self.moulder(&["prune"]);
        }
    }
}

/// What was seen, where it isn't what was wanted.
pub(crate) fn equal(saw: &str, wanted: &str) -> Result<(), Finding> {
    if saw == wanted {
        return Ok(());
    }
    Err(Finding::seen("other").with("saw", format!("{saw:?}")).with("wanted", format!("{wanted:?}")))
}

/// The output of a run that ends well, compared.
pub(crate) fn says(ended: &Ended, wanted: &str) -> Result<(), Finding> {
    let saw = if ended.code == 0 {
        ended.stdout.clone()
    } else {
        format!("{}exit code {}: {}", ended.stdout, ended.code, first(&ended.stderr))
    };
    equal(&saw, wanted)
}

/// The first line.
pub(crate) fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
