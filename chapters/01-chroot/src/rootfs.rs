//! A folder that may be a root file system, looked at before the kernel is asked: its ENOENT would not say
//! which of two things is missing.

use std::fs;
use std::path::{Path, PathBuf};

use ch00_process::failure::Failure;

use crate::base;

/// The folder that was named, or the default base, which is made where it isn't there yet.
///
/// # Errors
/// Not there, not a directory, empty, not readable, or the base can't be made; each with what to do.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    // ANCHOR: task-systems
    match named {
        Some(path) => look(path),
        None => base::ensure_default().map_err(|error| {
            Failure::said(
                format!("the base root file system: {error:#}"),
                "",
                "name another with --rootfs DIR",
            )
        }),
    }
    // ANCHOR_END: task-systems
}

fn look(path: &Path) -> Result<PathBuf, Failure> {
    let make = "ch01-chroot base DIR makes a root file system from this machine";
    let shown = path.display();
    let seen = fs::metadata(path).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::NotFound => "there is nothing at this path",
            std::io::ErrorKind::PermissionDenied => {
                "this user may not pass through a folder on the way to it"
            }
            _ => "the folder can't be looked at",
        };
        Failure::said(format!("rootfs {shown}: {error}"), cause, make)
    })?;
    if !seen.is_dir() {
        let cause = "a rootfs is a folder; an archive has to be unpacked first";
        return Err(Failure::said(format!("rootfs {shown}: not a directory"), cause, make));
    }
    let mut entries = fs::read_dir(path).map_err(|error| {
        Failure::said(format!("rootfs {shown}: {error}"), "this user may not read the folder", make)
    })?;
    if entries.next().is_none() {
        let cause = "there is no program in it that could be run";
        return Err(Failure::said(format!("rootfs {shown}: an empty directory"), cause, make));
    }
    path.canonicalize().map_err(|error| Failure::said(format!("rootfs {shown}: {error}"), "", make))
}
