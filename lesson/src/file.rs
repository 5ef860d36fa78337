//! Files that are whole or not there, and that keep their time where nothing changed, so that cargo builds little.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `text` to `path`, beside it first and then renamed; not at all where it is there already.
///
/// # Errors
/// The folder can't be written (a read-only checkout, a full disk).
pub fn write(path: &Path, text: &[u8]) -> Result<()> {
    put(path, text, true)
}

/// The same for what is made of other files and can be made again: nobody waits for the disk, which may take a second
/// where it is busy.
///
/// # Errors
/// As [`write`].
pub fn derive(path: &Path, text: &[u8]) -> Result<()> {
    put(path, text, false)
}

fn put(path: &Path, text: &[u8], lasts: bool) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let told = || format!("could not write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(told)?;
    let beside = folder.join(format!(".{}.partial", path.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = fs::File::create(&beside).with_context(told)?;
    file.write_all(text).with_context(told)?;
    if lasts {
        file.sync_all().with_context(told)?;
    }
    fs::rename(&beside, path).with_context(told)
}

/// Every file below `folder`, by its path from there, in order. Nothing where there is no such folder.
///
/// # Errors
/// A folder in it can't be read.
pub fn below(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![std::path::PathBuf::new()];
    while let Some(inner) = open.pop() {
        let here = folder.join(&inner);
        if !here.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&here).with_context(|| here.display().to_string())? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
