//! A copy of the house's sources, to be changed and built beside it: for mutants, and for a learner's own container.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::file;

/// What a checkout is built from.
const PARTS: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "chapters",
    "checks",
    "lesson",
    "probe",
    "workshop",
    "tests",
    "benches",
];

/// Copies the sources; a file that is the same already keeps its time, so that cargo builds little.
///
/// # Errors
/// A source can't be read, or the copy can't be written.
pub fn copy(top: &Path, to: &Path) -> Result<()> {
    for part in PARTS {
        let from = top.join(part);
        if from.is_dir() {
            mirror(&from, &to.join(part))?;
        } else {
            file::write(&to.join(part), &fs::read(&from).with_context(|| from.display().to_string())?)?;
        }
    }
    Ok(())
}

/// Makes `to` have the files of `from`, and no others.
///
/// # Errors
/// As [`copy`].
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    let wanted: BTreeSet<PathBuf> = file::below(from)?.into_iter().collect();
    for path in file::below(to)? {
        if !wanted.contains(&path) {
            fs::remove_file(to.join(path))?;
        }
    }
    for path in wanted {
        let source = from.join(&path);
        file::write(&to.join(&path), &fs::read(&source).with_context(|| source.display().to_string())?)?;
    }
    Ok(())
}
