//! Version 2: one tree, and in each group the files of the controllers that the group above has passed on.
//! Documentation/admin-guide/cgroup-v2.rst.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::kernel_file;
use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::group::Group;
use crate::hierarchy::{controllers, is_real_top};
use crate::limits::{Limits, PERIOD, quota};
use crate::size::show;
use crate::swap;

/// Where processes of a delegated group go that are in the way (no internal processes).
pub const ASIDE: &str = "boxroom.host";

/// Sees to it that groups below `parent` have these controllers: `asked` by a flag, or `liked` for the sake of the
/// counting alone. From the top of what is ours down to `parent`, each group passes them on.
///
/// # Errors
/// One that was asked for can't be passed on, because there are processes in a group on the way.
// ANCHOR: enable
pub fn enable(k: &Kernel, point: &Path, parent: &Path, asked: &[&str], liked: &[&str]) -> Result<()> {
    let mut path: Vec<&Path> = parent.ancestors().take_while(|above| above.starts_with(point)).collect();
    path.reverse();
    for group in path {
        let on = kernel_file::text(&group.join("cgroup.subtree_control")).unwrap_or_default();
        let on: Vec<&str> = on.split_whitespace().collect();
        // Usually somebody has seen to it before us.
        if asked.iter().chain(liked).all(|name| on.contains(name)) {
            continue;
        }
        let there = controllers(group);
        let missing = |names: &[&str]| -> Vec<String> {
            let off = |name: &&&str| there.iter().any(|has| has == **name) && !on.contains(*name);
            names.iter().filter(off).map(|name| format!("+{name}")).collect()
        };
        let (asked, liked) = (missing(asked), missing(liked));
        if !asked.is_empty() {
            pass_on(k, group, &asked.join(" "))?;
        }
        // For the counting only: nobody is moved for it, and where it is refused, no limit is lost.
        if !liked.is_empty() && (is_real_top(group) || processes(group).is_empty()) {
            let file = group.join("cgroup.subtree_control");
            let _ = k
                .why("memory, processor, processes and io of each group below are counted")
                .write(&file, &liked.join(" "));
        }
    }
    Ok(())
}
// ANCHOR_END: enable

// ANCHOR: internal
/// A group that passes controllers on may have no process in it: they would compete with the groups below, and
/// nobody could say by which rule. For `memory` or `io` the kernel answers EBUSY while there is one. For `cpu` and
/// `pids` it is worse: it agrees, makes the group one for threads, and the groups below take no process any more
/// (EOPNOTSUPP). So the processes go aside first. Only the topmost group of the machine is free of the rule.
fn make_room(k: &Kernel, group: &Path) -> Result<()> {
    let inside = processes(group);
    if inside.is_empty() || is_real_top(group) {
        return Ok(());
    }
    let alone = inside == [std::process::id() as i32];
    // Whoever was given a subtree was given the processes in it, too; root in a container was not.
    if !alone && geteuid().is_root() {
        return Err(in_the_way(k, group, inside.len()));
    }
    let aside = group.join(ASIDE);
    match k.why("no process may be in a group that passes controllers on: a place aside").mkdir(&aside, 0o755)
    {
        Err(failure) if failure.errno() != Errno::EEXIST => return Err(failure),
        _ => {}
    }
    for pid in inside {
        let moved = k
            .why("moved aside, with nothing changed for it")
            .write(&aside.join("cgroup.procs"), &pid.to_string());
        match moved {
            // It has ended meanwhile.
            Err(failure) if failure.errno() == Errno::ESRCH => {}
            other => other?,
        }
    }
    Ok(())
}
// ANCHOR_END: internal

fn pass_on(k: &Kernel, group: &Path, names: &str) -> Result<()> {
    make_room(k, group)?;
    let file = group.join("cgroup.subtree_control");
    k.why("the group above passes its controllers on, else ours has no such files")
        .write(&file, names)
        .map_err(|failure| {
            match failure.errno() {
                // Somebody has come in since we looked.
                Errno::EBUSY => in_the_way(k, group, processes(group).len()),
                _ => failure.because(
                    "the group may not pass that controller on",
                    "cat cgroup.controllers there; cargo workshop doctor",
                ),
            }
        })
}

fn in_the_way(k: &Kernel, group: &Path, processes: usize) -> Failure {
    let place = group.display();
    let count = if processes == 1 { "a process is".into() } else { format!("{processes} processes are") };
    k.refuse(
        format!("{place}: {count} in the group itself, so it can't pass controllers on"),
        "a group has processes or passes controllers on to groups below, not both (the rule of no internal processes)",
        format!("mkdir {place}/aside; for p in $(cat {place}/cgroup.procs); do echo $p > {place}/aside/cgroup.procs; done"),
    )
}

