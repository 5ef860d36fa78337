//! One probe on one stage, from the canary to the verdict.

use std::fmt;
use std::io::Read;
use std::process::Stdio;

use anyhow::{Context, Result};
use probe::catalogue::Probe;
use serde::{Deserialize, Serialize};

use crate::canary::Canary;
use crate::judge;
use crate::profile::Profile;
use crate::roll_call::Roll;
use crate::stage::Stage;

/// A cell of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell {
    /// The attempt was made, and nothing came of it.
    Contained,
    /// It got out.
    Escaped,
    /// It could not be made here.
    NotRunnable(String),
    /// On the bare host it doesn't succeed either, so `contained` would mean nothing.
    NoBaseline(String),
    /// This machine lacks something that the attempt needs: another machine has the verdict.
    NotTried(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contained => out.pad("contained"),
            Self::Escaped => out.pad("ESCAPED"),
            Self::NotRunnable(why) => out.pad(&format!("not runnable ({why})")),
            Self::NoBaseline(why) => out.pad(&format!("no baseline ({why})")),
            Self::NotTried(why) => out.pad(&format!("not tried ({why})")),
        }
    }
}

/// Makes the attempt. To be called in the [`arena`](crate::arena).
///
/// # Errors
/// The test itself can't be set up; that the stage fails is a cell.
pub fn attempt(probe: &Probe, stage: &Stage) -> Result<Cell> {
    attempt_with(probe, stage, &[])
}

/// The same, with options for the stage's `run`.
///
/// # Errors
/// As [`attempt`].
pub fn attempt_with(probe: &Probe, stage: &Stage, options: &[&str]) -> Result<Cell> {
    let mut canary =
        Canary::new(probe.name, stage).with_context(|| format!("the canary for {}", probe.name))?;
    if let Some(lacks) = canary.lacks.take() {
        return Ok(Cell::NotTried(lacks));
    }
    let roll = Roll::open(&canary)?;
    let facts = serde_json::to_string(&canary.facts)?;
    let program = stage.probe()?;
    let program = program.to_string_lossy();
    let words = [&*program, "try", probe.name, "--facts", &facts];
    let given: Vec<&str> = canary.given.iter().map(String::as_str).collect();
    let options = [&stage.knows(3, canary.limits), &stage.knows(5, &given), options].concat();
    let mut command = stage.dressed(&canary.dress, &options, &words)?;
    command.envs(canary.environment.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .stdin(roll.input()?)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the stage")?;
    let result = inside(probe, stage, &mut canary, &roll, &mut child);
    if result.is_err() {
        let _ = child.kill();
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    let _ = child.wait();
    result.or_else(|error| {
        let said = said.lines().find(|line| !line.starts_with("ch01-chroot: not root")).unwrap_or_default();
        // Where on this machine differs; that there is none doesn't.
        let said = if said.contains("no group of ours may be made") {
            "no group was given to this user"
        } else {
            said
        };
        Ok(Cell::NotRunnable(if said.is_empty() { format!("{error:#}") } else { said.into() }))
    })
}

fn inside(
    probe: &Probe,
    stage: &Stage,
    canary: &mut Canary,
    roll: &Roll,
    child: &mut std::process::Child,
) -> Result<Cell> {
    let mut present = roll.call(child, &stage.probe_on_host()?)?;
    let allowed = canary.meanwhile(probe.name, present.pid);
    let evidence = match present.go() {
        // A hog that is stopped is dead, and so are all in its group: the stage's own end tells.
        Err(_) if probe.name == "memory-hog" && stage.binary().is_some() => return killed(child),
        other => other?,
    };
    let escaped = judge::escaped(probe.name, canary, &present, &evidence)?;
    present.bye();
    if escaped {
        return Ok(Cell::Escaped);
    }
    if stage.binary().is_some() {
        return Ok(Cell::Contained);
    }
    let why = match (probe.name, allowed) {
        ("root-is-root", _) => "an ordinary user's files are never root's".into(),
        ("given-submount" | "given-rmdir", _) => "an ordinary user mounts nothing on the host".into(),
        (_, Err(errno)) => reason(errno.desc()),
        _ => {
            // The first step that was refused says why; what came after it had no chance.
            let refused = evidence.told.iter().find(|line| !line.ends_with(": done"));
            reason(refused.and_then(|line| line.rsplit(": ").next()).unwrap_or("nothing was found"))
        }
    };
    // On the bare host nothing stops it but the user's own rights; what stops root is this machine.
    Ok(match Profile::here() {
        Profile::Root => Cell::NotTried(format!("this machine stops root itself: {why}")),
        Profile::Range | Profile::OneId => Cell::NoBaseline(why),
    })
}

/// Whether the kernel has ended it by SIGKILL, which is how a limit on memory ends what insists.
fn killed(child: &mut std::process::Child) -> Result<Cell> {
    let status = child.wait()?;
    if status.code() == Some(137) {
        return Ok(Cell::Contained);
    }
    Ok(Cell::NotRunnable(format!("the hog was gone, and the stage ended with {status}")))
}

/// `Operation not permitted (os error 1)` and `Operation not permitted` are the same reason.
fn reason(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_lowercase()
}
