//! A tree of files as a tar: sorted, each file once, the same bytes on every machine. A container's upper directory is
//! told as what it changes, a merged tree as it is.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, major, minor};
use rustix::io::Errno;

use crate::apply::tree::{is_whiteout, names};
use crate::archive::entry::{Entry, Kind, Time};
use crate::archive::writer::Writer;

/// How deletions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// As a layer has them: `.wh.name`.
    Layer,
    /// There are none: a device 0:0 is left out.
    Tree,
}

const PIECE: usize = 128 << 10;

struct Packing<'w, W: Write> {
    writer: Writer<&'w mut W>,
    how: As,
    /// Files with several names: the first one, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    piece: Vec<u8>,
    left_out: Vec<Vec<u8>>,
}

/// Packs what is beneath `root`. Returns what no tar can hold (sockets).
///
/// # Errors
/// A file can't be read or changes meanwhile, or the writer's.
pub fn pack(root: BorrowedFd<'_>, how: As, mut out: impl Write) -> Result<Vec<Vec<u8>>> {
    let writer = Writer::new(&mut out);
    let mut packing =
        Packing { writer, how, links: HashMap::new(), piece: vec![0; PIECE], left_out: Vec::new() };
    let seen = rustix::fs::fstat(root).context("fstat")?;
    // The root of a container's upper directory is nothing that it has changed.
    if how == As::Tree {
        packing.one(root, b"", b"./", &seen, root)?;
    }
    packing.folder(root, b"")?;
    let left_out = std::mem::take(&mut packing.left_out);
    packing.writer.finish()?;
    Ok(left_out)
}

impl<W: Write> Packing<'_, W> {
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        if self.how == As::Layer && is_opaque(folder) {
            self.mark(&[path, b".wh..wh..opq"].concat(), folder)?;
        }
        for name in names(folder).with_context(|| shown(path))? {
            let full = [path, &name].concat();
            let seen = rustix::fs::statat(folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .with_context(|| shown(&full))?;
            if is_whiteout(&seen) {
                if self.how == As::Layer {
                    self.mark(&[path, b".wh.", &name].concat(), folder)?;
                }
                continue;
            }
            let kind = FileType::from_raw_mode(seen.st_mode);
            if kind == FileType::Socket {
                self.left_out.push(full);
                continue;
            }
            let flags = match kind {
                FileType::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
                FileType::RegularFile => OFlags::RDONLY,
                _ => OFlags::PATH,
            };
            let file = open(folder, &name, flags).with_context(|| shown(&full))?;
            if kind == FileType::Directory {
                let inside = [full.as_slice(), b"/"].concat();
                self.one(folder, &name, &inside, &seen, file.as_fd()).with_context(|| shown(&full))?;
                self.folder(file.as_fd(), &inside)?;
            } else {
                self.one(folder, &name, &full, &seen, file.as_fd()).with_context(|| shown(&full))?;
            }
        }
        Ok(())
    }

    /// An empty file that stands for a deletion. Its times are the folder's: nobody knows when it happened.
    fn mark(&mut self, path: &[u8], folder: BorrowedFd<'_>) -> Result<()> {
        let seen = rustix::fs::fstat(folder)?;
        let mut entry = entry(path, Kind::File, &seen);
        (entry.mode, entry.size) = (0, 0);
        self.writer.entry(&entry)
    }

    fn one(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        seen: &Stat,
        file: BorrowedFd<'_>,
    ) -> Result<()> {
        let device = || (major(seen.st_rdev), minor(seen.st_rdev));
        let kind = match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice(device().0, device().1),
            FileType::BlockDevice => Kind::BlockDevice(device().0, device().1),
            _ => Kind::File,
        };
        let mut entry = entry(path, kind, seen);
        if kind != Kind::Directory && seen.st_nlink > 1 {
            if let Some(first) = self.links.get(&(seen.st_dev, seen.st_ino)) {
                (entry.kind, entry.link, entry.size) = (Kind::HardLink, first.clone(), 0);
                return self.writer.entry(&entry);
            }
            self.links.insert((seen.st_dev, seen.st_ino), path.to_vec());
        }
        if kind == Kind::Symlink {
            entry.link = rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes();
        }
        entry.xattrs = attributes(file)?;
        self.writer.entry(&entry)?;
        if kind == Kind::File {
            let mut at = 0;
            loop {
                let length = rustix::io::pread(file, self.piece.as_mut_slice(), at)?;
                if length == 0 {
                    break;
                }
                self.writer.content(&self.piece[..length])?;
                at += length as u64;
            }
        }
        Ok(())
    }
}

fn entry(path: &[u8], kind: Kind, seen: &Stat) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        mode: seen.st_mode & 0o7777,
        uid: seen.st_uid,
        gid: seen.st_gid,
        modified: Time {
            seconds: seen.st_mtime,
            nanoseconds: u32::try_from(seen.st_mtime_nsec).unwrap_or(0),
        },
        size: if kind == Kind::File { u64::try_from(seen.st_size).unwrap_or(0) } else { 0 },
        link: Vec::new(),
        xattrs: Vec::new(),
    }
}

/// Sorted, and without overlayfs's own.
fn attributes(file: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut list = vec![0; 64 << 10];
    let length = match rustix::fs::listxattr(path.as_str(), list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno).context("listxattr"),
    };
    let mut found = Vec::new();
    for name in list[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.")
            || name.starts_with(b"user.overlay.")
            || name == b"security.selinux"
        {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        match rustix::fs::getxattr(path.as_str(), name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_vec(), value));
            }
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno).context("getxattr"),
        }
    }
    found.sort();
    Ok(found)
}

/// Whether overlayfs shows nothing of the layers below in this folder.
#[must_use]
pub fn is_opaque(folder: BorrowedFd<'_>) -> bool {
    let mut value = [0; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| rustix::fs::fgetxattr(folder, *name, value.as_mut_slice()) == Ok(1) && value == *b"y")
}

fn open(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn shown(path: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(path))
}
