//! `cargo workshop graduate`: the tour and the ladder with the learner's own chapters in place of the reference.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use lesson::chapter::Chapter;
use lesson::exercise::Exercise;
use lesson::{house, skeleton};

use super::progress::Progress;
use crate::ink::Ink;

/// Builds the house from the learner's chapters, those whose core tasks are proven, and runs `ladder` or the tour in it.
///
/// # Errors
/// No chapter is done, or the house doesn't build with the learner's.
pub fn run(out: &mut impl Write, ink: Ink, ladder: bool) -> Result<ExitCode> {
    let top = probe::workspace();
    let progress = Progress::read(&lesson::chapter::exercises(top))?;
    let mut own = Vec::new();
    for chapter in Chapter::all(top)?.into_iter().filter(Chapter::is_started) {
        let exercise = Exercise::of(&chapter.reference())?;
        let done = exercise.tasks.iter().filter(|task| task.core).all(|task| {
            progress.of(&chapter.name, &task.name).proven && !skeleton::is_open(task, &chapter.learners())
        });
        match done {
            true => own.push((chapter, exercise)),
            false => writeln!(out, "{}: not done yet, so the reference stands in its place", chapter.name)?,
        }
    }
    if own.is_empty() {
        bail!("no chapter is done yet\n  try:   cargo workshop status");
    }
    let tree = probe::target_dir()?.join("graduate/tree");
    writeln!(out, "building the house with your {}", names(&own))?;
    house::copy(top, &tree)?;
    for (chapter, exercise) in &own {
        // An optional task that is blank still is lent: the others are the learner's.
        let target = probe::target_dir()?;
        let lent = skeleton::lend(chapter, exercise, &chapter.learners(), &target)?;
        house::mirror(&lent.join("src"), &tree.join("chapters").join(&chapter.name).join("src"))?;
    }
    let built = cargo(&tree, &["build", "--quiet", "--package", "workshop"])?.status().context("cargo")?;
    if !built.success() {
        bail!("the house doesn't build with your chapters; what another chapter uses has to keep its form");
    }
    writeln!(out, "{}\n", ink.bold(&format!("Your container: {} by you", names(&own))))?;
    out.flush()?;
    let arguments: &[&str] = if ladder { &["ladder", "--all"] } else { &[] };
    let mut words = vec!["run", "--quiet", "--package", "workshop", "--"];
    words.extend(arguments);
    let ran = cargo(&tree, &words)?.status().context("cargo")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn names(own: &[(Chapter, Exercise)]) -> String {
    own.iter().map(|(chapter, _)| chapter.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// cargo in the copied house, with a target folder of its own: the reference's programs stay where they are.
fn cargo(tree: &Path, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && text != "CARGO_HOME" {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(tree)
        .args(words)
        .env("CARGO_TARGET_DIR", learner_target()?)
        .env("CARGO_NET_OFFLINE", "true");
    Ok(command)
}

fn learner_target() -> Result<PathBuf> {
    Ok(probe::target_dir()?.join("graduate/target"))
}
