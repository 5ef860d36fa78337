//! A group of ours, one face for both versions: a folder in every hierarchy that is mounted here.
//!
//! In *every* one: in a hierarchy where it has no group of its own the command would be in the host's, and whoever
//! mounts that inside would see it all, `release_agent` too (CVE-2022-0492).

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use ch00_process::door::Door;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::Pid;

use crate::delegation::Place;
use crate::hierarchy::{Hierarchies, Hierarchy, Version};
use crate::limits::Limits;
use crate::{v1, v2};

/// What each group's name begins with: a folder without it is never touched.
pub const MARK: &str = "boxroom-";

/// A group of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its folder in each hierarchy.
    pub parts: Vec<Part>,
}

/// Its folder in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The hierarchy's design.
    pub version: Version,
    /// Version 1: its controllers.
    pub controllers: Vec<String>,
    /// The folder.
    pub folder: PathBuf,
    /// Where the hierarchy is mounted.
    pub point: PathBuf,
}

impl Group {
    /// The group `name` at these places, not made yet.
    #[must_use]
    pub fn at(places: &[Place], name: &str) -> Self {
        let part = |place: &Place| Part::new(&place.hierarchy, place.parent.join(format!("{MARK}{name}")));
        Self { parts: places.iter().map(part).collect() }
    }

    /// As the record has it: one folder a line (the kernel allows no line break in a group's name).
    #[must_use]
    pub fn to_record(&self) -> String {
        let lines: Vec<_> = self.parts.iter().map(|part| part.folder.to_string_lossy()).collect();
        lines.join("\n")
    }

    /// From a record. It comes from a file, so each line is looked at: a folder with our mark, below a mounted
    /// hierarchy. Whether it is there (still, or already) is not looked at.
    ///
    /// # Errors
    /// A line that can't be one of ours.
    pub fn from_record(record: &str, hierarchies: &Hierarchies) -> Result<Self> {
        let mut parts = Vec::new();
        for folder in record.lines().map(Path::new) {
            let below = |one: &&Hierarchy| folder.starts_with(&one.point) && folder != one.point;
            let hierarchy = hierarchies.0.iter().filter(below).max_by_key(|one| one.point.as_os_str().len());
            match hierarchy {
                Some(hierarchy) if is_marked(folder) => {
                    parts.push(Part::new(hierarchy, folder.into()));
                }
                // The hierarchy isn't mounted any more: nothing that could be reached.
                None if is_marked(folder) && !folder.exists() => {}
                _ => {
                    let what = format!("{}: no group that boxroom would make", folder.display());
                    return Err(Failure::said(
                        what,
                        "",
                        "remove its record by hand, below $BOXROOM_RUN/records",
                    ));
                }
            }
        }
        Ok(Self { parts })
    }

    /// Its name without the mark.
    #[must_use]
    pub fn name(&self) -> String {
        let folder = self.parts.first().and_then(|part| part.folder.file_name());
        let name = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_prefix(MARK).unwrap_or(&name).to_string()
    }

    /// The part that has this controller: the one of version 1 that was mounted with it, else that of version 2.
    #[must_use]
    pub fn part(&self, controller: &str) -> Option<&Part> {
        let v1 = |part: &&Part| part.controllers.iter().any(|has| has == controller);
        self.parts.iter().find(v1).or_else(|| self.v2())
    }

    /// The part in version 2.
    #[must_use]
    pub fn v2(&self) -> Option<&Part> {
        self.parts.iter().find(|part| part.version == Version::V2)
    }

