//! `cargo workshop hint` and `solution`: one more hint each time; the solution when it was asked for twice.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use lesson::blank;

use super::desk::Desk;
use super::progress::Progress;
use super::trace;
use crate::ink::{Ink, wrap};

/// How wide the terminal is, in columns; 100 where there is none.
#[must_use]
pub fn width() -> usize {
    let size = std::fs::File::open("/dev/tty").ok().and_then(|tty| rustix::termios::tcgetwinsize(tty).ok());
    size.map_or(100, |size| usize::from(size.ws_col).max(40))
}

/// The next hint of a task, after those that were read. With the third comes the first difference from the reference's own
/// trace.
///
/// # Errors
/// No such task, nothing started, or the progress can't be kept.
pub fn run(out: &mut impl Write, ink: Ink, chapter: Option<&str>, task: Option<&str>) -> Result<ExitCode> {
    let desk = Desk::started(chapter)?;
    let (number, task) = desk.task(task)?;
    let name = &desk.chapter.name;
    let read = desk.progress.of(name, &task.name).hints.min(task.hints.len() - 1);
    writeln!(out, "{}", ink.bold(&format!("{name}, task {number} ({}): {}", task.name, task.title)))?;
    writeln!(out, "{}\n", wrap(task.what.trim(), 100, 0))?;
    for (n, hint) in task.hints.iter().enumerate().take(read + 1) {
        writeln!(out, "  hint {} of {}: {}", n + 1, task.hints.len(), wrap(hint.trim(), 100, 4))?;
    }
    if read + 1 == task.hints.len() && !desk.is_open(task) {
        match trace::first_difference(&desk) {
            Ok(text) => writeln!(out, "\n{text}")?,
            Err(error) => writeln!(out, "\n  (the two launches can't be compared: {error:#})")?,
        }
    }
    writeln!(out, "\n  read: {}", task.read.join("; "))?;
    if read + 1 < task.hints.len() {
        writeln!(out, "  {}", ink.dim("one more: the same command again"))?;
    } else {
        writeln!(
            out,
            "  {}",
            ink.dim(&format!(
                "that was the last; cargo workshop solution {} {}",
                desk.chapter.digits(),
                task.name
            ))
        )?;
    }
    Progress::change(&desk.chapter.exercises(), |progress| {
        let done = progress.of_mut(name, &task.name);
        done.hints = (done.hints + 1).min(task.hints.len());
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The reference's body: after passing at once, before it only when asked for twice.
///
/// # Errors
/// As [`run`].
pub fn solution(
    out: &mut impl Write,
    ink: Ink,
    chapter: Option<&str>,
    task: Option<&str>,
) -> Result<ExitCode> {
    let desk = Desk::started(chapter)?;
    let (number, task) = desk.task(task)?;
    let name = &desk.chapter.name;
    let done = desk.progress.of(name, &task.name);
    if !done.proven && done.solution == 0 {
        Progress::change(&desk.chapter.exercises(), |progress| {
            progress.of_mut(name, &task.name).solution = 1
        })?;
        writeln!(
            out,
            "Task {number} ({}) isn't proven yet. {} of {} hints were read.",
            task.name,
            done.hints,
            task.hints.len()
        )?;
        writeln!(out, "  one more hint     cargo workshop hint {} {}", desk.chapter.digits(), task.name)?;
        writeln!(out, "  yes, show me      the same command again")?;
        return Ok(ExitCode::FAILURE);
    }
    for open in &task.blanks {
        let file = desk.chapter.reference().join(&open.file);
        let text = std::fs::read_to_string(&file)?;
        writeln!(out, "{}", ink.bold(&format!("{}, {}", open.file, open.anchor)))?;
        out.write_all(blank::body(&text, &open.anchor)?.as_bytes())?;
        writeln!(out)?;
    }
    Progress::change(&desk.chapter.exercises(), |progress| progress.of_mut(name, &task.name).solution += 1)?;
    Ok(ExitCode::SUCCESS)
}
