//! Owner, mode, extended attributes, times: in that order, because a change of owner takes setuid bits and
//! capabilities away, and every change sets the time.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::Notes;
use crate::archive::entry::{Entry, Time};

/// Attributes that overlayfs keeps its own books in: who could bring them in would decide what the layers below show.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Whether this process is root of a user namespace alone: then some things can't be made, and are noted.
#[must_use]
pub fn in_user_namespace() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
    })
}

/// Both times of a file. The archive has no time of access; the modification's is taken.
#[must_use]
pub fn times(Time { seconds, nanoseconds }: Time) -> Timestamps {
    let modified = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: modified, last_modification: modified }
}

/// The time of modification alone.
#[must_use]
pub fn modified_alone(time: Time) -> Timestamps {
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, ..times(time) }
}

/// Owner, mode and extended attributes of an open file or directory.
///
/// # Errors
/// An id that isn't mapped here, or the kernel refuses.
pub fn of_open(file: BorrowedFd<'_>, entry: &Entry, notes: &mut Notes) -> Result<()> {
    rustix::fs::fchown(file, uid(entry), gid(entry)).map_err(|errno| owner(errno, entry))?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).context("fchmod")?;
    for (name, value) in &entry.xattrs {
        set(entry, name, notes, |name| rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// The same for what can't be opened without doing something: nodes and symlinks, by name in their folder, which
/// nobody but this process can write to.
///
/// # Errors
/// As [`of_open`].
pub fn of_name(
    folder: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    is_link: bool,
    notes: &mut Notes,
) -> Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(folder, name, uid(entry), gid(entry), flags).map_err(|errno| owner(errno, entry))?;
    if !is_link {
        rustix::fs::chmodat(folder, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .context("fchmodat")?;
    }
    if !entry.xattrs.is_empty() {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, name, flags, Mode::empty()).context("openat")?;
        // The one way to an attribute of such a file: /proc leads to the very file, not through the link.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        for (key, value) in &entry.xattrs {
            set(entry, key, notes, |key| {
                rustix::fs::setxattr(path.as_str(), key, value, XattrFlags::empty())
            })?;
        }
    }
    rustix::fs::utimensat(folder, name, &times(entry.modified), flags).context("utimensat")
}

fn uid(entry: &Entry) -> Option<Uid> {
    Some(Uid::from_raw(entry.uid))
}

fn gid(entry: &Entry) -> Option<Gid> {
    Some(Gid::from_raw(entry.gid))
}

fn owner(errno: Errno, entry: &Entry) -> anyhow::Error {
    let what = format!("chown to {}:{}", entry.uid, entry.gid);
    match errno {
        Errno::INVAL | Errno::OVERFLOW => ch00_process::failure::Failure::said(
            what,
            "that id isn't mapped in the user namespace, so no file can belong to it",
            "a larger range in /etc/subuid and /etc/subgid (usermod --add-subuids), or run as root",
        )
        .into(),
        other => anyhow::Error::from(other).context(what),
    }
}

fn set(
    entry: &Entry,
    name: &[u8],
    notes: &mut Notes,
    call: impl FnOnce(&[u8]) -> Result<(), Errno>,
) -> Result<()> {
    if OVERLAY.iter().any(|own| name.starts_with(own)) {
        notes.add("left out: an attribute in which overlayfs keeps its own books", &entry.path);
        return Ok(());
    }
    match call(name) {
        Ok(()) => Ok(()),
        Err(Errno::NOTSUP) => {
            notes.add("left out: an attribute that this file system doesn't have", &entry.path);
            Ok(())
        }
        Err(Errno::PERM | Errno::INVAL) if in_user_namespace() => {
            notes.add("left out: an attribute that only real root may set", &entry.path);
            Ok(())
        }
        Err(errno) => Err(errno).with_context(|| format!("attribute {:?}", String::from_utf8_lossy(name))),
    }
}
