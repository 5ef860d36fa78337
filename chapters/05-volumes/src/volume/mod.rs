//! Volumes on disk: `volumes/NAME/` in the data root, each a folder that is made whole and goes whole.
//!
//! ```text
//! volumes/NAME/volume.json   what it is called, since when, its labels
//!              data/         what containers see
//!              lock          held shared by whoever uses it, exclusively by whoever removes or fills it
//!              users/ID      the containers that have it, and where
//! ```
//!
//! # Layout
//! - [`hold`]: used by a container
//! - [`seed`]: filled from the image, once
//! - [`archive`]: as a tar, and back
//! - [`show`]: as a table, as JSON

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ch00_process::failure::Failure;
use ch00_process::place;
use ch00_process::record::Record;
use ch04_images::build;
use ch04_images::layers::remove_tree;
use ch04_images::store::{Store as Images, blame, json};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use crate::request;

pub mod archive;
pub mod hold;
pub mod seed;
pub mod show;

/// The volumes of one data root.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    images: Images,
}

/// `volume.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What it is called.
    pub name: String,
    /// Since when it is there, RFC 3339.
    pub created: String,
    /// What its maker wrote on it.
    pub labels: BTreeMap<String, String>,
    /// Nobody has named it: it was made for one container.
    pub anonymous: bool,
}

/// How often a lock that nobody is named for is asked again, 25 ms apart.
const MOMENTS: usize = 20;

impl Store {
    /// The volumes in [`place::data_root`].
    ///
    /// # Errors
    /// This user may not write there.
    pub fn open() -> Result<Self> {
        Self::at(&place::data_root()?)
    }

    /// The volumes in this data root.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn at(root: &Path) -> Result<Self> {
        let (folder, images) = (root.join("volumes"), Images::at(root)?);
        // Files of many users lie in there, setuid ones too: nobody but the engine comes by.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| blame(&error, format!("could not make {}", folder.display())))?;
        Ok(Self { folder, images })
    }

    /// Where a volume is.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where its files are.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.folder(name).join("data")
    }

    /// A new volume; one that is there already stays as it is, as with Docker.
    ///
    /// # Errors
    /// The name is none, or the disk is full.
    pub fn create(&self, name: Option<&str>, labels: BTreeMap<String, String>) -> Result<Volume> {
        match name {
            Some(name) => self.make(&request::name(name)?, labels, false),
            None => self.make(&new_name()?, labels, true),
        }
    }

    /// Made beside and renamed: a volume is there, or it isn't.
    fn make(&self, name: &str, labels: BTreeMap<String, String>, anonymous: bool) -> Result<Volume> {
        if let Some(volume) = self.read(name)? {
            return Ok(volume);
        }
        let volume = Volume { name: name.into(), created: build::now()?, labels, anonymous };
        let _lease = self.images.lease()?; // else prune would sweep what has no name yet
        let (beside, note) = self.beside()?;
        let made = fill(&beside, &volume)
            .map_err(|error| blame(&error, format!("could not make volume {name}")).into())
            .and_then(|()| rename_new(&beside, &self.folder(name)));
        let made = match made {
            Ok(true) => Ok(volume),
            other => {
                let _ = remove_tree(&beside);
                other.and_then(|_| self.volume(name)) // somebody else was first
            }
        };
        note.forget()?;
        made
    }

    /// A folder that no volume has yet, or any more; on record before it is there, so that whoever is killed leaves
    /// nothing that `cargo workshop clean` doesn't find.
    fn beside(&self) -> Result<(PathBuf, Record)> {
        let beside = self.images.beside().join(format!("volume-{}", new_name()?));
        let note = Record::until_reboot("directory", &beside.display().to_string())?;
        Ok((beside, note))
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        self.read(name)?.ok_or_else(|| {
            let hint = "volume ls shows them; volume create makes one";
            Failure::said(format!("get {name}: no such volume"), "none has this name", hint).into()
        })
    }

    fn read(&self, name: &str) -> Result<Option<Volume>> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Ok(None);
        }
        let path = self.folder(name).join("volume.json");
        match fs::read(&path) {
            // Who can't say since when it is there is a volume all the same: what counts is what is in it.
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| Volume::unknown(name)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<Volume>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            // One that can't be read is named by whoever asks for it; the others are there all the same.
            if let Ok(Some(volume)) = self.read(&entry?.file_name().to_string_lossy()) {
                found.push(volume);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Removes a volume that no container has.
    ///
    /// # Errors
    /// There is none, or it is in use: Docker's words.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.volume(name)?;
        let Some(_lock) = self.lock_alone(name)? else { return Err(self.in_use(name)) };
        if !self.users(name)?.is_empty() {
            return Err(self.in_use(name));
        }
        // Under another name it is no volume any more, whatever happens to the rest.
        let _lease = self.images.lease()?;
        let (gone, note) = self.beside()?;
        fs::rename(self.folder(name), &gone).with_context(|| format!("volume {name}"))?;
        remove_tree(&gone).with_context(|| format!("volume {name}: {}", gone.display()))?;
        note.forget()
    }

    /// Removes what no container has: the volumes without a name, or `all` of them. Returns their names, and how many
    /// bytes were in them.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn prune(&self, all: bool) -> Result<(Vec<String>, u64)> {
        let (mut gone, mut bytes) = (Vec::new(), 0);
        for volume in self.list()? {
            if !(all || volume.anonymous) || !self.is_free(&volume.name)? {
                continue;
            }
            let size = size(&self.data(&volume.name));
            match self.remove(&volume.name) {
                Ok(()) => {
                    bytes += size;
                    gone.push(volume.name);
                }
                // Somebody took it meanwhile.
                Err(error) if error.downcast_ref::<Failure>().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((gone, bytes))
    }

    /// Whether no container has it.
    ///
    /// # Errors
    /// There is none.
    pub fn is_free(&self, name: &str) -> Result<bool> {
        Ok(self.lock_alone(name)?.is_some() && self.users(name)?.is_empty())
    }

    fn lock_alone(&self, name: &str) -> Result<Option<Flock<File>>> {
        let path = self.folder(name).join("lock");
        let mut file = File::open(&path).with_context(|| path.display().to_string())?;
        // Whose container has just ended may hold it a moment longer, with nobody named as its user any more.
        for _ in 0..MOMENTS {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Some(lock)),
                Err((_, Errno::EWOULDBLOCK)) if !self.users(name)?.is_empty() => return Ok(None),
                Err((file, Errno::EWOULDBLOCK)) => file,
                Err((_, errno)) => return Err(errno).with_context(|| format!("flock({})", path.display())),
            };
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        Ok(None)
    }

    fn in_use(&self, name: &str) -> anyhow::Error {
        let users = self.users(name).unwrap_or_default();
        Failure::said(
            format!("remove {name}: volume is in use - [{}]", users.join(", ")),
            "a container has it, running or kept",
            "remove the container first; its volume stays",
        )
        .into()
    }
}

