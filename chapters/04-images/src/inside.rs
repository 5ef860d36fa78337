//! A container's upper directory as its tree is seen: what is written there by the host, while nothing runs, is written
//! as overlayfs would have.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, XattrFlags};
use rustix::io::Errno;

use crate::apply::attributes::in_user_namespace;
use crate::apply::tree::is_whiteout;
use crate::view::Merged;

/// Nothing above the upper directory, and over no symlink.
const STRICT: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The two trees: what is seen, and what is written to.
pub struct Inside<'t> {
    /// The merged one.
    pub tree: &'t Merged,
    /// The container's own.
    pub upper: OwnedFd,
}

impl Inside<'_> {
    /// A folder that is seen, in the upper directory too: copied up with those above it, where it isn't there yet.
    ///
    /// # Errors
    /// It isn't there, or a symlink leads to it.
    pub fn folder(&self, path: &Path) -> Result<OwnedFd> {
        let mut so_far = PathBuf::new();
        for part in path.components() {
            so_far.push(part);
            // The tree was stacked before: what has been made since is here alone.
            if self.own(&so_far).is_ok() {
                continue;
            }
            let there = rustix::fs::openat2(self.tree, &so_far, FOLDER, Mode::empty(), STRICT).with_context(
                || format!("/{} in the container (a symlink is not followed)", so_far.display()),
            )?;
            let seen = rustix::fs::fstat(&there)?;
            if rustix::fs::mkdirat(&self.upper, &so_far, Mode::from_raw_mode(0o700)).is_ok() {
                let (uid, gid) = (Uid::from_raw(seen.st_uid), Gid::from_raw(seen.st_gid));
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                rustix::fs::chownat(&self.upper, &so_far, Some(uid), Some(gid), flags)?;
                let mode = Mode::from_raw_mode(seen.st_mode & 0o7777);
                rustix::fs::chmodat(&self.upper, &so_far, mode, AtFlags::empty())?;
            }
        }
        self.own(path)
    }

    /// A folder: the one that is seen, or a new one, which shows nothing of an older one that was deleted.
    ///
    /// # Errors
    /// Something else is there. As [`Inside::folder`] for those above it.
    pub fn new_folder(&self, path: &Path, mode: u32) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if self.own(path).is_ok() {
            return Ok(());
        }
        let look = rustix::fs::statat(self.tree, path, AtFlags::SYMLINK_NOFOLLOW);
        match look.map(|seen| FileType::from_raw_mode(seen.st_mode)) {
            Ok(FileType::Directory) => return self.folder(path).map(drop),
            Ok(_) => bail!("/{} in the container: no folder", path.display()),
            Err(_) => {}
        }
        let above = self.own(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().context("a name in the container")?;
        let deleted = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW);
        if deleted.is_ok_and(|seen| is_whiteout(&seen)) {
            rustix::fs::unlinkat(&above, name, AtFlags::empty())?;
        }
        rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)).context("mkdirat")?;
        let folder = self.own(path)?;
        if deleted.is_ok() {
            rustix::fs::fsetxattr(&folder, "user.overlay.opaque", b"y", XattrFlags::empty())?;
            match rustix::fs::fsetxattr(&folder, "trusted.overlay.opaque", b"y", XattrFlags::empty()) {
                Err(Errno::PERM) if in_user_namespace() => {}
                other => other?,
            }
        }
        Ok(rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))?)
    }

    /// A file with what `source` has.
    ///
    /// # Errors
    /// As [`Inside::folder`], for the one that it is in.
    pub fn file(&self, path: &Path, source: &mut File, mode: u32) -> Result<()> {
        let (folder, name) = self.place(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let made = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600)).context("openat")?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?; // not what the caller's umask leaves of it
        io::copy(source, &mut File::from(made))?;
        Ok(())
    }

    /// A symlink, as it is written.
    ///
    /// # Errors
    /// As [`Inside::file`].
    pub fn symlink(&self, path: &Path, target: &Path) -> Result<()> {
        let (folder, name) = self.place(path)?;
        rustix::fs::symlinkat(target, &folder, name).context("symlinkat")
    }

    /// Where it goes: what was there under its name (a deletion's mark, a symlink, a file) is gone.
    fn place<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p std::ffi::OsStr)> {
        let folder = self.folder(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().context("a name in the container")?;
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => bail!("/{} in the container: a folder", path.display()),
            Err(errno) if errno != Errno::NOENT => Err(errno).context("unlinkat"),
            _ => Ok((folder, name)),
        }
    }

    fn own(&self, path: &Path) -> Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(rustix::fs::openat2(&self.upper, path, FOLDER, Mode::empty(), STRICT)?)
    }
}
