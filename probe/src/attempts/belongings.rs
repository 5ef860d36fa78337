//! What the starter had in its pockets, and what is said about it.

use std::env;
use std::fs;

use ch00_process::kernel::raw::ipc;
use nix::unistd::getgroups;

use crate::facts::{Evidence, Facts};

/// The highest descriptor that is looked at.
const HIGHEST: i32 = 1024;

/// Descriptors that came through the exec, with what can be read from them. Found by asking for each
/// number: /proc may not be there.
pub fn descriptors(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    for number in inherited() {
        if let Some(bytes) = evidence.step(format!("read descriptor {number}"), ipc::descriptor_read(number))
        {
            evidence.find(String::from_utf8_lossy(&bytes).trim_end());
        }
    }
    evidence
}

/// The numbers of the descriptors that whoever started this program left open, beyond the standard three.
/// One that this program opened itself (the roll call's socket) closes on exec; one that came through an
/// exec can't.
#[must_use]
pub fn inherited() -> Vec<i32> {
    (3..HIGHEST).filter(|number| ipc::descriptor_closes_on_exec(*number) == Ok(false)).collect()
}

/// Tokens and passwords are handed over in the environment; whoever inherits it has them.
pub fn environment(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    for (name, value) in env::vars_os() {
        evidence.told.push(name.to_string_lossy().into_owned());
        evidence.find(value.to_string_lossy());
    }
    evidence
}

/// Groups open files. The outside looks what the kernel says about this process.
pub fn groups(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    if let Some(groups) = evidence.step("getgroups", getgroups()) {
        evidence.found = groups.iter().map(ToString::to_string).collect();
    }
    evidence
}

/// The path tells the host's structure, often the names of its users and of the other containers.
pub fn cgroup_path(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(proc) = super::proc_folder(facts, &mut evidence) else { return evidence };
    let path = proc.join("self/cgroup");
    if let Some(text) = evidence.step(format!("read {}", path.display()), fs::read_to_string(&path)) {
        evidence.found.extend(text.lines().map(String::from));
    }
    evidence
}
