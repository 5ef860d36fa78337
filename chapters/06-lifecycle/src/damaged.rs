//! Containers whose `config.json` was cut off, emptied or mixed up: nobody can start them any more. They are told, keep
//! their name, and are removed by what else is known of them: a folder, a lock, and the links that lead there.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use ch00_process::failure::Failure;
use ch04_images::container::Container as Kept;
use nix::fcntl::{Flock, FlockArg};

use crate::config::LogLimit;
use crate::containers::{Container, Containers, Lock};
use crate::truth;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its id, by its folder.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// What a name or the first digits of an id lead to.
#[derive(Debug)]
pub enum Found {
    /// A container.
    Whole(Box<Container>),
    /// What is left of one.
    Damaged(Damaged),
}

impl Found {
    /// Whether it has this name, as far as anybody can tell: the link is all that a damaged one has of it.
    pub(crate) fn may_be_called(&self, name: &str) -> bool {
        match self {
            Self::Whole(container) => container.name() == name,
            Self::Damaged(_) => true,
        }
    }
}

impl Containers {
    /// Whether there is a config, and nothing that could be read. A container that chapter 04's program keeps has a shorter
    /// one, and is that program's.
    pub(crate) fn damaged(&self, id: &str) -> Option<Damaged> {
        let folder = self.store.containers().join(id);
        let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = fs::read(folder.join("config.json")).ok()?;
        let is_read = serde_json::from_slice::<Kept>(&bytes).is_ok_and(|kept| kept.id == id);
        (is_id && !is_read).then(|| Damaged { id: id.into(), folder })
    }

    /// All of them but who is being made or removed at this moment: that one's config is half written.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn all_damaged(&self) -> Result<Vec<Damaged>> {
        let settled = |one: &Damaged| {
            let lock = File::open(&one.folder).map(|file| Flock::lock(file, FlockArg::LockSharedNonblock));
            matches!(lock, Ok(Ok(_))) && self.damaged(&one.id).is_some()
        };
        Ok(self.ids()?.iter().filter_map(|id| self.damaged(id)).filter(settled).collect())
    }
}

impl Damaged {
    /// Why nothing can be done with it, and what can.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let what = format!("container {}: its config.json is damaged", self.id);
        Failure::said(what, "", format!("boxroom rm -f {}", self.id)).code(1)
    }

    /// The same in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("container {id}: its config.json is damaged; boxroom rm -f {id}", id = self.id)
    }

    /// How much log it may have: what is made without a word about it.
    pub(crate) fn log_files() -> u32 {
        LogLimit::default().files
    }

    /// Waits until nobody else changes it.
    ///
    /// # Errors
    /// Somebody has removed or mended it meanwhile.
    pub fn lock(&self, all: &Containers) -> Result<Lock> {
        let gone = || Failure::said(format!("No such container: {}", self.id), "", "").code(1);
        let folder = File::open(&self.folder).map_err(|_| gone())?;
        let lock =
            Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("flock")?;
        if all.damaged(&self.id).is_none() {
            return Err(gone().into());
        }
        Ok(lock.into())
    }

    /// That nobody runs it. Whose config can't be read, that one can't be asked to end as others are.
    ///
    /// # Errors
    /// Somebody does.
    pub fn must_rest(&self) -> Result<()> {
        let Some(monitor) = truth::monitor_of(&self.folder) else { return Ok(()) };
        let what = format!("container {}: its config.json is damaged, and it runs", self.id);
        let hint =
            format!("kill -9 {monitor}, its monitor, and it ends as well; then boxroom rm -f {}", self.id);
        Err(Failure::said(what, "", hint).code(1).into())
    }

    /// How much of the disk it has, bytes.
    pub(crate) fn disk(&self) -> u64 {
        crate::system::disk_of(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_damaged_container_is_told_in_one_line() {
        let one = Damaged { id: "0123456789ab".into(), folder: PathBuf::new() };
        assert_eq!(one.line().lines().count(), 1);
        assert!(one.line().contains("rm -f 0123456789ab") && one.failure().hint.contains("rm -f"));
    }
}
