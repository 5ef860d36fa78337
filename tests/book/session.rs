//! A page's blocks, run from top to bottom in one temporary folder, with nothing of the caller's environment.

use std::io::{PipeReader, Read};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{fs, thread};

use checks::stage::{STAGES, Stage, program};

use crate::compare::fits;
use crate::page::Page;

/// No command of the book takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What chapter 01 says to an ordinary user before each command; its page says that it is left out.
const BORROWED: &str = "ch01-chroot: not root, so a user namespace of one id is borrowed";

/// Where a page's commands run.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    probe: PathBuf,
}

impl Session {
    /// Runs all blocks that can run here; one answer for each block of the page.
    pub(crate) fn run(page: &Page) -> Vec<Result<(), String>> {
        let session = match Self::prepared() {
            Ok(session) => session,
            Err(why) => return page.blocks.iter().map(|_| Err(why.clone())).collect(),
        };
        let run = |block: &crate::page::Block| {
            if block.missing().is_some() {
                return Ok(());
            }
            block.commands.iter().try_for_each(|(command, expected)| session.check(command, expected))
        };
        page.blocks.iter().map(run).collect()
    }

    fn prepared() -> Result<Self, String> {
        let text = |error: std::io::Error| format!("the folder of the page: {error}");
        let folder = tempfile::Builder::new().prefix("boxroom-book.").tempdir().map_err(text)?;
        let bin = folder.path().join("bin");
        for name in ["bin", "home", "work"] {
            fs::create_dir(folder.path().join(name)).map_err(text)?;
        }
        for name in STAGES {
            let stage = Stage::of(name).map_err(|error| format!("{error:#}"))?;
            let binary = stage.binary().ok_or("a stage without a binary")?;
            symlink(binary, bin.join(format!("ch{name}"))).map_err(text)?;
        }
        let probe = probe::staged().map_err(|error| format!("{error:#}"))?;
        symlink(&probe, bin.join("probe")).map_err(text)?;
        let boxroom = match probe::built_folder() {
            Some(built) => built.join("boxroom"),
            None => env!("CARGO_BIN_EXE_boxroom").into(),
        };
        symlink(boxroom, bin.join("boxroom")).map_err(text)?;
        let workshop = program("workshop").map_err(|error| format!("{error:#}"))?;
        symlink(workshop, bin.join("workshop")).map_err(text)?;
        Ok(Self { folder, probe })
    }

    fn check(&self, command: &str, expected: &[String]) -> Result<(), String> {
        let came = self.output(command).map_err(|error| format!("$ {command}\n{error}"))?;
        let came: Vec<&str> = came.lines().filter(|line| !line.starts_with(BORROWED)).collect();
        let wanted: Vec<&str> = expected.iter().map(String::as_str).collect();
        if fits(&wanted, &came) {
            return Ok(());
        }
        Err(format!(
            "$ {command}\n--- the book says\n{}\n--- it printed\n{}",
            wanted.join("\n"),
            came.join("\n")
        ))
    }

    /// What the command prints on both streams, as a terminal would show it.
    fn output(&self, command: &str) -> Result<String, String> {
        let said = |error: std::io::Error| error.to_string();
        // A pipe, not a file: to a regular file `cat` copies by copy_file_range, and strace would show that.
        let (reader, writer) = std::io::pipe().map_err(said)?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(self.place("work"))
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.place("bin").display()),
            )
            .env("HOME", self.place("home"))
            .env("BOXROOM_ROOT", self.place("root"))
            .env("BOXROOM_RUN", self.place("run"))
            .env("BOXROOM_PROBE", &self.probe)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(said)?)
            .stderr(writer)
            .process_group(0)
            .spawn()
            .map_err(said)?;
        let heard = listen(reader);
        // Whoever is left running in the background holds the pipe open: a block has to end what it starts.
        let first = heard.recv_timeout(PATIENCE);
        if first.is_err() {
            let _ = child.kill();
        }
        child.wait().map_err(said)?;
        first.map_err(|_| format!("still running after {} s", PATIENCE.as_secs()))
    }

    fn place(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

/// All that comes out of the pipe, when its last writer has closed it.
fn listen(mut pipe: PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
