//! Control groups that are put on the host to be seen, changed, and used as a door.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;

use super::{Canary, dress};

impl Canary {
    pub(super) fn cgroup(&mut self) -> Result<()> {
        if !geteuid().is_root() {
            let own = fs::read_to_string("/proc/self/cgroup")?;
            let known = own.lines().any(|line| !line.ends_with(":/"));
            self.lack(!known, "this session is in the topmost cgroup, whose path tells nothing");
            return Ok(());
        }
        let made = cgroup2().map(|top| top.join(format!("boxroom-{}", self.secret)));
        match made.filter(|folder| fs::create_dir(folder).is_ok()) {
            None => self.lack(true, "no cgroup v2 that this root may write to"),
            Some(folder) => {
                self.dress = dress("--cgroup", &folder.to_string_lossy())?;
                self.after(move || remove_group(&folder));
            }
        }
        Ok(())
    }

    /// A group that the stage is started in, and another's in it: that one is nobody's business inside, wherever on
    /// this machine the tests run.
    pub(super) fn neighbour(&mut self) -> Result<()> {
        self.cgroup()?;
        let Some(folder) = self.dress.last().map(PathBuf::from) else {
            self.lack(true, "only root can put a control group on the host to be seen");
            return Ok(());
        };
        self.facts.group = format!("neighbour-{}", self.facts.nonce);
        let names = [self.facts.group.clone(), self.secret.clone()];
        for name in names {
            let group = folder.join(name);
            fs::create_dir(&group).with_context(|| group.display().to_string())?;
            self.after(move || remove_group(&group));
        }
        self.place = folder.join(&self.facts.group);
        Ok(())
    }

    /// A hierarchy of version 1 that nobody uses, mounted on the test's own host: what is set there harms nobody.
    pub(super) fn hierarchy(&mut self) -> Result<()> {
        if !geteuid().is_root() {
            return Ok(()); // an ordinary user can't mount one, inside or outside
        }
        self.facts.hierarchy = format!("boxroom-{}", self.facts.nonce);
        let place = self.folder.path().join("hierarchy");
        fs::create_dir(&place)?;
        let options = format!("none,name={}", self.facts.hierarchy);
        if let Err(errno) = mount(Some("none"), &place, Some("cgroup"), MsFlags::empty(), Some(&*options)) {
            self.lack(
                true,
                &format!("no hierarchy of cgroup version 1 can be made ({})", errno.desc().to_lowercase()),
            );
            return Ok(());
        }
        self.place.clone_from(&place);
        let name = self.facts.hierarchy.clone();
        self.after(move || end_hierarchy(&name, &place));
        Ok(())
    }
}

/// A hierarchy ends with its last mount, but only if no group is in it then; and a removed group is in it for a while,
/// until the kernel has freed it. Then it would stay until the next boot: so it is mounted and unmounted again.
fn end_hierarchy(name: &str, place: &Path) {
    let _ = umount2(place, MntFlags::MNT_DETACH);
    let line = format!(":name={name}:");
    let is_there = || fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| text.contains(&line));
    for _ in 0..5 {
        // One that ends is named for some milliseconds more; one that is mounted again too early is a new one.
        for _ in 0..20 {
            if !is_there() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let options = format!("none,name={name}");
        if mount(Some("none"), place, Some("cgroup"), MsFlags::empty(), Some(&*options)).is_ok() {
            let _ = umount2(place, MntFlags::empty());
        }
    }
}

/// EBUSY until the kernel has finished with the last process in it.
fn remove_group(folder: &Path) {
    for _ in 0..100 {
        if fs::remove_dir(folder).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}
