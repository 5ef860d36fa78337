//! What `--fix` changed, on disk before it is changed: `--undo` goes by it, after a crash too.
//!
//! `DATA/doctor/changes/NNNN.json`, one file a change, in the data root: it has to outlive a boot.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::change::Change;

/// The records, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    _held: Flock<fs::File>,
}

/// One recorded change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was to be changed.
    pub change: Change,
    /// Where it is recorded.
    pub path: PathBuf,
}

impl Journal {
    /// Opens the records below `data`.
    ///
    /// # Errors
    /// The folder can't be written, or another doctor works on this machine right now.
    pub fn open(data: &Path) -> Result<Self> {
        let folder = data.join("doctor/changes");
        fs::create_dir_all(&folder).with_context(|| {
            format!("could not make {}; set BOXROOM_ROOT to a folder of yours", folder.display())
        })?;
        let lock = data.join("doctor/lock");
        let file = fs::File::create(&lock).with_context(|| lock.display().to_string())?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self { folder, _held: held }),
            Err((_, Errno::EWOULDBLOCK)) => {
                bail!(
                    "another doctor --fix or --undo is at work here ({} is locked); let it end",
                    lock.display()
                )
            }
            Err((_, errno)) => Err(errno).with_context(|| format!("flock {}", lock.display())),
        }
    }

    /// Whether anything is recorded below `data`, without making a folder for it.
    #[must_use]
    pub fn is_empty(data: &Path) -> bool {
        let folder = data.join("doctor/changes");
        // One that can't be read isn't empty: opening it will say why.
        fs::read_dir(&folder).map_or_else(
            |error| error.kind() == std::io::ErrorKind::NotFound,
            |all| all.flatten().all(|entry| entry.path().extension().is_none_or(|end| end != "json")),
        )
    }

    /// Notes that `change` is about to be made. On return it is on the disk.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn record(&self, change: &Change) -> Result<Entry> {
        let last = self.names()?.last().and_then(|name| name.split('.').next()?.parse::<u32>().ok());
        let path = self.folder.join(format!("{:04}.json", last.unwrap_or(0) + 1));
        let beside = self.folder.join(".new");
        let mut file = fs::File::create(&beside).with_context(|| beside.display().to_string())?;
        file.write_all(&serde_json::to_vec_pretty(change)?)?;
        file.sync_all().with_context(|| beside.display().to_string())?;
        fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
        // The name too has to be on the disk: a power cut may come in the middle of the change.
        fs::File::open(&self.folder)?.sync_all().with_context(|| self.folder.display().to_string())?;
        Ok(Entry { change: change.clone(), path })
    }

    /// All, the latest first: so they are taken back.
    ///
    /// # Errors
    /// One can't be read or says something that this doctor doesn't know. Nothing is undone on a guess.
    pub fn latest_first(&self) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        for name in self.names()?.into_iter().rev() {
            let path = self.folder.join(name);
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            let change: Change = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no record of this doctor's", path.display()))?;
            if !change.is_ours() {
                bail!(
                    "{} names {}, which this doctor never changes; look at it, and remove the record",
                    path.display(),
                    change.shown()
                );
            }
            found.push(Entry { change, path });
        }
        Ok(found)
    }

    /// It is taken back, or was never made.
    ///
    /// # Errors
    /// The record can't be removed.
    pub fn forget(&self, entry: &Entry) -> Result<()> {
        fs::remove_file(&entry.path).with_context(|| entry.path.display().to_string())
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("boxroom-journal-{name}-{}", std::process::id()));
        let _none = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn records_come_back_latest_first_and_one_doctor_works_at_a_time() {
        let data = place("order");
        assert!(Journal::is_empty(&data));
        let journal = Journal::open(&data).unwrap();
        let set = |to| Change::Setting { name: "user/max_user_namespaces".into(), from: 0, to };
        let first = journal.record(&set(1)).unwrap();
        journal.record(&set(2)).unwrap();
        assert!(Journal::open(&data).unwrap_err().to_string().contains("another doctor"));
        let seen: Vec<_> = journal.latest_first().unwrap().into_iter().map(|entry| entry.change).collect();
        assert_eq!(seen, [set(2), set(1)]);
        journal.forget(&first).unwrap();
        assert!(!Journal::is_empty(&data));
        drop(journal);
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_record_of_somebody_elses_thing_undoes_nothing() {
        let data = place("foreign");
        let journal = Journal::open(&data).unwrap();
        journal.record(&Change::Setting { name: "kernel/panic".into(), from: 0, to: 1 }).unwrap();
        assert!(journal.latest_first().unwrap_err().to_string().contains("never changes"));
        drop(journal);
        fs::remove_dir_all(data).unwrap();
    }
}
