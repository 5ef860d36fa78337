//! A volume in use: whoever runs a container with it holds its lock, and the container's id is on it as long as the
//! container is there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ch00_process::kernel::Kernel;
use nix::fcntl::{Flock, FlockArg};

use super::seed::Seed;
use super::{Store, Volume};

/// A volume that can't be removed as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// What it is called.
    pub name: String,
    /// Its files.
    pub data: PathBuf,
    _lock: Flock<File>,
}

/// The container that has it.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// Its id; none where the volume goes with it, and nobody has to be told.
    pub container: Option<&'a str>,
    /// Where it has the volume.
    pub target: &'a str,
}

impl Store {
    /// Takes a volume into use; makes it where it isn't there, and fills it where it is empty and nobody else has it.
    ///
    /// # Errors
    /// The disk is full, or the image's files can't be read.
    // ANCHOR: hold
    pub fn hold(
        &self,
        name: &str,
        is_anonymous: bool,
        user: &User<'_>,
        seed: Option<(&Seed, &Kernel)>,
    ) -> Result<Held> {
        loop {
            self.make(name, BTreeMap::new(), is_anonymous)?;
            if let (Some((seed, k)), Some(alone)) = (seed, self.lock_alone(name)?) {
                // Whoever wants it too waits until it is full.
                if self.is_there(name, &alone) && self.is_empty(name)? {
                    seed.fill(k, self, name, user.target)?;
                }
            }
            let path = self.folder(name).join("lock");
            let file = match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue, // removed just now
                other => other.with_context(|| path.display().to_string())?,
            };
            let lock = Flock::lock(file, FlockArg::LockShared)
                .map_err(|(_, errno)| errno)
                .with_context(|| format!("flock({})", path.display()))?;
            // Removed while we waited: then this is the lock of what is gone.
            if self.is_there(name, &lock) {
                self.used_by(name, user)?;
                return Ok(Held { name: name.into(), data: self.data(name), _lock: lock });
            }
        }
    }
    // ANCHOR_END: hold

    /// Whether this is the lock of the volume that has the name now.
    fn is_there(&self, name: &str, lock: &File) -> bool {
        let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
        let there = fs::metadata(self.folder(name).join("lock"));
        there.and_then(|there| Ok(same(&there, &lock.metadata()?))).unwrap_or(false)
    }

    fn is_empty(&self, name: &str) -> Result<bool> {
        let data = self.data(name);
        match fs::read_dir(&data) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            // An ordinary user's volume may belong to ids of the map. Somebody made it so: it isn't new.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error).with_context(|| data.display().to_string()),
        }
    }

    /// Notes that this container has the volume, as long as the container is there.
    ///
    /// # Errors
    /// The disk is full.
    pub fn used_by(&self, name: &str, user: &User<'_>) -> Result<()> {
        let Some(container) = user.container else { return Ok(()) };
        let path = self.folder(name).join("users").join(container);
        fs::write(&path, user.target).with_context(|| path.display().to_string())
    }

    /// The containers that have it and are there.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn users(&self, name: &str) -> Result<Vec<String>> {
        let folder = self.folder(name).join("users");
        let mut users = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let container = entry.file_name().to_string_lossy().into_owned();
            if self.images.containers().join(&container).is_dir() {
                users.push(container);
            } else {
                let _ = fs::remove_file(entry.path()); // the container is gone
            }
        }
        users.sort();
        Ok(users)
    }

    /// The volume without a name that this container has at this target, if it has been there before.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn of_user(&self, user: &User<'_>) -> Result<Option<String>> {
        let Some(container) = user.container else { return Ok(None) };
        let has = |volume: &Volume| {
            let note = self.folder(&volume.name).join("users").join(container);
            volume.anonymous && fs::read_to_string(note).is_ok_and(|target| target == user.target)
        };
        Ok(self.list()?.into_iter().find(has).map(|volume| volume.name))
    }

    /// The volumes without a name that this container has: what goes with it.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn anonymous_of(&self, container: &str) -> Result<Vec<String>> {
        let has = |volume: &Volume| {
            volume.anonymous && self.folder(&volume.name).join("users").join(container).is_file()
        };
        Ok(self.list()?.into_iter().filter(has).map(|volume| volume.name).collect())
    }
}
