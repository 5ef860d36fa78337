//! A chapter as an exercise: the learner's copy with its blanks, and the same copy with the blanks lent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::blank;
use crate::chapter::Chapter;
use crate::exercise::{Exercise, Task};
use crate::file;
use crate::manifest::{self, Copy};

/// Writes the learner's copy: the reference with the bodies of the tasks from number `from` on cut out, the checks beside
/// it, and the workspace around it, which builds into `target`. Never over a copy that is there: [`crate::chapter::Chapter::is_started`] is for the
/// caller to ask.
///
/// # Errors
/// A blank's markers are missing in the reference, or the checkout can't be written.
pub fn write(
    chapter: &Chapter,
    exercise: &Exercise,
    from: usize,
    readme: &str,
    target: &Path,
) -> Result<PathBuf> {
    let reference = chapter.reference();
    let folder = chapter.learners();
    workspace(chapter, target)?;
    for (path, text) in sources(chapter)? {
        file::write(&folder.join(&path), &with_blanks(exercise, from, &path, text)?)?;
    }
    for path in file::below(&reference.join("tests"))? {
        if path.extension().is_some_and(|end| end == "rs") {
            let from = reference.join("tests").join(&path);
            let text = fs::read(&from).with_context(|| from.display().to_string())?;
            file::write(&folder.join("tests").join(&path), &text)?;
        }
    }
    file::write(&folder.join("README.md"), readme.as_bytes())?;
    // Last: a copy without its manifest has not been started, and the next start carries on.
    let own = text(&reference.join("Cargo.toml"))?;
    file::write(&folder.join("Cargo.toml"), manifest::package(chapter, &own, Copy::Exercise).as_bytes())?;
    Ok(folder)
}

/// The skeleton's text of one source, as [`write`] makes it.
///
/// # Errors
/// As there.
pub fn source(chapter: &Chapter, exercise: &Exercise, from: usize, path: &Path) -> Result<Vec<u8>> {
    let file = chapter.reference().join(path);
    let text = fs::read(&file).with_context(|| file.display().to_string())?;
    with_blanks(exercise, from, path, text)
}

/// Writes a copy of the learner's crate in which what is still blank is lent from the reference, so that each task can be
/// checked by itself, in any order. Returns its folder; only what has changed is written.
///
/// # Errors
/// A file of the learner's can't be read, or `target` can't be written.
pub fn lend(chapter: &Chapter, exercise: &Exercise, learners: &Path, target: &Path) -> Result<PathBuf> {
    let all = target.join("lent");
    let folder = all.join(Copy::Lent.package(chapter));
    let root = text(&chapter.top.join("Cargo.toml"))?;
    let here = manifest::workspace(&root, &whole(&chapter.top), has_images(&all, chapter));
    file::derive(&all.join("Cargo.toml"), here.as_bytes())?;
    if !all.join("Cargo.lock").is_file() {
        file::derive(&all.join("Cargo.lock"), text(&chapter.top.join("Cargo.lock"))?.as_bytes())?;
    }
    let own = text(&chapter.reference().join("Cargo.toml"))?;
    file::derive(&folder.join("Cargo.toml"), manifest::package(chapter, &own, Copy::Lent).as_bytes())?;
    let mut wanted = BTreeSet::new();
    for path in file::below(&learners.join("src"))? {
        let path = Path::new("src").join(path);
        let mut lent = fs::read(learners.join(&path)).with_context(|| path.display().to_string())?;
        for task in &exercise.tasks {
            for open in task.blanks.iter().filter(|blank| Path::new(&blank.file) == path) {
                let learners = String::from_utf8_lossy(&lent).into_owned();
                if blank::is_blank(&learners, &open.anchor) {
                    let body = blank::body(&text(&chapter.reference().join(&path))?, &open.anchor)?;
                    lent = blank::with_body(&learners, &open.anchor, &body)?.into_bytes();
                }
            }
        }
        file::derive(&folder.join(&path), &lent)?;
        wanted.insert(path);
    }
    for path in file::below(&folder.join("src"))? {
        if !wanted.contains(&Path::new("src").join(&path)) {
            fs::remove_file(folder.join("src").join(path))?;
        }
    }
    Ok(folder)
}

/// Whether a task of the learner's copy is still to be written: one of its blanks is.
#[must_use]
pub fn is_open(task: &Task, learners: &Path) -> bool {
    task.blanks.iter().any(|open| {
        fs::read_to_string(learners.join(&open.file)).is_ok_and(|text| blank::is_blank(&text, &open.anchor))
    })
}

/// What stands around the learner's copies: manifest, lock, cargo's configuration, the editor's.
fn workspace(chapter: &Chapter, target: &Path) -> Result<()> {
    let all = chapter.exercises();
    let root = text(&chapter.top.join("Cargo.toml"))?;
    let up = if chapter.is_at_home() { "../".into() } else { whole(&chapter.top) };
    file::write(
        &all.join("Cargo.toml"),
        manifest::workspace(&root, &up, has_images(&all, chapter)).as_bytes(),
    )?;
    if !all.join("Cargo.lock").is_file() {
        file::write(&all.join("Cargo.lock"), text(&chapter.top.join("Cargo.lock"))?.as_bytes())?;
    }
    let target = (!chapter.is_at_home()).then_some(target);
    let configuration = manifest::configuration(&chapter.top, target);
    file::write(&all.join(".cargo/config.toml"), configuration.as_bytes())?;
    // rust-analyzer finds only the workspace at the top, which leaves this one out.
    let editor = "{\n    \"rust-analyzer.linkedProjects\": [\"Cargo.toml\"],\n    \"rust-analyzer.check.command\": \"check\"\n}\n";
    file::write(&all.join(".vscode/settings.json"), editor.as_bytes())
}

/// Whether a chapter there, or this one, unpacks images: then the crates for it are among those that are built.
fn has_images(all: &Path, chapter: &Chapter) -> bool {
    let is_one = |name: &str| name.trim_start_matches(char::is_alphabetic) >= "04" && name.contains('-');
    let members = fs::read_dir(all).into_iter().flatten().flatten();
    is_one(&chapter.name) || members.into_iter().any(|entry| is_one(&entry.file_name().to_string_lossy()))
}

fn sources(chapter: &Chapter) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = chapter.reference().join("src");
    file::below(&folder)?
        .into_iter()
        .map(|path| {
            let bytes = fs::read(folder.join(&path)).with_context(|| path.display().to_string())?;
            Ok((Path::new("src").join(path), bytes))
        })
        .collect()
}

fn with_blanks(exercise: &Exercise, from: usize, path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut bytes = bytes;
    for (number, task) in exercise.tasks.iter().enumerate().map(|(n, task)| (n + 1, task)) {
        for open in task.blanks.iter().filter(|open| number >= from && Path::new(&open.file) == path) {
            let source = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
            let cut = blank::cut(&source, open, number);
            bytes = cut.with_context(|| format!("task {}: {}", task.name, path.display()))?.into_bytes();
        }
    }
    Ok(bytes)
}

/// The top's whole path, for what doesn't stand at its usual place below it.
fn whole(top: &Path) -> String {
    format!("{}/", top.display())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
