//! What a container's state is, whatever has happened: the monitor killed, the machine restarted, the file damaged.
//!
//! The file is a claim. It is held against what can be seen: whether that very process lives, and who holds the lock on
//! the container's files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ch00_process::record::Owner;

use crate::containers::Container;
use crate::freeze;
use crate::process::Process;
use crate::state::{State, Status};

/// Docker's code for a container whose end nobody saw.
const UNSEEN: u8 = 255;
/// 128 and SIGKILL: who loses its monitor is killed by the kernel (`PR_SET_PDEATHSIG`).
const KILLED: u8 = 137;

/// The state of a container as it is.
// ANCHOR: truth
#[must_use]
pub fn of(container: &Container) -> State {
    let state = match fs::read(container.state_file()) {
        Ok(bytes) => match serde_json::from_slice::<State>(&bytes) {
            Ok(state) => state,
            Err(_) => seen(container, "its state file was damaged"),
        },
        // Its state was in the run root, which the machine forgets at boot.
        Err(_) if container.config.remove && !container.run.is_dir() => {
            seen(container, "the machine was restarted, or its run folder emptied, while it ran")
        }
        Err(_) => State::default(),
    };
    let claimed = state.status;
    let state = corrected(state);
    if claimed != state.status {
        // Nobody of whom it says that they run is there. It may be the file that is wrong.
        let found = seen(container, "its state file was wrong");
        if found.status.lives() {
            return found;
        }
    }
    state
}

/// What the file says, unless nobody is left of whom it says it.
fn corrected(state: State) -> State {
    // ANCHOR: task-truth
    let lives = |owner: &Option<Owner>| owner.as_ref().is_some_and(|owner| Process::find(owner).is_some());
    match state.status {
        Status::Created | Status::Stopped => state,
        // Where the process has ended and the monitor lives, the end is being written down at this moment.
        _ if lives(&state.process) || lives(&state.monitor) => state,
        _ => ended_unseen(state),
    }
    // ANCHOR_END: task-truth
}
// ANCHOR_END: truth

/// It was running, and neither it nor its monitor is there any more.
fn ended_unseen(state: State) -> State {
    let now = Owner::me().map(|me| me.boot).unwrap_or_default();
    let restarted = state.monitor.as_ref().is_none_or(|monitor| monitor.boot != now);
    let (code, error) = if restarted {
        (UNSEEN, "the machine was restarted while it ran")
    } else {
        (KILLED, "its monitor was killed, and it with it")
    };
    State { status: Status::Stopped, process: None, monitor: None, code, error: error.into(), ..state }
}

/// Without a file that could be believed: whoever holds the lock is the monitor, and its child the container.
fn seen(container: &Container, why: &str) -> State {
    let holders = holders(&container.folder);
    let found = holders.into_iter().find_map(|pid| Some((Owner::of(pid)?, child_of(pid)?)));
    if let Some((monitor, first)) = found {
        let status = if freeze::is_frozen(&first) { Status::Paused } else { Status::Running };
        let (process, monitor) = (Some(first), Some(monitor));
        return State { status, process, monitor, error: why.into(), ..State::default() };
    }
    State { status: Status::Stopped, code: UNSEEN, error: why.into(), ..State::default() }
}

/// Who runs a container of which nothing but the folder is known.
pub(crate) fn monitor_of(folder: &Path) -> Option<u32> {
    holders(folder).into_iter().find(|pid| child_of(*pid).is_some())
}

/// Who holds the lock on `upper`, by the kernel's own list: the monitor, and who reads its files. proc_locks(5).
fn holders(folder: &Path) -> Vec<u32> {
    let Ok(seen) = fs::metadata(folder.join("upper")) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().filter_map(|line| holder_in(line, seen.ino())).collect()
}

/// `1: FLOCK  ADVISORY  READ 1234 fe:01:5678 0 EOF`. Devices have other numbers there (btrfs), inodes have not.
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "FLOCK", _, "READ" | "WRITE", pid, place, ..] = words[..] else { return None };
    let found: u64 = place.rsplit(':').next()?.parse().ok()?;
    (found == inode).then(|| pid.parse().ok()).flatten()
}

/// The monitor's only child; of a container with pids of its own, so it is number 1 there. Who only reads may have another.
fn child_of(pid: u32) -> Option<Owner> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let is_first = |child: &u32| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().last() == Some("1")
    };
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    children.filter(is_first).find_map(Owner::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(status: Status, process: Option<Owner>, monitor: Option<Owner>) -> State {
        State { status, process, monitor, ..State::default() }
    }

    #[test]
    fn ch06_a_claim_is_held_against_what_lives() {
        let me = Owner::me().unwrap();
        let reused = Owner { start: me.start + 1, ..me.clone() };
        let before = Owner { boot: "before".into(), ..me.clone() };
        let truth = |process: &Owner, monitor: &Owner| {
            let found = corrected(state(Status::Running, Some(process.clone()), Some(monitor.clone())));
            (found.status, found.code)
        };
        assert_eq!(truth(&me, &reused), (Status::Running, 0), "it outlived its monitor");
        assert_eq!(truth(&reused, &me), (Status::Running, 0), "its end is being written");
        assert_eq!(truth(&reused, &reused), (Status::Stopped, KILLED), "another has its number");
        assert_eq!(truth(&before, &before), (Status::Stopped, UNSEEN), "before the machine was restarted");
        assert_eq!(corrected(state(Status::Restarting, None, Some(reused))).status, Status::Stopped);
        assert_eq!(corrected(state(Status::Created, None, None)).status, Status::Created);
    }

    #[test]
    fn ch06_the_kernels_list_of_locks_is_read() {
        let line = "7: FLOCK  ADVISORY  WRITE 4242 fe:01:1234 0 EOF";
        assert_eq!(holder_in(line, 1234), Some(4242));
        assert_eq!(holder_in(&line.replace("WRITE", "READ"), 1234), Some(4242), "held by a share");
        assert_eq!(holder_in(line, 234), None);
        assert_eq!(
            holder_in("7: -> FLOCK  ADVISORY  WRITE 1 fe:01:1234 0 EOF", 1234),
            None,
            "who waits for it"
        );
        assert_eq!(holder_in("8: POSIX  ADVISORY  WRITE 1 fe:01:1234 0 EOF", 1234), None);
    }
}