impl Volume {
    /// One whose record was damaged.
    fn unknown(name: &str) -> Self {
        Self { name: name.into(), created: String::new(), labels: BTreeMap::new(), anonymous: false }
    }
}

/// The folder of a volume that has no name yet.
fn fill(beside: &Path, volume: &Volume) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(beside)?;
    for (name, mode) in [("data", 0o755), ("users", 0o700)] {
        let path = beside.join(name);
        DirBuilder::new().create(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?; // whatever the umask
    }
    File::create(beside.join("lock"))?;
    let record = beside.join("volume.json");
    fs::write(&record, json(volume).map_err(std::io::Error::other)?)?;
    File::open(&record)?.sync_all()
}

/// Whether it was renamed; not where there is something of that name.
fn rename_new(from: &Path, to: &Path) -> Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno).with_context(|| to.display().to_string()),
    }
}

/// 64 random digits, as Docker calls a volume that nobody has named.
///
/// # Errors
/// No /dev/urandom.
pub fn new_name() -> Result<String, Failure> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::said(format!("/dev/urandom: {error}"), "", ""))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is in a folder, bytes; what can't be read counts nothing.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(seen) if seen.is_dir() => size(&entry.path()),
        Ok(seen) => seen.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The root and the name in a record's path, `ROOT/volumes/NAME`. The path comes from a file, so it is looked at.
///
/// # Errors
/// It is no such path.
pub fn of_record(folder: &Path) -> Result<(PathBuf, String)> {
    let parts = || {
        let name = folder.file_name()?.to_str()?;
        let volumes = folder.parent()?;
        let good = folder.is_absolute()
            && request::name(name).is_ok()
            && volumes.file_name()? == "volumes"
            && !folder.components().any(|part| part == Component::ParentDir);
        if good { Some((volumes.parent()?.to_path_buf(), name.to_string())) } else { None }
    };
    parts().ok_or_else(|| anyhow!("{}: not a path that boxroom would make a volume at", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch05_only_a_volumes_folder_is_removed() {
        let there = |text: &str| of_record(Path::new(text)).ok();
        assert_eq!(there("/var/lib/boxroom/volumes/data"), Some(("/var/lib/boxroom".into(), "data".into())));
        for wrong in ["/home/me", "volumes/data", "/x/volumes/../volumes/data", "/x/volumes/..", "/volumes"] {
            assert_eq!(there(wrong), None, "{wrong}");
        }
    }
}
