//! Folders of containers that never became one, or that nobody keeps: after a power cut nothing else tells of them, since
//! the records of who has to remove what are in the run folder, which ends with the power.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ch00_process::record;
use nix::fcntl::{Flock, FlockArg};

use super::{Lease, Store};
use crate::container::Container;
use crate::layers::remove_tree;

impl Store {
    /// Removes them. How many. Who makes a container has a lease of the store until it is written down, so whoever has the
    /// store alone (`_alone`) meets none that is only just being made.
    ///
    /// # Errors
    /// The folder or the records can't be read, or as the kernel says.
    pub(super) fn remove_unfinished(&self, _alone: &Lease) -> Result<usize> {
        let in_use: Vec<PathBuf> = record::all()?
            .into_iter()
            .filter(|record| record.owner.lives())
            .map(|record| record.what.into())
            .collect();
        let mut removed = 0;
        for entry in fs::read_dir(self.containers())? {
            let entry = entry?;
            let folder = entry.path();
            let name = entry.file_name();
            if !entry.file_type()?.is_dir() || !is_id(&name.to_string_lossy()) || is_kept(&folder) {
                continue;
            }
            // Somebody ends it at this moment, and removes it himself.
            if in_use.contains(&folder) {
                continue;
            }
            let Some(_held) = nobodys(&folder)? else { continue };
            remove_tree(&folder).with_context(|| folder.display().to_string())?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// What [`crate::container::new_id`] gives: a folder of another name isn't ours to remove.
fn is_id(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether its config says that somebody wants to have it. One without a name ends with its command. A config that can't
/// be understood was one: what is in there may be somebody's. But a kept container's is on the disk before it has its
/// name, so an empty one is of a container that nobody would miss.
fn is_kept(folder: &Path) -> bool {
    match fs::read(folder.join("config.json")) {
        Ok(bytes) if bytes.is_empty() => false,
        Ok(bytes) => serde_json::from_slice(&bytes).map_or(true, |one: Container| one.name.is_some()),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The locks of a folder that nobody has: its own (chapter 06's, of who changes its state) and that of who runs it. None
/// where somebody has one.
fn nobodys(folder: &Path) -> Result<Option<Vec<Flock<File>>>> {
    let mut held = Vec::new();
    for path in [folder.to_path_buf(), folder.join("upper")] {
        match File::open(&path) {
            Ok(file) => match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => held.push(lock),
                Err(_) => return Ok(None),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(Some(held))
}
