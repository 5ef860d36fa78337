//! `cargo workshop doctor`: for each chapter what this machine can do, what it can't, and how to mend it.
//!
//! # Layout
//! - [`attempt`]: trying instead of guessing, in a child process
//! - [`facts`]: this machine's names, versions and mounts, read once
//! - [`system`], [`users`], [`groups`], [`disk`], [`tools`]: the questions, by what they are about
//! - [`report`]: the answers, as text and as JSON
//! - [`fix`]: what it can mend itself, shown, done on yes, and taken back
//! - [`letter`]: all of it in one file, for an instructor
//! - [`errnos`]: what an error number usually means

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::ink::Ink;

pub mod attempt;
pub mod disk;
pub mod errnos;
pub mod facts;
pub mod fix;
pub mod groups;
pub mod letter;
pub mod report;
pub mod system;
pub mod tools;
pub mod users;

use facts::Facts;

/// The cure that the doctor brings along.
pub const FIX: &str = "cargo workshop doctor --fix";

/// How it stands with one thing that a chapter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is here.
    Fine,
    /// Worth knowing; nothing is missing.
    Note,
    /// The chapter works, with less to see.
    Partly,
    /// The chapter can't be run without it.
    Missing,
}

/// One answer.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was asked, in a word or two.
    pub name: &'static str,
    /// How it stands.
    pub state: State,
    /// What was seen, as a sentence.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Finding {
    /// It is here.
    #[must_use]
    pub fn fine(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, state: State::Fine, seen: seen.into(), cure: None }
    }

    /// Worth knowing.
    #[must_use]
    pub fn note(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, state: State::Note, seen: seen.into(), cure: None }
    }

    /// Works with less to see; `cure` gives the rest.
    #[must_use]
    pub fn partly(name: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Partly, seen: seen.into(), cure: Some(cure.into()) }
    }

    /// Not without `cure`.
    #[must_use]
    pub fn missing(name: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Missing, seen: seen.into(), cure: Some(cure.into()) }
    }

    /// The same with a way to more.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }
}

/// One chapter, or the house itself.
#[derive(Debug, Clone, Serialize)]
pub struct Room {
    /// `02-namespaces`.
    pub name: &'static str,
    /// What it is, for those who haven't been there.
    pub about: &'static str,
    /// Whether this checkout has it yet.
    pub built: bool,
    /// The worst of its findings.
    pub state: State,
    /// What it needs.
    pub findings: Vec<Finding>,
}

/// Everything that the doctor found.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// The machine in a line.
    pub machine: String,
    /// By chapter. A finding stands where it is needed first; every later chapter needs it too.
    pub rooms: Vec<Room>,
}

/// Looks at the machine and says what it found. Fails (1) where a chapter of this checkout can't be run at all.
///
/// # Errors
/// The writer is gone.
pub fn run(out: &mut impl Write, ink: Ink, json: bool) -> Result<ExitCode> {
    let diagnosis = examine(&Facts::read());
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&diagnosis)?)?;
    } else {
        report::text(out, ink, &diagnosis)?;
    }
    let stuck = diagnosis.rooms.iter().any(|room| room.built && room.state == State::Missing);
    Ok(if stuck { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Asks every question.
#[must_use]
pub fn examine(facts: &Facts) -> Diagnosis {
    let rooms = vec![
        room(facts, "the house", "building and testing it", {
            let mut found = vec![tools::linker(), tools::static_libc(facts)];
            found.extend(disk::checkout(facts));
            found.push(disk::target(facts));
            found
        }),
        room(facts, "00-process", "a process, and what it asks of the kernel", {
            let mut found = vec![system::kernel(facts)];
            found.extend(system::surroundings(facts));
            found.push(tools::lookers(facts));
            found
        }),
        room(
            facts,
            "01-chroot",
            "another root directory",
            vec![system::chroot(), tools::base(facts), disk::data(facts)],
        ),
        room(facts, "02-namespaces", "its own mounts, pids, names, network, users", {
            let mut found = vec![system::namespaces()];
            found.extend(users::user_namespaces(facts));
            found.push(system::fresh_proc());
            found.extend(users::ranges(facts));
            found
        }),
        room(facts, "03-cgroups", "how much of the machine", groups::all(facts)),
        room(facts, "04-images", "the mould that containers are cast in", vec![system::overlay(facts)]),
        room(facts, "05-volumes", "what is plugged in, and outlives a container", vec![system::plug()]),
    ];
    Diagnosis { machine: facts.in_a_line(), rooms }
}

fn room(facts: &Facts, name: &'static str, about: &'static str, findings: Vec<Finding>) -> Room {
    let built = name == "the house" || facts.checkout.join("chapters").join(name).is_dir();
    let state = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Fine);
    Room { name, about, built, state, findings }
}
