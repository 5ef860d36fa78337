//! `cargo workshop reset`: a chapter or a task from the beginning. What the learner wrote is kept.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lesson::chapter::Chapter;
use lesson::{blank, file, skeleton};

use super::desk::Desk;
use super::progress::Progress;
use super::readme;
use crate::ink::Ink;

/// Puts the skeleton back: of one task's bodies, or of the whole copy; files that were deleted come back either way.
///
/// # Errors
/// Nothing was started, or the checkout can't be written; then nothing is changed.
pub fn run(out: &mut impl Write, ink: Ink, wanted: Option<&str>, task: Option<&str>) -> Result<ExitCode> {
    let desk = Desk::started(wanted)?;
    let chapter = &desk.chapter;
    let kept = keep(chapter)?;
    let shown = kept.strip_prefix(&chapter.top).unwrap_or(&kept).display().to_string();
    match task {
        Some(_) => {
            let (number, task) = desk.task(task)?;
            for open in &task.blanks {
                let path = chapter.learners().join(&open.file);
                let fresh =
                    String::from_utf8(skeleton::source(chapter, &desk.exercise, 1, Path::new(&open.file))?)?;
                // Where the learner's file is gone, or its markers are, the whole file comes back.
                let text = fs::read_to_string(&path)
                    .ok()
                    .and_then(|mine| {
                        blank::with_body(&mine, &open.anchor, &blank::body(&fresh, &open.anchor).ok()?).ok()
                    })
                    .unwrap_or(fresh);
                file::write(&path, text.as_bytes())?;
            }
            forget(&desk, &task.name)?;
            writeln!(out, "task {number} ({}) is a blank again", task.name)?;
        }
        None => {
            // What isn't the chapter's goes too: it is in the copy that was kept.
            fs::remove_dir_all(chapter.learners().join("src"))?;
            skeleton::write(
                chapter,
                &desk.exercise,
                1,
                &readme::page(chapter, &desk.exercise),
                &probe::target_dir()?,
            )?;
            for task in &desk.exercise.tasks {
                forget(&desk, &task.name)?;
            }
            writeln!(out, "chapter {} is as it was at the start", chapter.name)?;
        }
    }
    writeln!(out, "{}", ink.dim(&format!("what you wrote is kept in {shown}")))?;
    Ok(ExitCode::SUCCESS)
}

fn forget(desk: &Desk, task: &str) -> Result<()> {
    let chapter = desk.chapter.name.clone();
    Progress::change(&desk.chapter.exercises(), |progress| progress.of_mut(&chapter, task).proven = false)
        .map(drop)
}

/// A copy of the learner's files, under a name of its own; the folder's name holds no dash followed by a chapter, so that
/// cargo takes it for no crate.
fn keep(chapter: &Chapter) -> Result<std::path::PathBuf> {
    let all = chapter.exercises().join("kept");
    let mut number = 1;
    let folder = loop {
        let folder = all.join(format!("{}.{number}", chapter.name));
        if !folder.exists() {
            break folder;
        }
        number += 1;
    };
    for path in file::below(&chapter.learners())? {
        let bytes = fs::read(chapter.learners().join(&path)).with_context(|| path.display().to_string())?;
        file::write(&folder.join(&path), &bytes)?;
    }
    Ok(folder)
}