/// The limits of a new group. `group` knows which controllers are not in this version (hybrid).
///
/// # Errors
/// The call that failed.
// ANCHOR: limit
pub fn limit(k: &Kernel, folder: &Path, limits: &Limits, group: &Group) -> Result<()> {
    let here = |controller| group.part(controller).is_some_and(|part| part.folder == folder);
    let write = |why: &'static str, file: &str, value: &str| {
        k.why(why).write(&folder.join(file), value).map_err(|failure| not_taken(failure, file))
    };
    // ANCHOR: task-memory
    if let Some(memory) = limits.memory.filter(|_| here("memory")) {
        write(
            "more memory than this is refused, and who insists is killed",
            "memory.max",
            &memory.to_string(),
        )?;
        close_swap(k, folder, limits.memory_swap.unwrap_or(memory) - memory)?;
        write(
            "half a container is none: where one of its processes is killed, all are",
            "memory.oom.group",
            "1",
        )?;
    }
    // ANCHOR_END: task-memory
    if let Some(high) = limits.memory_high.filter(|_| here("memory")) {
        write("from here on it is slowed down and gives memory back", "memory.high", &high.to_string())?;
    }
    // ANCHOR: task-cpu
    if let Some(cpus) = limits.cpus.filter(|_| here("cpu")) {
        write(
            "so many microseconds in each period, on all processors together",
            "cpu.max",
            &format!("{} {PERIOD}", quota(cpus)),
        )?;
    }
    // ANCHOR_END: task-cpu
    if let Some(weight) = limits.cpu_weight.filter(|_| here("cpu")) {
        write("its share, where processors are scarce", "cpu.weight", &weight.to_string())?;
    }
    if let Some(list) = limits.cpuset.as_deref().filter(|_| here("cpuset")) {
        write("on these processors only", "cpuset.cpus", list)?;
    }
    // ANCHOR: task-pids
    if let Some(pids) = limits.pids.filter(|_| here("pids")) {
        write("one process more is refused: fork says EAGAIN", "pids.max", &pids.to_string())?;
    }
    // ANCHOR_END: task-pids
    for io in limits.io_max.iter().filter(|_| here("io")) {
        let (major, minor) = io.numbers()?;
        let keys: Vec<_> = io.keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write("no more io of this device", "io.max", &format!("{major}:{minor} {}", keys.join(" ")))?;
    }
    Ok(())
}
// ANCHOR_END: limit

/// `memory.swap.max` is swap alone: nothing of it, where nothing was asked for.
fn close_swap(k: &Kernel, folder: &Path, alone: u64) -> Result<()> {
    swap::close(k, &folder.join("memory.swap.max"), alone)
}

fn not_taken(failure: Failure, file: &str) -> Failure {
    let known = match (file, failure.errno()) {
        (_, Errno::ENOENT) => (
            "the controller isn't passed on to this group",
            "cat cgroup.controllers in its folder".to_string(),
        ),
        ("cpuset.cpus", Errno::EINVAL | Errno::ERANGE | Errno::ENOSPC | Errno::EACCES) => (
            "processors that aren't there, or that the group above doesn't have",
            "cat /sys/devices/system/cpu/online".into(),
        ),
        ("io.max", Errno::ENODEV) => (
            "there is no such device (a whole disk is limited, not a partition)",
            "lsblk -o NAME,MAJ:MIN,TYPE".into(),
        ),
        ("memory.max", Errno::EBUSY) => {
            ("it uses more than that already", format!("more than {}", show(1 << 20)))
        }
        _ => ("the kernel doesn't take this value", format!("see {file} in cgroup-v2.rst")),
    };
    failure.because(known.0, known.1)
}

/// Everybody in the group and below stands still, or goes on: `cgroup.freeze`, Linux 5.2.
///
/// # Errors
/// The call that failed.
pub fn freeze(k: &Kernel, folder: &Path, still: bool) -> Result<()> {
    k.why("all at once, wherever they are")
        .write(&folder.join("cgroup.freeze"), if still { "1" } else { "0" })?;
    let word = if still { "frozen 1" } else { "frozen 0" };
    let end = Instant::now() + Duration::from_secs(5);
    let is_so = || fs::read_to_string(folder.join("cgroup.events")).is_ok_and(|text| text.contains(word));
    while !is_so() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Kills everybody in the group and in those below, at once (5.14).
///
/// # Errors
/// The call that failed.
pub fn kill(k: &Kernel, folder: &Path) -> Result<()> {
    k.why("everybody in it and below, in one stroke: nobody can fork faster")
        .write(&folder.join("cgroup.kill"), "1")
}

/// The processes of the group itself, as this pid namespace numbers them.
fn processes(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
