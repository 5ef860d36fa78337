//! Version 1: a tree for each controller, each with its own files; a process is in one group of every tree.
//! Documentation/admin-guide/cgroup-v1/.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::group::Part;
use crate::limits::{Limits, PERIOD, quota};
use crate::swap;

/// What version 1 has nothing for, each with the reason.
///
/// # Errors
/// Such a flag was given.
pub fn refuse(limits: &Limits) -> Result<()> {
    let refused = [
        (
            limits.memory_high.is_some(),
            "--memory-high",
            "version 1 knows no limit that slows down: it kills, or (soft_limit_in_bytes) does nothing until the whole machine is short of memory",
        ),
        (
            !limits.io_max.is_empty(),
            "--io-max",
            "version 1 counts what is written later to whoever writes it back, not to who wrote it: a limit that doesn't hold",
        ),
    ];
    match refused.iter().find(|(asked, ..)| *asked) {
        None => Ok(()),
        Some((_, flag, cause)) => Err(Failure::said(
            format!("{flag}: the controllers of this machine are cgroup version 1"),
            *cause,
            "boot with systemd.unified_cgroup_hierarchy=1, or leave it out",
        )),
    }
}

/// The limits of a new group in this tree.
///
/// # Errors
/// The call that failed.
// ANCHOR: limit
pub fn limit(k: &Kernel, part: &Part, limits: &Limits) -> Result<()> {
    let has = |controller: &str| part.controllers.iter().any(|name| name == controller);
    let write = |why: &'static str, file: &str, value: &str| {
        k.why(why).write(&part.folder.join(file), value).map_err(|failure| not_taken(failure, file))
    };
    if has("cpuset") {
        cpuset(k, &part.folder, limits.cpuset.as_deref())?;
    }
    // ANCHOR: task-memory
    if let Some(memory) = limits.memory.filter(|_| has("memory")) {
        write(
            "more memory than this is refused, and who insists is killed",
            "memory.limit_in_bytes",
            &memory.to_string(),
        )?;
        close_swap(k, &part.folder, limits.memory_swap.unwrap_or(memory))?;
    }
    // ANCHOR_END: task-memory
    // ANCHOR: task-cpu
    if let Some(cpus) = limits.cpus.filter(|_| has("cpu")) {
        write("the length of a period, microseconds", "cpu.cfs_period_us", &PERIOD.to_string())?;
        write(
            "so many of them in each, on all processors together",
            "cpu.cfs_quota_us",
            &quota(cpus).to_string(),
        )?;
    }
    // ANCHOR_END: task-cpu
    if let Some(weight) = limits.cpu_weight.filter(|_| has("cpu")) {
        // Everybody begins with 1024 here, and with 100 in version 2.
        write(
            "its share, where processors are scarce",
            "cpu.shares",
            &(weight * 1024 / 100).max(2).to_string(),
        )?;
    }
    // ANCHOR: task-pids
    if let Some(pids) = limits.pids.filter(|_| has("pids")) {
        write("one process more is refused: fork says EAGAIN", "pids.max", &pids.to_string())?;
    }
    // ANCHOR_END: task-pids
    Ok(())
}
// ANCHOR_END: limit

/// A new cpuset is empty and takes nobody: it begins with what the group above has.
fn cpuset(k: &Kernel, folder: &Path, list: Option<&str>) -> Result<()> {
    let above = folder.parent().unwrap_or(folder);
    for (file, asked) in [("cpuset.cpus", list), ("cpuset.mems", None)] {
        let inherited = fs::read_to_string(above.join(file)).unwrap_or_default();
        let value = asked.unwrap_or(inherited.trim());
        k.why("a cpuset without processors or memory takes nobody")
            .write(&folder.join(file), value)
            .map_err(|failure| {
                failure.because(
                    "processors that aren't there, or that the group above doesn't have",
                    "cat /sys/devices/system/cpu/online",
                )
            })?;
    }
    Ok(())
}

/// `memsw` is memory and swap together; it may not be less than memory alone, so it comes second.
fn close_swap(k: &Kernel, folder: &Path, both: u64) -> Result<()> {
    swap::close(k, &folder.join("memory.memsw.limit_in_bytes"), both)
}

fn not_taken(failure: Failure, file: &str) -> Failure {
    let known = match (file, failure.errno()) {
        ("memory.limit_in_bytes", Errno::EBUSY) => ("it uses more than that already", "a larger limit"),
        ("cpu.cfs_quota_us", Errno::EINVAL) => ("the group above may use less than that", "fewer --cpus"),
        (_, Errno::ENOENT) => ("this kernel's controller has no such file", "cargo workshop doctor"),
        _ => ("the kernel doesn't take this value", "see Documentation/admin-guide/cgroup-v1"),
    };
    failure.because(known.0, known.1)
}

/// Everybody in the group stands still, or goes on. `folder` is the one of the freezer.
///
/// # Errors
/// The call that failed.
pub fn freeze(k: &Kernel, folder: &Path, still: bool) -> Result<()> {
    let state = folder.join("freezer.state");
    let word = if still { "FROZEN" } else { "THAWED" };
    k.why("all at once, wherever they are").write(&state, word)?;
    let end = Instant::now() + Duration::from_secs(5);
    while fs::read_to_string(&state).is_ok_and(|text| text.trim() == "FREEZING") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Freezes the group, kills everybody in it, thaws it: who is frozen can't fork, and can't end and leave its
/// number to somebody else. `folder` is the one of the freezer.
///
/// # Errors
/// The call that failed.
// ANCHOR: kill
pub fn kill(k: &Kernel, folder: &Path) -> Result<()> {
    let state = folder.join("freezer.state");
    k.why("who is frozen can't fork away from the signal").write(&state, "FROZEN")?;
    let end = Instant::now() + Duration::from_secs(2);
    while fs::read_to_string(&state).is_ok_and(|text| text.trim() == "FREEZING") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = kill_below(k, folder);
    // Whatever happened: a group that stays frozen could not even be killed by hand.
    k.why("the signals arrive").write(&state, "THAWED")?;
    killed
}
// ANCHOR_END: kill

fn kill_below(k: &Kernel, folder: &Path) -> Result<()> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // A process of another pid namespace has the number 0 here, which would mean our own process group.
    for pid in text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 1) {
        match k.why("killed, as soon as it is thawed").kill(Pid::from_raw(pid), Signal::SIGKILL) {
            Err(failure) if failure.errno() != Errno::ESRCH => return Err(failure),
            _ => {}
        }
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            kill_below(k, &entry.path())?;
        }
    }
    Ok(())
}
