//! The groups that a program under check forgets. A check tells its writer so; the machine is left as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ch00_process::record;

/// How a group of ours begins.
const OURS: &str = "boxroom-";

/// How long a group stays empty that is made at this moment: between mkdir and birth are a few calls. Whoever keeps one
/// empty for longer has it on record.
const BIRTH: Duration = Duration::from_millis(250);

/// The groups of ours that were there at one moment, in whatever hierarchy.
#[derive(Debug)]
pub struct Groups {
    top: PathBuf,
    /// With the inode: a name may be given again.
    seen: BTreeMap<PathBuf, u64>,
}

impl Groups {
    /// Those that are there now.
    #[must_use]
    pub fn now() -> Self {
        // An ordinary user's may be far down; /sys/fs/cgroup is where every distribution has them.
        Self::below(Path::new("/sys/fs/cgroup"))
    }

    fn below(top: &Path) -> Self {
        let mut seen = BTreeMap::new();
        collect(top, &mut seen);
        Self { top: top.into(), seen }
    }

    /// Removes what has come since, stays empty and is nobody's. The kernel refuses a group that has a process or a group
    /// inside (EBUSY). One that is empty may be in use all the same, for the moment before a birth or for long (`--step`):
    /// by a living engine of this run root, or by anybody's of another one, a check's beside this. rmdir(2)
    pub fn sweep(self) {
        let came = self.came();
        if came.is_empty() {
            return;
        }
        std::thread::sleep(BIRTH);
        // Listed first, asked then: an engine writes its record before it makes the group.
        let still = self.came();
        let mut records = record::all().unwrap_or_default();
        records.extend(record::elsewhere());
        // Beside other checks of the same run root: what those of a program that is dead have noted is forgotten, too.
        records.retain(|record| record.owner.lives());
        let in_use = |group: &Path| {
            records.iter().any(|one| one.what.lines().any(|folder| Path::new(folder) == group))
        };
        // The deepest first: a parent is empty only then.
        for (group, inode) in still.iter().rev() {
            if came.get(group) == Some(inode) && !in_use(group) {
                let _ = fs::remove_dir(group);
            }
        }
    }

    /// What is there now and wasn't then.
    fn came(&self) -> BTreeMap<PathBuf, u64> {
        let mut now = Self::below(&self.top).seen;
        now.retain(|group, inode| self.seen.get(group) != Some(inode));
        now
    }
}

/// Symlinks (`cpu` for `cpu,cpuacct`) aren't followed: what they name is found where it is.
fn collect(folder: &Path, seen: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with(OURS) {
                seen.insert(entry.path(), entry.ino());
            }
            collect(&entry.path(), seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use ch00_process::record::Owner;

    use super::*;

    /// An empty group of an engine with another run root, before its birth: only the record tells it from what was
    /// forgotten. Plain folders stand for groups, a sleeper for the engine.
    #[test]
    fn checks_what_another_run_root_has_on_record_is_not_swept() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        let groups = Groups::below(top.path());
        for group in ["boxroom-theirs", "boxroom-dead", "boxroom-forgotten/boxroom-in-it", "somebody's"] {
            fs::create_dir_all(at(group)).unwrap();
        }
        let records = at("run/records");
        fs::create_dir_all(&records).unwrap();
        let mut engine = Command::new("sleep").arg("20").env("BOXROOM_RUN", at("run")).spawn().unwrap();
        let theirs = serde_json::json!({
            "kind": "03-cgroups",
            "what": format!("/elsewhere/boxroom-theirs\n{}", at("boxroom-theirs").display()),
            "owner": Owner::of(engine.id()),
        });
        fs::write(records.join("1-1-1.json"), theirs.to_string()).unwrap();
        // One that has ended, of the same run root.
        let mut dead = Owner::of(engine.id()).unwrap();
        dead.start += 1;
        let its = serde_json::json!({
            "kind": "03-cgroups",
            "what": at("boxroom-dead").display().to_string(),
            "owner": dead,
        });
        fs::write(records.join("2-2-2.json"), its.to_string()).unwrap();
        groups.sweep();
        let left = ["boxroom-theirs", "boxroom-dead", "boxroom-forgotten", "somebody's"]
            .map(|name| at(name).exists());
        engine.kill().unwrap();
        engine.wait().unwrap();
        assert_eq!(left, [true, false, false, true]);
    }

    #[test]
    fn checks_a_group_that_is_made_at_this_moment_is_not_swept() {
        let top = tempfile::tempdir().unwrap();
        let group = top.path().join("boxroom-young");
        let groups = Groups::below(top.path());
        fs::create_dir(&group).unwrap();
        // Removed and made anew while the sweep waits: another group of the same name.
        let again = std::thread::spawn({
            let group = group.clone();
            move || {
                std::thread::sleep(BIRTH / 2);
                let _keeps_its_inode = fs::File::open(&group).unwrap();
                fs::remove_dir(&group).unwrap();
                fs::create_dir(&group).unwrap();
                std::thread::sleep(BIRTH);
            }
        });
        groups.sweep();
        assert!(group.exists());
        again.join().unwrap();
    }
}