    /// Whether one of its folders is there already.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.parts.iter().any(|part| part.folder.exists())
    }

    /// Makes it, its limits with it: nobody is in it yet, so nobody runs without them.
    ///
    /// # Errors
    /// The call that failed. EEXIST: somebody else makes it at this moment, and it isn't ours.
    // ANCHOR: make
    pub fn make(&self, k: &Kernel, limits: &Limits) -> Result<()> {
        // ANCHOR: task-leaf
        for part in &self.parts {
            k.why("a group of its own: what is in it is counted, limited and killed as one")
                .mkdir(&part.folder, 0o755)
                .map_err(|failure| not_made(failure, &part.folder))?;
            match part.version {
                Version::V2 => v2::limit(k, &part.folder, limits, self)?,
                Version::V1 => v1::limit(k, part, limits)?,
            }
        }
        Ok(())
        // ANCHOR_END: task-leaf
    }
    // ANCHOR_END: make

    /// Somebody made a group of this name while we made ours, and `failure` is the EEXIST of it: the folders that we
    /// had made until then go, the one that it names and those behind it are another's.
    ///
    /// # Errors
    /// The call that failed.
    pub fn give_way(&self, k: &Kernel, failure: &Failure) -> Result<()> {
        let named = |part: &Part| failure.call.contains(&format!("{:?}", part.folder));
        let theirs = self.parts.iter().position(named).unwrap_or(0);
        for part in self.parts.iter().take(theirs) {
            match k.why("it was made a moment ago, beside another's of the name").rmdir(&part.folder) {
                Err(failure) if failure.errno() != Errno::ENOENT => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }

    /// The descriptor that a child is born into (version 2 only; `CLONE_INTO_CGROUP`).
    ///
    /// # Errors
    /// The call that failed.
    pub fn birthplace(&self, k: &Kernel) -> Result<Option<OwnedFd>> {
        // ANCHOR: task-birth
        let Some(part) = self.v2() else { return Ok(None) };
        k.why("the child will be born in its group: there is no moment without its limits")
            .open(&part.folder, OFlag::O_PATH | OFlag::O_DIRECTORY)
            .map(Some)
        // ANCHOR_END: task-birth
    }

    /// The doors through which a child goes into the groups of version 1, which knows no birth into a group.
    ///
    /// # Errors
    /// The call that failed.
    // ANCHOR: doors
    pub fn doors(&self, k: &Kernel) -> Result<Vec<Door>> {
        let mut doors = Vec::new();
        // ANCHOR: task-doors
        for part in self.parts.iter().filter(|part| part.version == Version::V1) {
            let door = k.why("the child will write itself in, first of all; opened by us, who may");
            doors.push(Door::open(door, &part.folder)?);
        }
        // ANCHOR_END: task-doors
        Ok(doors)
    }
    // ANCHOR_END: doors

    /// Removes the folders that a record names, if nobody is in them any more; false where one isn't empty, or doesn't
    /// look like a group of ours. It asks the kernel for nothing else: this is how every container ends.
    ///
    /// # Errors
    /// The call that failed.
    pub fn remove_empty(k: &Kernel, record: &str) -> Result<bool> {
        if !record.lines().all(|folder| is_ours(Path::new(folder))) {
            return Ok(false);
        }
        let mut empty = true;
        for folder in record.lines() {
            match k.why("the group is empty, so it goes").rmdir(Path::new(folder)) {
                Err(failure) if failure.errno() == Errno::EBUSY => empty = false,
                Err(failure) if failure.errno() != Errno::ENOENT => return Err(failure),
                _ => {}
            }
        }
        Ok(empty)
    }

    /// Kills what is inside and removes it. What is gone already is no error.
    ///
    /// # Errors
    /// The call that failed.
    // ANCHOR: remove
    pub fn remove(&self, k: &Kernel) -> Result<()> {
        // ANCHOR: task-cleanup
        self.kill(k)?;
        for part in &self.parts {
            remove_tree(k, &part.folder)?;
        }
        Ok(())
        // ANCHOR_END: task-cleanup
    }
    // ANCHOR_END: remove

    /// The group that a process is in, where that is one of ours.
    #[must_use]
    pub fn of(pid: Pid) -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let hierarchies = Hierarchies::parse(&mountinfo, &own);
        let ours = |one: &&Hierarchy| {
            one.own.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MARK))
        };
        let parts: Vec<_> =
            hierarchies.0.iter().filter(ours).map(|one| Part::new(one, one.own.clone())).collect();
        (!parts.is_empty()).then_some(Self { parts })
    }

    /// Everybody in it stands still, or goes on. Returns when the kernel says so.
    ///
    /// # Errors
    /// The call that failed; there is no freezer.
    // ANCHOR: freeze
    pub fn freeze(&self, k: &Kernel, still: bool) -> Result<()> {
        match self.part("freezer") {
            Some(part) if part.version == Version::V1 => v1::freeze(k, &part.folder, still),
            Some(part) => v2::freeze(k, &part.folder, still),
            None => Err(k.refuse(
                "no freezer",
                "there is no group that could be frozen",
                "without --no-group; as root",
            )),
        }
    }
    // ANCHOR_END: freeze

    /// Kills everybody in it, and nobody can flee by forking.
    ///
    /// # Errors
    /// The call that failed.
    pub fn kill(&self, k: &Kernel) -> Result<()> {
        // On a hybrid machine both: each kills who is in its own tree.
        if let Some(part) = self.v2().filter(|part| part.folder.is_dir()) {
            v2::kill(k, &part.folder)?;
        }
        match self.part("freezer").filter(|part| part.version == Version::V1 && part.folder.is_dir()) {
            Some(part) => v1::kill(k, &part.folder),
            None => Ok(()),
        }
    }
}

