//! `cargo workshop start`: a chapter becomes an exercise of the learner's own.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use lesson::skeleton;

use super::desk::Desk;
use super::progress::Progress;
use super::{question, readme};
use crate::ink::Ink;

/// What an assistant is told: to tutor, not to solve.
const AGENTS: &str = include_str!("agents.md");

/// Writes the learner's copy, with the tasks from `task` on to be written, and asks for the first prediction. A copy that
/// is there stays as it is.
///
/// # Errors
/// No such chapter or task, or the checkout can't be written.
pub fn run(out: &mut impl Write, ink: Ink, wanted: Option<&str>, task: Option<&str>) -> Result<ExitCode> {
    let desk = Desk::at(Some(wanted.unwrap_or("00")))?;
    let (chapter, digits) = (&desk.chapter, desk.chapter.digits());
    let folder = chapter.learners();
    let shown = folder.strip_prefix(&chapter.top).unwrap_or(&folder).display().to_string();
    let from = match task {
        Some(_) => desk.task(task)?.0,
        None => 1,
    };
    if chapter.is_started() {
        Progress::change(&chapter.exercises(), |progress| progress.current = Some(chapter.name.clone()))?;
        writeln!(out, "{shown} is there already, and stays as it is.")?;
        writeln!(out, "  on with it   cargo workshop check {digits}")?;
        writeln!(out, "  anew         cargo workshop reset {digits}   (a copy of yours is kept)")?;
        return Ok(ExitCode::SUCCESS);
    }
    skeleton::write(
        chapter,
        &desk.exercise,
        from,
        &readme::page(chapter, &desk.exercise),
        &probe::target_dir()?,
    )?;
    lesson::file::write(&chapter.exercises().join("AGENTS.md"), AGENTS.as_bytes())?;
    Progress::change(&chapter.exercises(), |progress| progress.current = Some(chapter.name.clone()))?;
    writeln!(out, "{}", ink.bold(&format!("{}: {}", chapter.name, desk.exercise.title)))?;
    writeln!(out, "{shown} is yours: the chapter with {} left out.\n", bodies(&desk, from))?;
    let opening = desk.exercise.opening.as_ref().filter(|_| from == 1);
    if let Some(opening) = opening {
        writeln!(out, "  0 {:12} {} ({} min)", "look", opening.title, opening.minutes)?;
    }
    for (number, task) in desk.numbered().filter(|(number, _)| *number >= from) {
        let optional = if task.core { "" } else { ", optional" };
        writeln!(out, "  {number} {:12} {} ({} min{optional})", task.name, task.title, task.minutes)?;
    }
    if let Some(opening) = opening {
        writeln!(out, "\n{} {}", ink.bold("Begin with task 0:"), opening.command)?;
    }
    let first = desk.numbered().find(|(number, _)| *number == from);
    if let Some((number, task)) = first {
        writeln!(out)?;
        question::predict(out, ink, chapter, (number, task))?;
        for blank in &task.blanks {
            writeln!(
                out,
                "  {}  {}",
                ink.bold("write"),
                format_args!("{shown}/{}: {}", blank.file, blank.todo)
            )?;
        }
    }
    writeln!(
        out,
        "  {}  cargo workshop check {digits}   (or cargo test in that folder; or watch)",
        ink.bold("check")
    )?;
    writeln!(out, "  {}  cargo workshop hint {digits}", ink.bold("stuck"))?;
    Ok(ExitCode::SUCCESS)
}

fn bodies(desk: &Desk, from: usize) -> String {
    let count: usize =
        desk.exercise.tasks[from.saturating_sub(1)..].iter().map(|task| task.blanks.len()).sum();
    if count == 1 { "one body".into() } else { format!("{count} bodies") }
}
