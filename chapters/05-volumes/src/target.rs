//! The place in the new root onto which something is mounted: found as the image's own programs would find it, made where
//! the image lacks it, and never looked for twice. What is mounted there is mounted onto the descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::request;

/// File systems through which the kernel tells and is told: proc, sysfs, and the control groups of both versions. statfs(2).
const KERNELS: [i64; 4] = [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270];

/// The target as a descriptor. Where it is missing, a directory is made, or a file where a file is to be mounted.
///
/// # Errors
/// It leads to /proc or /sys, over a symlink too; it is a file and should be a directory, or the other way; it is
/// missing and can't be made.
pub fn find(k: &Kernel, root: BorrowedFd<'_>, target: &str, is_directory: bool) -> Result<OwnedFd> {
    let inside = Path::new(target.trim_start_matches('/'));
    let place = match resolve(k, root, inside) {
        Err(failure) if failure.errno() == Errno::ENOENT => make(k, root, inside, is_directory)?,
        other => other.map_err(|failure| unreachable(failure, target))?,
    };
    let seen = k.why("a symlink in the image may have led somewhere else than its name says");
    if KERNELS.contains(&seen.file_system(place.as_fd())?) {
        let refused = request::kernels(target);
        return Err(k.refuse(refused.call, refused.cause, refused.hint));
    }
    let there = k.why("a directory goes onto a directory, a file onto a file").is_directory(place.as_fd())?;
    if there != is_directory {
        let (what, onto) = if is_directory { ("a directory", "a file") } else { ("a file", "a directory") };
        return Err(k.refuse(
            format!("{target}: {what} can't be mounted onto {onto}: not a directory"),
            "Are you trying to mount a directory onto a file (or vice-versa)?",
            "look at what the source is, and at what the image has there",
        ));
    }
    Ok(place)
}

// ANCHOR: resolve
/// As a program inside would find it: an absolute symlink begins at the new root, and `..` ends there.
fn resolve(k: &Kernel, root: BorrowedFd<'_>, inside: &Path) -> Result<OwnedFd> {
    // ANCHOR: task-resolve
    k.why(
        "found once, with the new root as / of every symlink; from here on it is this descriptor, not a name",
    )
    .resolve_in_root(root, inside, OFlag::O_PATH)
    // ANCHOR_END: task-resolve
}
// ANCHOR_END: resolve

/// Makes what is missing, each part in the descriptor of the one before. What a symlink names and isn't there is made where
/// it points, as seen from inside.
fn make(k: &Kernel, root: BorrowedFd<'_>, inside: &Path, is_directory: bool) -> Result<OwnedFd> {
    let mut path = inside.to_path_buf();
    for _ in 0..MOST_LINKS {
        match walk(k, root, &path, is_directory)? {
            Walked::To(place) => return Ok(place),
            Walked::ToLink(onward) => path = onward,
        }
    }
    let cause = "symlinks in the image lead from one to the next";
    Err(k.refuse(format!("/{}: more than {MOST_LINKS} symlinks", inside.display()), cause, "another target"))
}

/// As many as the kernel follows. path_resolution(7).
const MOST_LINKS: usize = 40;

enum Walked {
    To(OwnedFd),
    /// There is a symlink to nothing on the way: this is where the way goes on.
    ToLink(PathBuf),
}

// ANCHOR: walk
fn walk(k: &Kernel, root: BorrowedFd<'_>, inside: &Path, is_directory: bool) -> Result<Walked> {
    let mut so_far = PathBuf::new();
    let mut folder = resolve(k, root, Path::new("."))?;
    let mut parts = inside.iter().peekable();
    while let Some(part) = parts.next() {
        let before = so_far.clone();
        so_far.push(part);
        folder = match resolve(k, root, &so_far) {
            Err(failure) if failure.errno() == Errno::ENOENT => {
                let name = part.to_string_lossy();
                let made = one(k, folder.as_fd(), &name, parts.peek().is_some() || is_directory);
                match made {
                    Err(failure) if failure.errno() == Errno::EEXIST => {
                        let link =
                            k.why("a symlink to nothing: as text, and looked for from the new root on");
                        let link = link.readlinkat(folder.as_fd(), &name)?;
                        let onward = before.join(link).join(parts.collect::<PathBuf>());
                        return Ok(Walked::ToLink(onward.strip_prefix("/").unwrap_or(&onward).into()));
                    }
                    other => other.map_err(|failure| unmade(failure, &so_far))?,
                }
            }
            other => other.map_err(|failure| unreachable(failure, &so_far.to_string_lossy()))?,
        };
    }
    Ok(Walked::To(folder))
}
// ANCHOR_END: walk

// ANCHOR: make
/// One part of the way, in the folder before it.
fn one(k: &Kernel, folder: BorrowedFd<'_>, name: &str, is_directory: bool) -> Result<OwnedFd> {
    // ANCHOR: task-make
    if is_directory {
        k.why("the image lacks it: made in the folder that was found, whatever its name leads to by now")
            .mkdirat(folder, name, 0o755)?;
    } else {
        k.why("a file is to be mounted: an empty one is what it is mounted onto")
            .create_file_at(folder, name)?;
    }
    k.why("what was just made, and no symlink that somebody put in its place").open_in_root(
        folder,
        Path::new(name),
        OFlag::O_PATH,
    )
    // ANCHOR_END: task-make
}
// ANCHOR_END: make

fn unmade(failure: Failure, so_far: &Path) -> Failure {
    let place = format!("/{}", so_far.display());
    match failure.errno() {
        Errno::EROFS => failure.because(
            format!("{place} isn't there, and what it would be made in is mounted read-only"),
            "make it beforehand, or mount the one above it without ro",
        ),
        Errno::EACCES | Errno::EPERM => failure.because(
            format!("{place} isn't there, and root of this container may not make it there"),
            "make it beforehand, in the source of the mount above",
        ),
        _ => failure,
    }
}

fn unreachable(failure: Failure, place: &str) -> Failure {
    match failure.errno() {
        Errno::ELOOP => failure.because(
            format!(
                "on the way to {place} there is a circle of symlinks, or one of /proc that leads out of names"
            ),
            "another target",
        ),
        Errno::ENOTDIR => failure.because(format!("on the way to {place} there is a file"), "another target"),
        _ => failure,
    }
}