impl Part {
    fn new(hierarchy: &Hierarchy, folder: PathBuf) -> Self {
        let Hierarchy { version, controllers, point, .. } = hierarchy.clone();
        Self { version, controllers, folder, point }
    }
}

/// A folder with our mark, in a group: whatever a record says, nothing else is removed. statfs(2)
fn is_ours(folder: &Path) -> bool {
    const MAGIC: [i64; 2] = [0x27_e0eb, 0x6367_7270]; // CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC
    let kind = folder.parent().and_then(|above| rustix::fs::statfs(above).ok()).map(|found| found.f_type);
    is_marked(folder) && kind.is_some_and(|kind| MAGIC.contains(&kind))
}

/// A whole path with our mark at its end, and no way up in it.
fn is_marked(folder: &Path) -> bool {
    let marked = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MARK));
    let plain = folder.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    folder.is_absolute() && marked && plain
}

/// The group and those that were made in it, the innermost first.
fn remove_tree(k: &Kernel, folder: &Path) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(3);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(k, &entry.path())?;
        }
    }
    match k.why("as soon as the kernel is done with the last process").rmdir_once_empty(folder, PATIENCE) {
        Err(failure) if failure.errno() == Errno::ENOENT => Ok(()),
        other => other,
    }
}

fn not_made(failure: Failure, folder: &Path) -> Failure {
    let known = match failure.errno() {
        Errno::EEXIST => {
            ("there is a group of this name already", "another --name; ch03-cgroups ls shows them")
        }
        Errno::EROFS => (
            "the cgroup file system is read-only here: a container around us",
            "on the machine itself, or start that container with a writable one",
        ),
        Errno::EACCES | Errno::EPERM => ("this folder belongs to somebody else", "run it as root"),
        Errno::EAGAIN => (
            "cgroup.max.descendants or cgroup.max.depth of a group above is reached",
            "cat those files, from the parent upward",
        ),
        Errno::ENOENT => ("the group above is gone", "run it again"),
        _ => return failure,
    };
    let hint = if failure.errno() == Errno::EEXIST {
        known.1.to_string()
    } else {
        format!("{}; {}", known.1, folder.display())
    };
    failure.because(known.0, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ours are made one after the other; another's may appear between two of them.
    #[test]
    fn ch03_of_two_that_race_for_a_name_each_removes_its_own() {
        let top = std::env::temp_dir().join(format!("boxroom-race-{}", std::process::id()));
        let part = |name: &str| {
            let point = top.join(name);
            let folder = point.join("boxroom-x");
            fs::create_dir_all(&point).unwrap();
            Part { version: Version::V1, controllers: vec![], folder, point }
        };
        let group = Group { parts: ["cpu", "memory", "pids"].map(part).into() };
        fs::create_dir(&group.parts[1].folder).unwrap();
        let k = Kernel::new(ch00_process::explain::Process::Host, None);
        let failure = group.make(&k, &Limits::default()).unwrap_err();
        assert_eq!(failure.errno(), Errno::EEXIST);
        group.give_way(&k, &failure).unwrap();
        let left: Vec<_> = group.parts.iter().map(|part| part.folder.exists()).collect();
        fs::remove_dir_all(&top).unwrap();
        assert_eq!(left, [false, true, false]);
    }

    #[test]
    fn ch03_a_record_is_not_believed() {
        let mountinfo = "35 31 0:32 / /nowhere/memory rw - cgroup cgroup rw,memory\n";
        let here = Hierarchies::parse(mountinfo, "");
        let none = |record: &str| Group::from_record(record, &here).map(|group| group.parts.len());
        assert_eq!(none("/nowhere/memory/a/boxroom-x").unwrap(), 1, "ours");
        assert_eq!(none("/not/mounted/boxroom-x").unwrap(), 0, "unmounted, and gone");
        for wrong in [
            "/nowhere/memory/a/theirs",
            "/nowhere/memory/../boxroom-x",
            "relative/boxroom-x/y",
            "/home",
            "/tmp",
        ] {
            assert!(none(wrong).is_err(), "{wrong}");
        }
    }
}
