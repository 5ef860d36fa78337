//! Files made beneath a descriptor. `openat2` resolves every folder with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, and
//! the last part of a name is never followed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, XattrFlags, makedev};
use rustix::io::Errno;

use super::Notes;
use super::attributes::{self, in_user_namespace};
use super::name::Name;
use crate::archive::entry::{Entry, Kind, Time};

/// How names are looked up: not out of the layer, not over a symlink, not onto another mount.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Files are written in pieces of this size, bytes.
const PIECE: usize = 128 << 10;

/// A layer's tree while it is made.
pub struct Tree {
    root: OwnedFd,
    /// The folder of the last entry: most are in the same one as the one before.
    near: Option<(Name, OwnedFd)>,
    /// A folder's time is set at the end, since every file made in it changes it.
    folders: Vec<(Name, Time)>,
    piece: Vec<u8>,
    /// What could not be made.
    pub notes: Notes,
}

impl Tree {
    /// Beneath this directory.
    #[must_use]
    pub fn new(root: OwnedFd) -> Self {
        Self { root, near: None, folders: Vec::new(), piece: vec![0; PIECE], notes: Notes::default() }
    }

    /// A directory; where there is one it gets this entry's attributes.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn directory(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        if !name.is_root() {
            self.make_folder(name)?;
        }
        let folder = self.open_folder(name, OFlags::RDONLY)?;
        attributes::of_open(folder.as_fd(), entry, &mut self.notes)?;
        self.folders.push((name.clone(), entry.modified));
        Ok(())
    }

    /// A regular file with what `read` gives. What was there under its name goes.
    ///
    /// # Errors
    /// As the kernel says, or `read`.
    pub fn file(
        &mut self,
        name: &Name,
        entry: &Entry,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<()> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.place(name, |folder, last| {
            rustix::fs::openat(folder, last, flags, Mode::from_raw_mode(0o600))
        })?;
        let mut length = 0_u64;
        let mut hole = false;
        loop {
            let read = fill(&mut self.piece, &mut read)?;
            let piece = &self.piece[..read];
            if read == 0 {
                break;
            }
            // A piece of zeroes becomes a hole: a disk image of 10 GB takes what is in it.
            hole = read == PIECE && piece.iter().all(|&byte| byte == 0);
            if !hole {
                let mut done = 0;
                while done < read {
                    done +=
                        rustix::io::pwrite(&file, &piece[done..], length + done as u64).context("write")?;
                }
            }
            length += read as u64;
        }
        if hole {
            rustix::fs::ftruncate(&file, length).context("ftruncate")?;
        }
        attributes::of_open(file.as_fd(), entry, &mut self.notes)?;
        rustix::fs::futimens(&file, &attributes::times(entry.modified)).context("futimens")
    }

    /// A second name for a file of this layer.
    ///
    /// # Errors
    /// There is no such file in this layer, or it is a directory or a deletion.
    pub fn hard_link(&mut self, name: &Name, target: &Name) -> Result<()> {
        let shown = String::from_utf8_lossy(&target.path()).into_owned();
        let missing = || format!("a hard link to {shown:?}, which this layer doesn't have");
        if target.is_root() || name == target {
            bail!("a hard link to itself or to the root");
        }
        let from = self.open_folder(&target.parent(), OFlags::PATH).with_context(missing)?;
        let seen =
            rustix::fs::statat(&from, target.last(), AtFlags::SYMLINK_NOFOLLOW).with_context(missing)?;
        if is_whiteout(&seen) || FileType::from_raw_mode(seen.st_mode) == FileType::Directory {
            bail!("a hard link to {shown:?}, which is no file");
        }
        // Neither end is followed where it is a symlink: linkat(2) without AT_SYMLINK_FOLLOW.
        self.place(name, |folder, last| {
            rustix::fs::linkat(&from, target.last(), folder, last, AtFlags::empty())
        })
    }

    /// A symbolic link. Where it leads is nobody's business here: it is never followed.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn symlink(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        self.place(name, |folder, last| rustix::fs::symlinkat(entry.link.as_slice(), folder, last))?;
        let (folder, notes) = self.near_and_notes(name)?;
        attributes::of_name(folder, name.last(), entry, true, notes)
    }

    /// A device or a pipe.
    ///
    /// # Errors
    /// As the kernel says; a device that a user namespace can't have is noted instead.
    pub fn node(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let (kind, device) = match entry.kind {
            Kind::CharDevice(major, minor) => (FileType::CharacterDevice, makedev(major, minor)),
            Kind::BlockDevice(major, minor) => (FileType::BlockDevice, makedev(major, minor)),
            _ => (FileType::Fifo, 0),
        };
        if kind != FileType::Fifo && in_user_namespace() {
            self.notes.add("left out: a device node, which no user namespace may make", &entry.path);
            return Ok(());
        }
        self.place(name, |folder, last| {
            rustix::fs::mknodat(folder, last, kind, Mode::from_raw_mode(0o600), device)
        })?;
        let (folder, notes) = self.near_and_notes(name)?;
        attributes::of_name(folder, name.last(), entry, false, notes)
    }

    /// This file of the layers below is gone: for overlayfs a character device 0:0. What this layer itself has under
    /// the name stays, and where that is a directory the one below doesn't show through it.
    ///
    /// # Errors
    /// As the kernel says.
    // ANCHOR: whiteout
    pub fn whiteout(&mut self, name: &Name) -> Result<()> {
        let folder = self.folder(&name.parent())?;
        // ANCHOR: task-whiteout
        match rustix::fs::statat(folder, name.last(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(seen) if FileType::from_raw_mode(seen.st_mode) == FileType::Directory => self.opaque(name),
            Ok(_) => Ok(()),
            Err(_) => rustix::fs::mknodat(folder, name.last(), FileType::CharacterDevice, Mode::empty(), 0)
                .context("mknodat(S_IFCHR, 0:0)"),
        }
        // ANCHOR_END: task-whiteout
    }

    /// Nothing of the layers below is left in this folder. Both names are written: root's overlay reads the trusted
    /// one, that of a user namespace the other.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn opaque(&mut self, name: &Name) -> Result<()> {
        self.folder(name)?;
        let folder = self.open_folder(name, OFlags::RDONLY)?;
        // ANCHOR: task-opaque
        rustix::fs::fsetxattr(&folder, "user.overlay.opaque", b"y", XattrFlags::empty())
            .context("user.overlay.opaque")?;
        match rustix::fs::fsetxattr(&folder, "trusted.overlay.opaque", b"y", XattrFlags::empty()) {
            Err(Errno::PERM) if in_user_namespace() => Ok(()), // only real root may, and only its overlays ask
            other => other.context("trusted.overlay.opaque"),
        }
        // ANCHOR_END: task-opaque
    }
    // ANCHOR_END: whiteout

    /// Sets the folders' times, the deepest first.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn finish(mut self) -> Result<Notes> {
        self.near = None;
        for (name, modified) in std::mem::take(&mut self.folders).into_iter().rev() {
            // A later entry may have put something else in its place.
            if let Ok(folder) = self.open_folder(&name, OFlags::RDONLY) {
                rustix::fs::futimens(&folder, &attributes::times(modified)).context("futimens")?;
            }
        }
        Ok(self.notes)
    }

    /// Makes something under a name; what has it already goes.
    fn place<T>(
        &mut self,
        name: &Name,
        mut make: impl FnMut(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T> {
        if name.is_root() {
            bail!("something that is no directory in the place of the root");
        }
        let folder = self.folder(&name.parent())?;
        match make(folder, name.last()) {
            Err(Errno::EXIST) => {
                remove(folder, name.last())?;
                self.near = None; // it may have been in there
                let folder = self.folder(&name.parent())?;
                Ok(make(folder, name.last())?)
            }
            other => Ok(other?),
        }
    }

    /// Makes a folder where there is none. In the place of a deletion it is one that hides what is below.
    fn make_folder(&mut self, name: &Name) -> Result<()> {
        let folder = self.folder(&name.parent())?;
        let mode = Mode::from_raw_mode(0o755);
        if let Err(errno) = rustix::fs::mkdirat(folder, name.last(), mode) {
            if errno != Errno::EXIST {
                return Err(errno).context("mkdirat");
            }
            let seen = rustix::fs::statat(folder, name.last(), AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(seen.st_mode) != FileType::Directory {
                rustix::fs::unlinkat(folder, name.last(), AtFlags::empty()).context("unlinkat")?;
                rustix::fs::mkdirat(folder, name.last(), mode).context("mkdirat")?;
                if is_whiteout(&seen) {
                    self.opaque(name)?;
                }
            }
        }
        Ok(())
    }

    /// The folder of this name, made with those above it where the archive has no entry for it.
    fn folder(&mut self, name: &Name) -> Result<BorrowedFd<'_>> {
        if self.near.as_ref().is_none_or(|(near, _)| near != name) {
            let folder = match self.open_folder(name, OFlags::PATH) {
                Err(error) if error.downcast_ref::<Errno>() == Some(&Errno::NOENT) => {
                    self.near = None;
                    for above in name.ancestors().chain([name.clone()]) {
                        if self.open_folder(&above, OFlags::PATH).is_err() {
                            self.make_folder(&above)?;
                        }
                    }
                    self.open_folder(name, OFlags::PATH)?
                }
                other => other?,
            };
            self.near = Some((name.clone(), folder));
        }
        match &self.near {
            Some((_, folder)) => Ok(folder.as_fd()),
            None => bail!("no folder"),
        }
    }

    fn near_and_notes(&mut self, name: &Name) -> Result<(BorrowedFd<'_>, &mut Notes)> {
        self.folder(&name.parent())?;
        match &self.near {
            Some((_, folder)) => Ok((folder.as_fd(), &mut self.notes)),
            None => bail!("no folder"),
        }
    }

    fn open_folder(&self, name: &Name, flags: OFlags) -> Result<OwnedFd> {
        let path = name.path();
        rustix::fs::openat2(&self.root, path.as_slice(), flags | FOLDER, Mode::empty(), BENEATH).map_err(
            |errno| {
                let error = anyhow::Error::from(errno);
                match errno {
                    Errno::LOOP | Errno::XDEV | Errno::NOTDIR => error.context(format!(
                        "the folder {:?} is a symlink or no folder: a name that leads over it is refused",
                        String::from_utf8_lossy(&path)
                    )),
                    _ => error,
                }
            },
        )
    }
}

/// As much as there is, up to the whole piece: so that holes are seen whatever the decompressor hands out.
fn fill(piece: &mut [u8], read: &mut impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<usize> {
    let mut have = 0;
    while have < piece.len() {
        match read(&mut piece[have..])? {
            0 => break,
            length => have += length,
        }
    }
    Ok(have)
}

/// A character device 0:0: a file of the layers below that is gone.
#[must_use]
pub fn is_whiteout(seen: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(seen.st_mode) == FileType::CharacterDevice && seen.st_rdev == 0
}

/// Removes what has this name, a folder with all that is in it.
///
/// # Errors
/// As the kernel says.
pub fn remove(folder: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        other => return other.context("unlinkat"),
    }
    let inside =
        rustix::fs::openat(folder, name, OFlags::RDONLY | FOLDER, Mode::empty()).context("openat")?;
    for entry in names(inside.as_fd())? {
        remove(inside.as_fd(), &entry)?;
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR).context("unlinkat(AT_REMOVEDIR)")
}

/// The names in a folder, in the order of their bytes.
///
/// # Errors
/// As the kernel says.
pub fn names(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).context("getdents64")? {
        let entry = entry.context("getdents64")?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    names.sort();
    Ok(names)
}
