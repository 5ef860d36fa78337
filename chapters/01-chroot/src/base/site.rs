//! The building site: a folder beside the one that is wanted, renamed when it is finished. So a base is
//! never half there, and what a kill leaves is on record.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use ch00_process::record::{self, Record};
use nix::errno::Errno;

use super::etc;
use super::patience::Patience;

/// The nameless folder. Everything that comes into it comes by these methods.
pub struct Site {
    root: PathBuf,
    patience: Patience,
}

impl Site {
    /// Builds `dir`: `fill` puts everything into a folder beside it, which gets the name at the end. Returns
    /// what `fill` says, or nothing where somebody else was faster.
    ///
    /// # Errors
    /// What `fill` says; the disk is full or not to be written; a signal came. Nothing is left.
    pub fn build(dir: &Path, fill: impl FnOnce(&Self) -> Result<String>) -> Result<Option<String>> {
        let (parent, name) = (dir.parent().unwrap_or(Path::new("/")), dir.file_name().unwrap_or_default());
        sweep(parent, name);
        let patience = Patience::begin()?;
        let (root, record) = begin(parent, name)?;
        let site = Self { root, patience };
        let built = fill(&site).and_then(|said| Ok(site.name(parent, dir)?.then_some(said)));
        if !matches!(built, Ok(Some(_))) {
            fs::remove_dir_all(&site.root).with_context(|| {
                format!("{} is left, on record: cargo workshop clean", site.root.display())
            })?;
        }
        record.forget()?;
        built
    }

    /// A folder, and those above it.
    ///
    /// # Errors
    /// The disk is full, or a signal came.
    pub fn folder(&self, at: impl AsRef<Path>, mode: u32) -> Result<()> {
        let at = at.as_ref();
        let above = at.parent().filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above.filter(|above| !self.root.join(above).is_dir()) {
            self.folder(above, 0o755)?;
        }
        let path = self.place(at)?;
        if path.is_dir() {
            return Ok(());
        }
        let what = || format!("could not make {}", path.display());
        fs::create_dir(&path).map_err(|error| blame(&error, what()))?;
        mode_of(&path, mode) // said again after mkdir(2), which leaves out what the umask names
    }

    /// The content of a file of the machine, as a program (or library). What is there already stays.
    ///
    /// # Errors
    /// The disk is full, the file can't be read, or a signal came.
    pub fn copy(&self, at: impl AsRef<Path>, from: &Path) -> Result<()> {
        let path = self.place(at.as_ref())?;
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        if let Some(above) = at.as_ref().parent() {
            self.folder(above, 0o755)?;
        }
        copy(from, &path)
    }

    /// A small file with this text.
    ///
    /// # Errors
    /// The disk is full, or a signal came.
    pub fn text(&self, at: impl AsRef<Path>, text: &str) -> Result<()> {
        let path = self.place(at.as_ref())?;
        fs::write(&path, text)
            .map_err(|error| blame(&error, format!("could not write {}", path.display())))?;
        mode_of(&path, 0o644)
    }

    /// A symbolic link. What is there already stays.
    ///
    /// # Errors
    /// The disk is full, or a signal came.
    pub fn link(&self, at: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
        let path = self.place(at.as_ref())?;
        match symlink(target, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(blame(&error, format!("could not make the link {}", path.display())).into())
            }
            _ => Ok(()),
        }
    }

    fn place(&self, at: &Path) -> Result<PathBuf> {
        if self.patience.asked_to_stop() {
            bail!("a signal asked to stop");
        }
        Ok(self.root.join(at))
    }

    /// On the disk first, then the name: whoever sees the name sees all of it, after a power cut too.
    /// False where somebody else had the same name ready first.
    fn name(&self, parent: &Path, dir: &Path) -> Result<bool> {
        let unsafe_yet = |error: io::Error| {
            blame(&error, format!("could not bring {} safely to the disk", self.root.display()))
        };
        // The whole file system at once: a hundred times fsync(2) took 400 ms where this took 30, and with
        // 300 MB of somebody else's to write still 120.
        File::open(&self.root).and_then(|root| Ok(nix::unistd::syncfs(root)?)).map_err(unsafe_yet)?;
        match fs::rename(&self.root, dir) {
            Ok(()) => {}
            Err(_) if etc::is_base(dir) => return Ok(false),
            Err(error) => bail!(blame(&error, format!("could not give it its name, {}", dir.display()))),
        }
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(unsafe_yet)?;
        Ok(true)
    }
}

/// The record first, then the folder that it names.
fn begin(parent: &Path, name: &OsStr) -> Result<(PathBuf, Record)> {
    let first = format!(".{}.partial-{}", name.to_string_lossy(), std::process::id());
    let names = std::iter::once(first.clone()).chain((2..).map(|n| format!("{first}-{n}")));
    // Another thread, or a process that had this number before, may have taken a name.
    for root in names.map(|name| parent.join(name)).filter(|root| root.symlink_metadata().is_err()) {
        let record = Record::write("directory", &root.display().to_string())?;
        match fs::create_dir(&root) {
            Ok(()) => {
                mode_of(&root, 0o755)?;
                return Ok((root, record));
            }
            Err(error) => {
                record.forget()?;
                if error.kind() != io::ErrorKind::AlreadyExists {
                    bail!(blame(&error, format!("could not make {}", root.display())));
                }
            }
        }
    }
    bail!("no name is free in {}", parent.display())
}

/// What an earlier, killed attempt at the same base has left. That it can't be removed is for `clean` to say.
fn sweep(parent: &Path, name: &OsStr) {
    let prefix = format!(".{}.partial-", name.to_string_lossy());
    for orphan in record::orphans().unwrap_or_default() {
        let path = PathBuf::from(&orphan.what);
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        if orphan.kind == "directory" && ours && path.parent() == Some(parent) {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => drop(orphan.forget()),
            }
        }
    }
}

/// Copies content alone: setuid bits have no place where the owner is another.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("could not copy {} to {}", from.display(), to.display());
    fs::copy(from, to).map_err(|error| blame(&error, what()))?;
    mode_of(to, 0o755)
}

fn mode_of(path: &Path, mode: u32) -> Result<()> {
    let what = || format!("could not set the mode of {}", path.display());
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| blame(&error, what()).into())
}

/// An error of the file system, with the usual cause and what to do.
pub(super) fn blame(error: &io::Error, what: String) -> Failure {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let (cause, hint) = match errno {
        Errno::ENOSPC => (
            "the disk is full (the base needs up to 40 MB)",
            "df -h shows which; make room, or name a folder on another disk",
        ),
        Errno::EDQUOT => ("the quota of this user is used up", "make room, or name a folder on another disk"),
        Errno::EROFS => ("that file system is mounted read-only", "name a folder on another one"),
        Errno::EACCES | Errno::EPERM => {
            ("this user may not do that there", "name a folder of yours, or run as root")
        }
        Errno::ENOENT => ("a folder on the way is missing", "make it first: mkdir -p"),
        Errno::ENOTDIR => ("a part of the path is no folder", "choose another name"),
        Errno::EBUSY => ("the folder is a mount point", "name a folder inside it"),
        Errno::ENAMETOOLONG => ("the name is too long for that file system", "choose a shorter one"),
        _ => ("", ""),
    };
    let mut failure = Failure::said(what, cause, hint);
    failure.errno = errno as i32;
    failure
}
