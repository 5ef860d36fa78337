//! Files between host and container: `cp CONTAINER:PATH HOSTPATH` and the other way. The container's side is resolved
//! beneath its own root by the kernel: no symlink in it leads to a file of the host.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::container::Container;
use crate::store::Store;
use crate::view::{Merged, merged};

/// `NAME:PATH` is inside a container, anything else on the host. Docker's way: a path that begins with `/` or `.` is
/// the host's, whatever colons it has.
#[must_use]
pub fn side(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.']) { None } else { text.split_once(':') }
}

/// A regular file out of a container.
///
/// # Errors
/// There is none of this path, or it is no regular file.
pub fn out(store: &Store, container: &Container, from: &str, to: &Path) -> Result<()> {
    let mut folders = container.layer_paths(store)?;
    folders.push(store.folder_of(container).join("upper"));
    let tree = merged(store, &folders)?;
    let file = open_in(&tree, from, OFlags::RDONLY | OFlags::NONBLOCK).with_context(|| from.to_string())?;
    let mut file = File::from(file);
    let seen = file.metadata()?;
    if !seen.is_file() {
        bail!("{from}: no regular file; export packs a whole tree");
    }
    let to = target(to, from)?;
    let mode = seen.permissions().mode() & 0o777; // setuid is for the container's ids, not for the host's
    let flags = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).to_owned();
    let mut out = flags.open(&to).with_context(|| to.display().to_string())?;
    io::copy(&mut file, &mut out).with_context(|| to.display().to_string())?;
    Ok(())
}

/// A regular file into a container that isn't running: into its upper directory.
///
/// # Errors
/// The folder isn't there in the container, or a symlink leads to it.
pub fn into(store: &Store, container: &Container, from: &Path, to: &str) -> Result<()> {
    let _rest = store.at_rest(container)?;
    let mut source = File::open(from).with_context(|| from.display().to_string())?;
    let seen = source.metadata()?;
    if !seen.is_file() {
        bail!("{}: no regular file; commit and import bring in whole trees", from.display());
    }
    let mut folders = container.layer_paths(store)?;
    let upper_path = store.folder_of(container).join("upper");
    folders.push(upper_path.clone());
    let tree = merged(store, &folders)?;
    let to = to.trim_matches('/');
    let to = match open_in(&tree, to, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(_) => Path::new(to).join(from.file_name().context("a file without a name")?),
        Err(_) => PathBuf::from(to),
    };
    let folder = to.parent().unwrap_or(Path::new(""));
    let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let upper = File::open(&upper_path)?;
    // Each folder on the way exists in the tree, and is copied up where the container has none of its own yet.
    let mut so_far = PathBuf::new();
    for part in folder.components() {
        so_far.push(part);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = rustix::fs::openat2(&tree, &so_far, flags, Mode::empty(), strict)
            .with_context(|| format!("/{} in the container (a symlink is not followed)", so_far.display()))?;
        let seen = rustix::fs::fstat(&there)?;
        if rustix::fs::mkdirat(&upper, &so_far, Mode::from_raw_mode(0o700)).is_ok() {
            let (uid, gid) = (rustix::fs::Uid::from_raw(seen.st_uid), rustix::fs::Gid::from_raw(seen.st_gid));
            rustix::fs::chownat(&upper, &so_far, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::chmodat(
                &upper,
                &so_far,
                Mode::from_raw_mode(seen.st_mode & 0o7777),
                AtFlags::empty(),
            )?;
        }
    }
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat2(&upper, place, flags, Mode::empty(), strict)?;
    let name = to.file_name().context("a name in the container")?;
    // The old one first: it may be a deletion's mark, or a symlink.
    let _ = rustix::fs::unlinkat(&place, name, AtFlags::empty());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mode = Mode::from_raw_mode(seen.permissions().mode() & 0o777);
    let mut made = File::from(rustix::fs::openat(&place, name, flags, mode)?);
    io::copy(&mut source, &mut made)?;
    Ok(())
}

/// Resolved with the container's root as the root: `..` and symlinks stay inside.
fn open_in(tree: &Merged, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.trim_matches('/').is_empty() { "." } else { path };
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(tree.as_fd(), path, flags | OFlags::CLOEXEC, Mode::empty(), how)
}

fn target(to: &Path, from: &str) -> Result<PathBuf> {
    if !to.is_dir() {
        return Ok(to.into());
    }
    let name = from.trim_end_matches('/').rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."));
    Ok(to.join(name.context("a name to copy to")?))
}
