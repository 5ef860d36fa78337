//! A stage driven from outside: run to its end, or visited while its command is alive.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use probe::catalogue;

use crate::attempt::{Cell, attempt_with};
use crate::canary::Canary;
use crate::finding::Finding;
use crate::roll_call::{Present, Roll};
use crate::stage::Stage;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; 128+n where a signal ended the stage itself.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What was printed about it.
    pub stderr: String,
}

/// Runs a command in the stage, to its end.
///
/// # Errors
/// The stage can't be started.
pub fn run<S: AsRef<OsStr>>(stage: &Stage, options: &[&str], words: &[S]) -> Result<Ended, Finding> {
    let output = stage.command(options, words)?.output()?;
    Ok(Ended {
        code: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A stage with the probe alive inside, before it may do anything.
pub struct Visit {
    /// The stage's process.
    pub stage: Child,
    /// The probe, as the host sees it.
    pub present: Present,
    /// Its scratch folder and socket; gone when this goes.
    pub canary: Canary,
}

impl Visit {
    /// Starts the probe in the stage and calls the roll.
    ///
    /// # Errors
    /// Nobody answers, or somebody else.
    pub fn begin(stage: &Stage, options: &[&str]) -> Result<Self, Finding> {
        Self::by(stage, options, &[])
    }

    /// The same, where the command is another one that starts the probe: `before` are its words, the probe's follow.
    ///
    /// # Errors
    /// As [`Visit::begin`].
    pub fn by(stage: &Stage, options: &[&str], before: &[&str]) -> Result<Self, Finding> {
        let canary = Canary::new("roll-call", stage)?;
        let roll = Roll::open(&canary)?;
        let facts = serde_json::to_string(&canary.facts).map_err(anyhow::Error::from)?;
        let program = stage.probe()?;
        let program = program.to_string_lossy();
        let words = [before, &[&*program, "try", "environment", "--facts", &facts]].concat();
        let mut command = stage.command(options, &words)?;
        let mut child = command.stdin(roll.input()?).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        match stage.probe_on_host().and_then(|probe| roll.call(&mut child, &probe)) {
            Ok(present) => Ok(Self { stage: child, present, canary }),
            Err(error) => {
                let _ = child.kill();
                let said = child.wait_with_output()?.stderr;
                let said = String::from_utf8_lossy(&said);
                Err(match said.lines().next() {
                    Some(line) => error.context(line.to_string()).into(),
                    None => error.into(),
                })
            }
        }
    }

    /// Lets the probe finish, and waits for the stage.
    ///
    /// # Errors
    /// It doesn't end.
    pub fn end(mut self) -> Result<i32, Finding> {
        self.present.go()?;
        self.present.bye();
        let status = self.stage.wait()?;
        Ok(status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1))
    }
}

/// Makes the attempt `name` on the stage; an escape, or an attempt that never ran, is the finding: `otherwise` with the
/// values `probe`, `cell` and `row`, usually [`Finding::seen`] of the key `probe`, whose words all chapters share.
///
/// # Errors
/// It got out.
pub fn contained(stage: &Stage, name: &str, otherwise: Finding) -> Result<(), Finding> {
    contained_by(stage, &[], name, otherwise)
}

/// The same, with options for the stage's `run`.
///
/// # Errors
/// It got out.
pub fn contained_by(stage: &Stage, options: &[&str], name: &str, otherwise: Finding) -> Result<(), Finding> {
    let probe = catalogue::find(name).ok_or_else(|| anyhow::anyhow!("there is no probe {name}"))?;
    match attempt_with(probe, stage, options)? {
        Cell::Contained => Ok(()),
        Cell::NotTried(why) => Err(Finding { untried: Some(why), ..otherwise }),
        cell => {
            let key = if otherwise.key.is_empty() { "probe" } else { otherwise.key };
            let seen = Finding { key, ..otherwise };
            Err(seen.with("probe", name).with("cell", cell).with("row", probe.row))
        }
    }
}

/// A command's own end, a signal, nothing to execute, and what can't be executed: each comes out as Docker's code.
///
/// # Errors
/// Another code came out.
pub fn exit_codes(stage: &Stage, options: &[&str]) -> Result<(), Finding> {
    let cases: [(&[&str], i32); 4] = [
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "sh -c 'kill -KILL $$'; exit $?"], 137),
        (&["/no/such/command"], 127),
        (&["/etc/passwd"], 126),
    ];
    for (words, expected) in cases {
        let ended = run(stage, options, words)?;
        if ended.code != expected {
            return Err(Finding::seen("exit_code")
                .with("command", format!("{words:?}"))
                .with("code", ended.code)
                .with("expected", expected));
        }
    }
    Ok(())
}

/// What a parent doesn't wait for becomes, when the parent ends, its grandparent's: ours. So we ask to get it.
///
/// # Errors
/// The command is still in the process table.
pub fn no_zombie(stage: &Stage) -> Result<(), Finding> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let visit = Visit::begin(stage, &[])?;
    let pid = visit.present.pid;
    visit.end()?;
    if !is_there(pid) {
        return Ok(());
    }
    let _ = nix::sys::wait::waitpid(Pid::from_raw(pid), None);
    Err(Finding::seen("zombie"))
}

/// Whether the process still exists, zombies included.
#[must_use]
pub fn is_there(pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether the process lives: a zombie that its new parent hasn't asked about yet doesn't.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !matches!(status_field(&status, "State").chars().next(), None | Some('Z' | 'X'))
}

/// Waits until `done`, at most `patience`.
pub fn within(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if done() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A line of `/proc/PID/status`, without its name.
#[must_use]
pub fn status_field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim()
}
