//! The image store: an OCI image layout on disk, which skopeo, umoci and Podman read as it is. image-layout.md.
//!
//! Nothing in it is ever half there: a blob is written beside, hashed, brought to the disk and renamed to its
//! digest; the index, the one file that changes, is replaced as a whole under a lock. Who adds something holds a
//! lease, so that nobody tidies it away before it has a name.
//!
//! # Layout
//! - [`blob`]: content in and out, verified both ways
//! - [`index`]: the names of images
//! - [`image`]: from a name to manifest, config and layers
//! - [`prune`]: what nobody needs any more; `unfinished`: containers that never became one

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ch00_process::failure::Failure;
use ch00_process::place;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;

pub mod blob;
pub mod image;
pub mod index;
pub mod prune;
mod unfinished;

/// The store of one data root.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// As long as it lives, nothing is pruned.
#[derive(Debug)]
#[must_use = "without it somebody may tidy away what was just written"]
pub struct Lease(#[allow(dead_code)] Flock<File>);

impl Store {
    /// The store in [`place::data_root`], made where it isn't there yet.
    ///
    /// # Errors
    /// This user may not write there, or the disk is full.
    pub fn open() -> Result<Self> {
        Self::at(&place::data_root()?)
    }

    /// The store in this data root.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn at(root: &Path) -> Result<Self> {
        let store = Self { root: root.into() };
        for folder in ["images/blobs/sha256", "layers", "containers", "tmp"] {
            let path = root.join(folder);
            if path.is_dir() {
                continue;
            }
            let mut builder = fs::DirBuilder::new();
            // Secrets are in images, setuid files in layers: nobody else may come near them.
            builder.recursive(true).mode(0o700);
            builder
                .create(&path)
                .map_err(|error| blame(&error, format!("could not make {}", path.display())))?;
        }
        if !store.images().join("index.json").is_file() {
            let _lock = store.lock("index.lock", FlockArg::LockExclusive)?;
            store.put_file("oci-layout", &serde_json::json!({ "imageLayoutVersion": "1.0.0" }))?;
            if !store.images().join("index.json").is_file() {
                store.put_file("index.json", &index::empty())?;
            }
        }
        Ok(store)
    }

    /// The data root itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The OCI image layout.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Unpacked layers, by diff_id.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// What containers have of their own.
    #[must_use]
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// Where things are until they have their name. Swept by prune.
    #[must_use]
    pub fn beside(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Holds off prune while something is added that nothing refers to yet. flock(2), shared.
    ///
    /// # Errors
    /// The lock file can't be made.
    pub fn lease(&self) -> Result<Lease> {
        self.lock("store.lock", FlockArg::LockShared).map(Lease)
    }

    pub(crate) fn lock(&self, name: &str, how: FlockArg) -> Result<Flock<File>> {
        let path = self.root.join(name);
        let file = File::create(&path)
            .map_err(|error| blame(&error, format!("could not open {}", path.display())))?;
        Flock::lock(file, how)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("flock({})", path.display()))
    }

    /// Replaces a file of the layout as a whole.
    fn put_file(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let target = self.images().join(name);
        write_whole(&self.beside(), &target, &json(value)?)
    }
}

/// JSON with its keys in order, so that the same content has the same digest.
///
/// # Errors
/// None for the types of this chapter.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}

/// Writes a file beside, brings it to the disk, and gives it its name.
///
/// # Errors
/// The disk is full, or not to be written.
pub fn write_whole(beside: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    let what = |error: std::io::Error| blame(&error, format!("could not write {}", target.display()));
    let (mut file, partial) = blob::partial(beside)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, target))
        .and_then(|()| sync_folder(target));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    Ok(written.map_err(what)?)
}

/// A rename is on the disk when its folder is. fsync(2), notes.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// An error of the file system, with the usual cause and what to do.
#[must_use]
pub fn blame(error: &std::io::Error, what: String) -> Failure {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let (cause, hint) = match errno {
        Errno::ENOSPC => {
            ("the disk is full; the store is as it was before", "df -h; make room, and run it again")
        }
        Errno::EDQUOT => ("the quota of this user is used up", "make room, and run it again"),
        Errno::EROFS => {
            ("that file system is mounted read-only", "set BOXROOM_ROOT to a folder on another one")
        }
        Errno::EACCES | Errno::EPERM => {
            ("this user may not do that there", "set BOXROOM_ROOT to a folder of yours, or run as root")
        }
        Errno::EMFILE => ("this process has no descriptor left", "ulimit -n 1024"),
        _ => ("", ""),
    };
    let text = if errno as i32 == 0 { format!("{what}: {error}") } else { what };
    let mut failure = Failure::said(text, cause, hint);
    failure.errno = errno as i32;
    failure
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn ch04_a_store_is_closed_to_everybody_else() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(&place.path().join("root")).unwrap();
        for folder in
            [store.root().into(), store.images(), store.layers(), store.containers(), store.beside()]
        {
            let mode = fs::metadata(&folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", folder.display());
        }
    }
}
