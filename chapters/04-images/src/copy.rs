//! Files and folders between host and container: `cp CONTAINER:PATH HOSTPATH` and the other way. The container's side is
//! resolved beneath its own root by the kernel: no symlink in it leads to a file of the host, and a symlink that is copied
//! is copied as what it says.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};

use crate::apply::tree::names;
use crate::container::Container;
use crate::inside::Inside;
use crate::store::Store;
use crate::view::{Merged, merged};

/// `NAME:PATH` is inside a container, anything else on the host. Docker's way: a path that begins with `/` or `.` is
/// the host's, whatever colons it has.
#[must_use]
pub fn side(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.']) { None } else { text.split_once(':') }
}

/// What is no file, folder or symlink, and was left out.
pub type LeftOut = Vec<PathBuf>;

/// A file, or a folder with all that is in it, out of a container. What is made on the host is the user's, and not setuid:
/// ids and devices are the container's own matter.
///
/// # Errors
/// There is nothing of this path, or the host's side can't be written.
pub fn out(store: &Store, container: &Container, from: &str, to: &Path) -> Result<LeftOut> {
    let mut folders = container.layer_paths(store)?;
    folders.push(store.folder_of(container).join("upper"));
    let tree = merged(store, &folders)?;
    let found = open_in(&tree, from, OFlags::RDONLY | OFlags::NONBLOCK).with_context(|| from.to_string())?;
    let mut left_out = Vec::new();
    match kind_of(&found)? {
        FileType::RegularFile => file_out(found, &target(to, from)?)?,
        FileType::Directory => {
            // Into a folder that is there, under its own name; else it is that folder: cp -r.
            let to = if to.is_dir() && !is_contents(from) { target(to, from)? } else { to.to_path_buf() };
            folder_out(found.as_fd(), &to, &mut left_out)?;
        }
        _ => bail!("{from}: neither a file nor a folder"),
    }
    Ok(left_out)
}

/// `PATH/.` means what is in the folder, without the folder itself.
fn is_contents(path: &str) -> bool {
    path.ends_with("/.") || path.trim_matches('/').is_empty()
}

fn kind_of(file: &OwnedFd) -> Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

fn file_out(file: OwnedFd, to: &Path) -> Result<()> {
    let mut file = File::from(file);
    let mode = file.metadata()?.permissions().mode() & 0o777;
    // A symlink in the way is not written through, whoever has put it there.
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .custom_flags(flags)
        .open(to)
        .with_context(|| to.display().to_string())?;
    io::copy(&mut file, &mut out).with_context(|| to.display().to_string())?;
    Ok(())
}

fn folder_out(from: BorrowedFd<'_>, to: &Path, left_out: &mut LeftOut) -> Result<()> {
    let what = || to.display().to_string();
    match fs::create_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not over a symlink: what the container is called like must not choose a folder of the host's.
            if !fs::symlink_metadata(to).with_context(what)?.is_dir() {
                bail!("{}: there is something else in the place of a folder", to.display());
            }
        }
        other => other.with_context(what)?,
    }
    for name in names(from)? {
        let place = to.join(std::ffi::OsStr::from_bytes(&name));
        let seen = rustix::fs::statat(from, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        let open = |flags: OFlags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(from, name.as_slice(), flags, Mode::empty())
        };
        match FileType::from_raw_mode(seen.st_mode) {
            FileType::RegularFile => file_out(open(OFlags::RDONLY)?, &place)?,
            FileType::Directory => {
                folder_out(open(OFlags::RDONLY | OFlags::DIRECTORY)?.as_fd(), &place, left_out)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name.as_slice(), Vec::new())?;
                let target = std::ffi::OsStr::from_bytes(target.as_bytes());
                let _ = fs::remove_file(&place); // a folder in its place stays, and is told by the next line
                std::os::unix::fs::symlink(target, &place).with_context(|| place.display().to_string())?;
            }
            _ => left_out.push(place),
        }
    }
    let mode = rustix::fs::fstat(from)?.st_mode & 0o777;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).with_context(what)
}

/// A file, or a folder with all that is in it, into a container that isn't running: into its upper directory.
///
/// # Errors
/// The folder to copy into isn't there in the container, or a symlink leads to it.
pub fn into(store: &Store, container: &Container, from: &Path, to: &str) -> Result<LeftOut> {
    let _rest = store.at_rest(container)?;
    let what = || from.display().to_string();
    let seen = fs::metadata(from).with_context(what)?;
    let mut folders = container.layer_paths(store)?;
    let upper = store.folder_of(container).join("upper");
    folders.push(upper.clone());
    let tree = merged(store, &folders)?;
    let place = PathBuf::from(to.trim_matches('/'));
    let is_folder = open_in(&tree, to, OFlags::RDONLY | OFlags::DIRECTORY).is_ok();
    let contents = from.as_os_str().as_bytes().ends_with(b"/.");
    let place = if is_folder && !contents {
        place.join(from.canonicalize().with_context(what)?.file_name().context("a name to copy to")?)
    } else {
        place
    };
    let inside = Inside { tree: &tree, upper: File::open(&upper)?.into() };
    let mut left_out = Vec::new();
    if seen.is_dir() {
        inside.folder(place.parent().unwrap_or(Path::new("")))?;
        folder_in(&inside, from, &place, &mut left_out)?;
    } else if seen.is_file() {
        inside.file(&place, &mut File::open(from).with_context(what)?, seen.permissions().mode() & 0o777)?;
    } else {
        bail!("{}: neither a file nor a folder", from.display());
    }
    Ok(left_out)
}

fn folder_in(inside: &Inside<'_>, from: &Path, to: &Path, left_out: &mut LeftOut) -> Result<()> {
    let mode = fs::metadata(from)?.permissions().mode() & 0o777;
    inside.new_folder(to, mode)?;
    let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        let seen = fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        if seen.is_dir() {
            folder_in(inside, &path, &place, left_out)?;
        } else if seen.is_file() {
            let mut file = File::open(&path).with_context(|| path.display().to_string())?;
            inside.file(&place, &mut file, seen.permissions().mode() & 0o777)?;
        } else if seen.is_symlink() {
            inside.symlink(&place, &fs::read_link(&path)?)?;
        } else {
            left_out.push(path);
        }
    }
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
