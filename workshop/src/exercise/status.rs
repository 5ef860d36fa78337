//! `cargo workshop status`: how far, by name.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use lesson::chapter::Chapter;
use lesson::exercise::Exercise;
use serde_json::json;

use super::progress::Progress;
use crate::ink::Ink;

/// Every exercise that there is, and what was proven in it when it was checked last.
///
/// # Errors
/// The progress can't be read, or the writer is gone.
pub fn run(out: &mut impl Write, ink: Ink, as_json: bool) -> Result<ExitCode> {
    let top = probe::workspace();
    let progress = Progress::read(&lesson::chapter::exercises(top))?;
    let mut all = Vec::new();
    for chapter in Chapter::all(top)? {
        let exercise = Exercise::of(&chapter.reference())?;
        let proven = |task: &&lesson::exercise::Task| progress.of(&chapter.name, &task.name).proven;
        let core: Vec<_> = exercise.tasks.iter().filter(|task| task.core).collect();
        let done = core.iter().filter(|task| proven(task)).count();
        if as_json {
            let tasks: Vec<_> = exercise
                .tasks
                .iter()
                .map(|task| {
                    let kept = progress.of(&chapter.name, &task.name);
                    json!({ "name": task.name, "core": task.core, "proven": kept.proven, "hints": kept.hints, "predicted": kept.predicted })
                })
                .collect();
            all.push(json!({ "chapter": chapter.name, "started": chapter.is_started(), "tasks": tasks }));
            continue;
        }
        let how = match (chapter.is_started(), done == core.len()) {
            (_, true) => ink.green("done"),
            (true, false) => ink.yellow("begun"),
            (false, false) => ink.dim("not started"),
        };
        let minutes: u32 = core.iter().filter(|task| !proven(task)).map(|task| task.minutes).sum();
        writeln!(out, "{:16} {done} of {} core tasks, {minutes} min to go: {how}", chapter.name, core.len())?;
        for (number, task) in exercise.tasks.iter().enumerate() {
            let mark = if proven(&task) { ink.green("proven") } else { "-".into() };
            writeln!(out, "  {} {:12} {mark}", number + 1, task.name)?;
        }
    }
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
