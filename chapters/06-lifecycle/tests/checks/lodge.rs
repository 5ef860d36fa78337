//! Where a check's containers live: in the checks' own store, each known to the host by a word on its command line, all gone
//! with the lodge.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use checks::drive::{Ended, status_field, within};
use checks::finding::Finding;
use checks::mould;
use checks::stage::{PATH, Stage, folder};

/// A check's containers and volumes.
pub(crate) struct Lodge {
    binary: PathBuf,
    /// Where their root and their run folder are.
    place: PathBuf,
    /// Whether the stage has containers that go on.
    pub(crate) knows: bool,
    nonce: String,
    made: RefCell<Vec<String>>,
    volumes: RefCell<Vec<String>>,
}

/// A process, as the host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(pub(crate) i32);

impl Lodge {
    pub(crate) fn new(stage: &Stage) -> Result<Self, Finding> {
        mould::ready()?;
        Self::at(stage, folder()?.into())
    }

    /// In another place, where the mould is already.
    pub(crate) fn at(stage: &Stage, place: PathBuf) -> Result<Self, Finding> {
        let binary = stage.binary().context("a stage without a binary")?.to_path_buf();
        let nonce = checks::secret()?[..8].to_string();
        let (made, volumes) = (RefCell::default(), RefCell::default());
        Ok(Self { binary, place, knows: stage.has(6), nonce, made, volumes })
    }

    /// A name that nobody else has.
    pub(crate) fn name(&self, word: &str) -> String {
        format!("check-{}-{word}", self.nonce)
    }

    /// This program with these words, hermetic, not started yet.
    pub(crate) fn command(&self, words: &[&str]) -> Result<Command, Finding> {
        self.dressed(&self.binary, words)
    }

    /// The same by another file.
    pub(crate) fn dressed(&self, program: &Path, words: &[&str]) -> Result<Command, Finding> {
        let mut command = Command::new(program);
        command.args(words).env_clear().stdin(Stdio::null()).env("PATH", PATH).env("HOME", "/");
        command.env("BOXROOM_RUN", self.place.join("run")).env("BOXROOM_ROOT", self.place.join("root"));
        Ok(command)
    }

    /// The same, to its end.
    pub(crate) fn tell(&self, words: &[&str]) -> Result<Ended, Finding> {
        use std::os::unix::process::ExitStatusExt;
        let output = self.command(words)?.output()?;
        Ok(Ended {
            code: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A container that goes on until it is killed: its name, and its first process.
    pub(crate) fn guest(&self, word: &str, options: &[&str]) -> Result<(String, Seen), Finding> {
        let name = self.name(word);
        self.run(word, options, &["sh", "-c", "sleep 5000; exit", &name])?;
        let found = || seen(&name).into_iter().find(|one| one.is_first());
        let mut first = None;
        within(Duration::from_secs(5), || {
            first = found();
            first.is_some()
        });
        first
            .map(|first| (name.clone(), first))
            .ok_or_else(|| Finding::seen("no_container").with("said", "nothing"))
    }

    /// A container with this command, in the background; its name.
    pub(crate) fn run(&self, word: &str, options: &[&str], command: &[&str]) -> Result<String, Finding> {
        if !self.knows {
            return Err(Finding::seen("no_container").with("said", "it has no containers that go on"));
        }
        let name = self.name(word);
        self.made.borrow_mut().push(name.clone());
        let began =
            self.tell(&[&["run", "-d", "--name", &name], options, &[mould::IMAGE], command].concat())?;
        if began.code != 0 {
            return Err(Finding::seen("no_container").with("said", began.stderr.trim()));
        }
        Ok(name)
    }

    /// The name of a volume that goes with the lodge.
    pub(crate) fn volume(&self, word: &str) -> String {
        let name = self.name(word);
        self.volumes.borrow_mut().push(name.clone());
        name
    }

    /// A name of a container that will be made otherwise, and goes with the lodge.
    pub(crate) fn expects(&self, word: &str) -> String {
        let name = self.name(word);
        self.made.borrow_mut().push(name.clone());
        name
    }
}

impl Drop for Lodge {
    fn drop(&mut self) {
        for name in self.made.take() {
            let _ = self.tell(&["rm", "-f", &name]);
        }
        for name in self.volumes.take() {
            let _ = self.tell(&["volume", "rm", "-f", &name]);
        }
    }
}

/// Every process with this word on its command line, but the engine's own.
pub(crate) fn seen(word: &str) -> Vec<Seen> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let mut found: Vec<Seen> = numbers.map(Seen).filter(|one| one.is_command(word)).collect();
    found.sort_by_key(|one| one.0);
    found
}

impl Seen {
    /// The word is one of its words, whole: the engine's `run` has it, too, but begins with its own name.
    fn is_command(self, word: &str) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", self.0)).unwrap_or_default();
        let mut words = line.split(|&byte| byte == 0);
        words.next().is_some_and(|first| first == b"sh") && words.any(|one| one == word.as_bytes())
    }

    /// Whether it is process 1 of a pid namespace.
    fn is_first(self) -> bool {
        let numbers = status_field(&self.status(), "NSpid").to_string();
        let mut numbers = numbers.split_whitespace();
        numbers.next().is_some() && numbers.last() == Some("1")
    }

    pub(crate) fn status(self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default()
    }

    /// The groups that it is in.
    pub(crate) fn groups(self) -> String {
        fs::read_to_string(format!("/proc/{}/cgroup", self.0)).unwrap_or_default()
    }

    /// A namespace by its inode: `pid:[4026532259]`.
    pub(crate) fn room(self, kind: &str) -> Result<PathBuf, Finding> {
        let path = format!("/proc/{}/ns/{kind}", self.0);
        Ok(fs::read_link(Path::new(&path)).map_err(|error| anyhow!("{path}: {error}"))?)
    }
}

/// What was seen, where it isn't what was wanted.
pub(crate) fn equal(saw: &str, wanted: &str) -> Result<(), Finding> {
    if saw == wanted {
        return Ok(());
    }
    Err(Finding::seen("other").with("saw", format!("{saw:?}")).with("wanted", format!("{wanted:?}")))
}

/// The output of what ended well, compared.
pub(crate) fn says(ended: &Ended, wanted: &str) -> Result<(), Finding> {
    let first = ended.stderr.lines().next().unwrap_or_default();
    let saw = match ended.code {
        0 => ended.stdout.clone(),
        code => format!("{}exit code {code}: {first}", ended.stdout),
    };
    equal(&saw, wanted)
}
