//! What a container has changed, as Docker's `diff` tells it: `A` added, `C` changed, `D` deleted. Only its upper
//! directory is walked: the cost is that of the changes, not of the image.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};

use crate::apply::tree::{is_whiteout, names};
use crate::container::Container;
use crate::pack::is_opaque;
use crate::store::Store;
use crate::view::merged;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub how: How,
    /// To which path, bytes as the kernel has them.
    pub path: Vec<u8>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum How {
    Added,
    Changed,
    Deleted,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.how {
            How::Added => 'A',
            How::Changed => 'C',
            How::Deleted => 'D',
        };
        write!(out, "{letter} /{}", String::from_utf8_lossy(&self.path).escape_debug())
    }
}

/// The changes, by path.
///
/// # Errors
/// The upper directory can't be read, or the layers not stacked.
pub fn of(store: &Store, container: &Container) -> Result<Vec<Change>> {
    let below = merged(store, &container.layer_paths(store)?)?;
    let upper = File::open(store.folder_of(container).join("upper")).context("upper")?;
    let mut found = Vec::new();
    folder(upper.as_fd(), below.as_fd(), b"", &mut found)?;
    Ok(found)
}

fn folder(upper: BorrowedFd<'_>, below: BorrowedFd<'_>, path: &[u8], found: &mut Vec<Change>) -> Result<()> {
    let own = names(upper)?;
    if is_opaque(upper)
        && let Ok(old) = open(below, path)
    {
        for name in names(old.as_fd())?.into_iter().filter(|name| !own.contains(name)) {
            found.push(Change { how: How::Deleted, path: [path, &name].concat() });
        }
    }
    for name in own {
        let full = [path, &name].concat();
        let seen = rustix::fs::statat(upper, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        if is_whiteout(&seen) {
            found.push(Change { how: How::Deleted, path: full });
            continue;
        }
        let how = if is_there(below, &full) { How::Changed } else { How::Added };
        found.push(Change { how, path: full.clone() });
        if FileType::from_raw_mode(seen.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inside = rustix::fs::openat(upper, name.as_slice(), flags, Mode::empty())?;
            folder(inside.as_fd(), below, &[full.as_slice(), b"/"].concat(), found)?;
        }
    }
    Ok(())
}

const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

fn is_there(below: BorrowedFd<'_>, path: &[u8]) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(below, path, flags, Mode::empty(), WITHIN).is_ok()
}

fn open(below: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<std::os::fd::OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(below, path, flags, Mode::empty(), WITHIN)
}
