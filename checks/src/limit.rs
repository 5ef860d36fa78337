//! An end to checks that have none: a learner's program may loop for ever, or fork for ever.
//!
//! The checks of a learner's program run in a process that adopts every orphan of theirs, so that when the time is up
//! all of them can be found and killed, whatever they became; what is left of the machine is the learner's.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How many processes a learner's program may have at once, beside those of the user: enough for every check.
const PROCESSES: u64 = 400;

/// How often they are counted: a bomb makes some thousands a second.
const PACE: Duration = Duration::from_millis(50);

static REASON: OnceLock<String> = OnceLock::new();

/// Why everything was killed, if it was: then what the checks found says nothing but that.
#[must_use]
pub fn reason() -> Option<&'static str> {
    REASON.get().map(String::as_str)
}

/// Begins to watch: after `patience`, or with a bomb of forks, everything that was started from here is killed, again
/// and again, until nothing starts any more.
pub fn watch(patience: Duration) {
    let _ = nix::sys::prctl::set_child_subreaper(true);
    few_processes();
    let end = Instant::now() + patience;
    let before = tasks();
    std::thread::spawn(move || {
        let why = loop {
            if Instant::now() >= end {
                let seconds = patience.as_secs();
                break format!("no end after {seconds} s: an endless loop, or a wait for nobody");
            }
            // The cheap look first: it counts the whole machine.
            if tasks() > before + PROCESSES && descendants(Pid::this()).len() as u64 > PROCESSES {
                break format!("more than {PROCESSES} processes at once: it forks without an end");
            }
            std::thread::sleep(PACE);
        };
        let _ = REASON.set(why);
        loop {
            end_all(Pid::this());
            std::thread::sleep(PACE);
        }
    });
}

/// The checks are over: what the program has left running is killed, and its end waited for. A program without a room ends,
/// on a signal, alone, and what it has started would go on for ever.
pub fn end() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let until = Instant::now() + PATIENCE;
    // What forked just before it was stopped is found the next time.
    while !descendants(Pid::this()).is_empty() && Instant::now() < until {
        end_all(Pid::this());
        // All of them become this process's children sooner or later, and until they are waited for they are still there.
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|ended| ended != WaitStatus::StillAlive) {}
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A bomb of forks stops at a number instead of at the machine's end. RLIMIT_NPROC counts all processes of a user, and
/// doesn't hold root back (getrlimit(2)): root's are only counted.
fn few_processes() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NPROC) else { return };
    let me = fs::metadata("/proc/self").map(|file| std::os::unix::fs::MetadataExt::uid(&file)).unwrap_or(0);
    let mine = processes().filter(|(_, uid)| *uid == me).count() as u64;
    let _ = setrlimit(Resource::RLIMIT_NPROC, soft.min(mine + PROCESSES), hard);
}

/// How many tasks the machine has: behind the slash in /proc/loadavg. proc_loadavg(5)
fn tasks() -> u64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(['/', ' ']).nth(4).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// All processes, with their users.
fn processes() -> impl Iterator<Item = (i32, u32)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, std::os::unix::fs::MetadataExt::uid(&entry.metadata().ok()?)))
    })
}

/// Everything that descends from this process.
fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = processes().filter_map(|(pid, _)| Some((pid, parent_of(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(_, of)| *of == parent.as_raw());
        found.extend(children.map(|(pid, _)| Pid::from_raw(*pid)));
        next += 1;
    }
    found.split_off(1)
}

/// Kills every descendant: first all are stopped, so that none forks on while the others are found.
fn end_all(root: Pid) {
    let found = descendants(root);
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in &found {
            let _ = kill(*pid, signal);
        }
    }
    found.into_iter().for_each(thaw);
}

/// Who is frozen in a group of version 1 dies of no signal before it is thawed: a learner's `pause` may have done that, and
/// its `unpause` nothing. Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst
fn thaw(pid: Pid) {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let Some((_, group)) = groups.lines().find_map(|line| line.split_once(":freezer:")) else { return };
    if group.contains("/boxroom-") {
        let _ = fs::write(format!("/sys/fs/cgroup/freezer{group}/freezer.state"), "THAWED");
    }
}

/// The fourth field of `/proc/PID/stat`, counted from the end of the name, which may hold anything. proc_pid_stat(5).
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}
