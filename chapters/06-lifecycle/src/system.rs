//! The whole of it: how much there is, what nobody needs any more, what killed processes have left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use ch00_process::kernel::Kernel;
use ch00_process::mechanism::Mechanism;
use ch00_process::record;
use ch03_cgroups::cgroup::Cgroup;
use ch04_images::own::Own;
use ch05_volumes::volumes::Volumes;

use crate::life::Life;

/// Removes what is on record by processes that have ended: half made containers and volumes, groups of killed monitors.
/// How many.
///
/// # Errors
/// The records can't be read. What can't be removed stays on record, and is told.
pub fn sweep(k: &Kernel) -> Result<(usize, Vec<String>)> {
    let (mut gone, mut kept) = (0, Vec::new());
    for orphan in record::orphans()? {
        if let Some(owner) = orphan.claimed() {
            kept.push(format!("{}: process {} uses it, which has another run root", orphan.what, owner.pid));
            continue;
        }
        let in_use = |other: &record::Record| other.what == orphan.what && other.owner.lives();
        let done = if record::all()?.iter().any(in_use) {
            Ok(()) // somebody else has it by now
        } else {
            match orphan.kind.as_str() {
                Life::NAME => Life::sweep(Path::new(&orphan.what), k).map(drop),
                Own::NAME => Own::cleanup(k, &orphan.what),
                Volumes::NAME => Volumes::cleanup(k, &orphan.what),
                Cgroup::NAME => Cgroup::cleanup(k, &orphan.what),
                _ => continue, // cargo workshop clean knows the others
            }
        };
        match done {
            Ok(()) => {
                orphan.forget()?;
                gone += 1;
            }
            Err(failure) => kept.push(failure.to_string()),
        }
    }
    for note in record::unfinished()? {
        // Its writer was killed before anything was made; somebody else may sweep as well.
        gone += usize::from(fs::remove_file(note).is_ok());
    }
    Ok((gone, kept))
}

/// How much of the disk a folder has, bytes. What can't be read (an ordinary user's mapped files) counts nothing.
#[must_use]
pub fn disk_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match fs::symlink_metadata(entry.path()) {
            Ok(seen) if seen.is_dir() => seen.blocks() * 512 + disk_of(&entry.path()),
            Ok(seen) => seen.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
