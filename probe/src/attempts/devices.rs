//! To what the whole machine shares: root's files, disks, the kernel's settings.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::facts::{Evidence, Facts, Knob};

/// A file is written; the outside looks whose it is.
pub fn root_is_root(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = super::scratch(facts).join("mine");
    evidence.step(format!("write {}", path.display()), fs::write(&path, "whose is this?\n"));
    evidence
}

/// The device node of a disk is all that is needed to read it, whatever root one has. Nothing is written.
pub fn mknod_block(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some((major, minor)) = facts.block else {
        evidence.told.push("no block device was named".into());
        return evidence;
    };
    let path = super::scratch(facts).join("disk");
    let call = format!("mknod {} b {major} {minor}", path.display());
    evidence.step(call, mknod(&path, SFlag::S_IFBLK, Mode::S_IRUSR, makedev(major, minor)));
    if evidence.step(format!("open {}", path.display()), fs::File::open(&path)).is_some() {
        evidence.find("the disk is open");
    }
    evidence
}

/// The outside looks whether the setting has changed, and puts it back.
pub fn proc_sys(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(knob) = &facts.sysctl else { return evidence };
    if let Some(proc) = super::proc_folder(facts, &mut evidence) {
        turn(&mut evidence, &proc.join("sys"), knob);
    }
    evidence
}

/// The same below /sys.
pub fn sys_writable(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(knob) = &facts.sysfs else { return evidence };
    if let Some(sys) = super::mounted(facts, &mut evidence, "sys", "kernel") {
        turn(&mut evidence, &sys, knob);
    }
    evidence
}

/// Read-only is a property of the mount; whoever may mount may take it away.
pub fn sys_remount(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(knob) = &facts.sysfs else { return evidence };
    let Some(sys) = super::mounted(facts, &mut evidence, "sys", "kernel") else { return evidence };
    // Without MS_BIND the file system itself becomes writable too, not this mount alone.
    let call = format!("mount -o remount,rw {}", sys.display());
    evidence.step(call, mount(None::<&str>, &sys, None::<&str>, MsFlags::MS_REMOUNT, None::<&str>));
    turn(&mut evidence, &sys, knob);
    evidence
}

fn turn(evidence: &mut Evidence, below: &Path, knob: &Knob) {
    let path = below.join(&knob.path);
    // No O_TRUNC, no O_CREAT: it is a setting, and it is there or it isn't.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, knob.value.as_bytes()));
    evidence.step(format!("write {} to {}", knob.value, path.display()), written);
}
