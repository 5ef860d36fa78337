//! The record of what will have to be cleaned, on disk before the thing itself is made.
//!
//! Whoever makes a directory, a mount or a group may be killed in the middle of it. So a note is
//! written first; the normal end takes it away, and after a crash another process finds it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::{kernel_file, place};

mod elsewhere;

pub use elsewhere::elsewhere;

/// One thing that will have to be cleaned, and who is about to make it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What kind of thing: `directory`, later `cgroup`, `mount`, ...
    pub kind: String,
    /// Which one: its path or name.
    pub what: String,
    /// Who makes it.
    pub owner: Owner,
    #[serde(skip)]
    path: PathBuf,
}

/// A process, known by more than its number: pids are given again, boots begin them anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Its number, in the pid namespace of whoever wrote the record.
    pub pid: u32,
    /// When it began, in clock ticks after boot (field 22 of `/proc/PID/stat`, proc_pid_stat(5)).
    pub start: u64,
}

impl Record {
    /// Notes on disk that `what` is about to be made by this process.
    ///
    /// # Errors
    /// The run root can't be written.
    pub fn write(kind: &str, what: &str) -> Result<Self> {
        Self::noted(kind, what, true)
    }

    /// The same for something that a power failure ends as well (a cgroup): the note need not outlast it, so
    /// nobody waits for the disk.
    ///
    /// # Errors
    /// The run root can't be written.
    pub fn until_reboot(kind: &str, what: &str) -> Result<Self> {
        Self::noted(kind, what, false)
    }

    /// The file of the note.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn noted(kind: &str, what: &str, lasts: bool) -> Result<Self> {
        let owner = Owner::me()?;
        let folder = folder()?;
        let unique = format!("{}-{}-{}", owner.pid, owner.start, stamp());
        let path = folder.join(format!("{unique}.json"));
        let record = Self { kind: kind.into(), what: what.into(), owner, path };
        let beside = folder.join(format!(".{unique}"));
        if let Err(error) = record.put(&beside, lasts) {
            // Half a note (the disk is full) names nothing, and nobody would ever look for it.
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        Ok(record)
    }

    /// Beside first: a note that has its name is whole.
    fn put(&self, beside: &Path, lasts: bool) -> Result<()> {
        let at = |path: &Path| path.display().to_string();
        let mut file = fs::File::create(beside).with_context(|| at(beside))?;
        file.write_all(&serde_json::to_vec(self)?).with_context(|| at(beside))?;
        if lasts {
            file.sync_all().with_context(|| at(beside))?;
        }
        fs::rename(beside, &self.path).with_context(|| at(&self.path))
    }

    /// Whether both name the same thing, or have one of its parts (a group's folder in one hierarchy) in common.
    #[must_use]
    pub fn shares(&self, other: &Self) -> bool {
        self.what.lines().any(|part| other.what.lines().any(|theirs| theirs == part))
    }

    /// The living process of another run root that has the same on record: what is left by us is its by now.
    #[must_use]
    pub fn claimed(&self) -> Option<Owner> {
        let theirs = elsewhere().into_iter().find(|other| other.shares(self) && other.owner.lives());
        theirs.map(|other| other.owner)
    }

    /// The thing is gone (or finished): nobody has to clean it any more.
    ///
    /// # Errors
    /// The note can't be removed; that it is gone already is no error.
    pub fn forget(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.path.display().to_string())
            }
            _ => Ok(()),
        }
    }
}

/// The records whose maker has ended without cleaning.
///
/// # Errors
/// The run root can't be read.
pub fn orphans() -> Result<Vec<Record>> {
    Ok(all()?.into_iter().filter(|record| !record.owner.lives()).collect())
}

/// All records, of what is in use too.
///
/// # Errors
/// The run root can't be read.
pub fn all() -> Result<Vec<Record>> {
    Ok(below(&folder()?)?)
}

/// The records in this folder.
fn below(folder: &Path) -> io::Result<Vec<Record>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        // A record that can't be read names nothing that could be cleaned; it is left for a person to look at.
        let Ok(text) = plain(&path) else { continue };
        let Ok(mut record) = serde_json::from_slice::<Record>(&text) else { continue };
        record.path = path;
        found.push(record);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Only a plain file, and no more of it than a record is: opening a fifo would wait for a writer for ever.
