//! A volume as a tar, and back: the copy in the drawer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use ch04_images::apply::{self, Notes};
use ch04_images::pack::{As, pack};

use super::Store;

impl Store {
    /// Packs a volume. Returns what no tar can hold (sockets).
    ///
    /// # Errors
    /// There is none, a file can't be read, or the writer's.
    pub fn export(&self, name: &str, out: impl Write) -> Result<Vec<Vec<u8>>> {
        self.volume(name)?;
        let data = File::open(self.data(name)).with_context(|| format!("volume {name}"))?;
        pack(data.as_fd(), As::Tree, out).with_context(|| format!("volume {name}"))
    }

    /// Unpacks a tar into a volume with nothing in it, which is made where it isn't there. All of it, or nothing.
    ///
    /// # Errors
    /// The volume is in use or has something in it, or the archive is damaged or hostile.
    pub fn import(&self, name: &str, tar: impl Read) -> Result<Notes> {
        let is_new = self.read(name)?.is_none();
        self.create(Some(name), BTreeMap::new())?;
        let Some(lock) = self.lock_alone(name)? else { return Err(self.in_use(name)) };
        if fs::read_dir(self.data(name))?.next().is_some() {
            bail!("volume {name} has something in it, and nothing is written over; import into a new one");
        }
        let filled = self.filled(name, |root| unpack(tar, root));
        if filled.is_err() && is_new {
            drop(lock);
            let _ = self.remove(name);
        }
        filled.with_context(|| format!("volume {name}: nothing was imported"))
    }
}

/// A tar as files beneath `root`. A volume is no layer: a name that begins with `.wh.` is a name like any other.
///
/// # Errors
/// The archive is damaged, or wants to write outside; the disk is full.
pub fn unpack(tar: impl Read, root: OwnedFd) -> Result<Notes> {
    apply::each(tar, root, apply::make)
}
