//! At a folder of the host that was given to be read.

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::facts::{Evidence, Facts};

/// The outside looks whether the file is another now.
pub fn write(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = facts.given.join("file");
    evidence.step(format!("write {}", path.display()), fs::write(&path, "not what it was\n"));
    evidence
}

/// The same on what is mounted below it.
pub fn submount(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = facts.given.join("below/file");
    evidence.step(format!("write {}", path.display()), fs::write(&path, "not what it was\n"));
    evidence
}

/// A folder on which others have mounted something can be removed by whoever has nothing mounted there, and their mount
/// goes with it: rmdir(2). The outside looks whether its own is still there.
pub fn rmdir(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = facts.given.join("below");
    let none: Option<&str> = None;
    evidence.step("unshare(CLONE_NEWNS)", unshare(CloneFlags::CLONE_NEWNS));
    // In a chroot / is no mount point: then umount alone does it.
    evidence.step("mounts private", mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none));
    evidence.step(format!("umount {}", path.display()), umount2(&path, MntFlags::MNT_DETACH));
    evidence.step(format!("rmdir {}", path.display()), fs::remove_dir(&path));
    evidence
}