fn plain(path: &Path) -> io::Result<Vec<u8>> {
    const LONGEST: u64 = 1 << 16;
    let quiet = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(quiet).open(path)?;
    let mut text = Vec::new();
    if file.metadata()?.is_file() {
        file.take(LONGEST).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// Notes whose writer was killed before they had their name: nothing had been made yet, so they can just go.
///
/// # Errors
/// The run root can't be read.
pub fn unfinished() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder()?)? {
        let entry = entry?;
        let ended = entry
            .file_name()
            .to_str()
            .and_then(writer_in)
            .is_some_and(|(pid, start)| !is_running(pid, start));
        if ended && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Number and start of who writes it, from the name `.PID-START-STAMP` that a note has until it is whole.
fn writer_in(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix('.')?.split('-');
    let writer = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let stamp = parts.next()?;
    (!stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit()) && parts.next().is_none())
        .then_some(writer)
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// `/proc` isn't mounted here.
    pub fn me() -> Result<Self> {
        let pid = std::process::id();
        let start = start_of(pid).context("could not read /proc/self/stat; is /proc mounted?")?;
        Ok(Self { boot: boot_id().into(), pid, start })
    }

    /// The process that has this number now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { boot: boot_id().into(), pid, start: start_of(pid)? })
    }

    /// Whether this very process (not another one with its number) is still there. A zombie has ended: nobody has
    /// waited for it yet, and that may never happen where pid 1 doesn't.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.boot == boot_id() && is_running(self.pid, self.start)
    }
}

fn folder() -> Result<PathBuf> {
    let folder = place::run_root()?.join("records");
    if !folder.is_dir() {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    Ok(folder)
}

/// Of the boot that we live in. Read once: nobody lives to see another.
fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || kernel_file::text(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    BOOT.get_or_init(|| read().trim().into())
}

fn is_running(pid: u32, start: u64) -> bool {
    stat_of(pid).is_some_and(|stat| start_in(&stat) == Some(start) && !is_zombie(&stat))
}

fn start_of(pid: u32) -> Option<u64> {
    start_in(&stat_of(pid)?)
}

fn stat_of(pid: u32) -> Option<String> {
    kernel_file::text(&Path::new("/proc").join(pid.to_string()).join("stat")).ok()
}

/// Field 3: `Z`, or `X` for a moment.
fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// Field 22. The second field is the command's name in parentheses and may hold anything, `) 7 8` too:
/// so the fields are counted from the last parenthesis.
fn start_in(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Makes two records of one process differ.
fn stamp() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_nanos()).unwrap_or(0);
    // Threads of one process may ask at the same moment.
    let later = |last: u64| now.max(last + 1);
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last))).map_or(now, later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_no_two_records_have_one_name() {
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..1000).map(|_| stamp()).collect())).collect();
        let mut stamps: Vec<u64> =
            threads.into_iter().flat_map(|one| -> Vec<u64> { one.join().unwrap() }).collect();
        stamps.sort_unstable();
        stamps.dedup();
        assert_eq!(stamps.len(), 4000);
    }

    #[test]
    fn ch00_start_time_is_found_behind_a_hostile_name() {
        let stat = "7 (a) 1 2) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 4242 1 2";
        assert_eq!(start_in(stat), Some(4242));
        assert!(!is_zombie(stat) && is_zombie("7 (a) S) Z 1"));
    }

    #[test]
    fn ch00_an_unfinished_note_is_known_by_its_name() {
        assert_eq!(writer_in(".12-345-6789"), Some((12, 345)));
        for other in
            ["12-345-6789.json", ".12-345", ".12-345-6789.json", ".12-345-6-7", ".a-b-c", ".", ".12-345-"]
        {
            assert_eq!(writer_in(other), None, "{other}");
        }
    }

    #[test]
    fn ch00_i_live_and_my_successor_does_not() {
        let me = Owner::me().unwrap();
        assert!(me.lives());
        assert!(!Owner { start: me.start + 1, ..me.clone() }.lives());
        assert!(!Owner { boot: "another boot".into(), ..me }.lives());
    }
}
