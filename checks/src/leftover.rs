//! The groups that a program under check forgets. A check tells its writer so; the machine is left as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ch00_process::record;

/// How a group of ours begins.
const OURS: &str = "boxroom-";

/// The groups of ours that were there at one moment, in whatever hierarchy.
#[derive(Debug)]
pub struct Groups {
    seen: BTreeSet<PathBuf>,
}

impl Groups {
    /// Those that are there now.
    #[must_use]
    pub fn now() -> Self {
        let mut seen = BTreeSet::new();
        // An ordinary user's may be far down; /sys/fs/cgroup is where every distribution has them.
        collect(Path::new("/sys/fs/cgroup"), &mut seen);
        Self { seen }
    }

    /// Removes what has come since, is empty and is nobody's. The kernel refuses a group that has a process or a group
    /// inside (EBUSY), and one that a living engine has on record is in use, though still or again empty. rmdir(2)
    pub fn sweep(self) {
        let living: Vec<String> = record::all()
            .unwrap_or_default()
            .into_iter()
            .filter(|record| record.owner.lives())
            .map(|record| record.what)
            .collect();
        let in_use =
            |group: &Path| living.iter().any(|what| what.lines().any(|folder| Path::new(folder) == group));
        // The deepest first: a parent is empty only then.
        let came = |group: &&PathBuf| !self.seen.contains(*group) && !in_use(group);
        for group in Self::now().seen.iter().rev().filter(came) {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Symlinks (`cpu` for `cpu,cpuacct`) aren't followed: what they name is found where it is.
fn collect(folder: &Path, seen: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with(OURS) {
                seen.insert(entry.path());
            }
            collect(&entry.path(), seen);
        }
    }
}
