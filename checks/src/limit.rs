//! An end to checks that have none: a learner's program may loop for ever, or fork for ever.
//!
//! The checks of a learner's program run in a process that adopts every orphan of theirs, so that when the time is up
//! all of them can be found and killed, whatever they became; what is left of the machine is the learner's.

use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How many processes a learner's program may have at once, beside those of the user: enough for every check.
const PROCESSES: u64 = 400;

/// How long all checks of this chapter may take: `patience` of its exercise.toml.
static PATIENCE: OnceLock<Duration> = OnceLock::new();

static TIME_IS_UP: AtomicBool = AtomicBool::new(false);

/// Whether the time was up: then what the checks found says nothing but that.
#[must_use]
pub fn is_over() -> bool {
    TIME_IS_UP.load(Ordering::Relaxed)
}

/// What [`watch`] was told.
#[must_use]
pub fn patience() -> Duration {
    PATIENCE.get().copied().unwrap_or_default()
}

/// Begins to watch: when the patience is at its end, everything that was started from here is killed, again and again, until nothing
/// starts any more.
pub fn watch(patience: Duration) {
    let _ = PATIENCE.set(patience);
    let _ = nix::sys::prctl::set_child_subreaper(true);
    few_processes();
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        TIME_IS_UP.store(true, Ordering::Relaxed);
        loop {
            end_all(Pid::this());
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

/// A bomb of forks stops at a number instead of at the machine's end. RLIMIT_NPROC counts all processes of a user, and
/// doesn't hold root back (getrlimit(2)).
fn few_processes() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NPROC) else { return };
    let me = fs::metadata("/proc/self").map(|file| std::os::unix::fs::MetadataExt::uid(&file)).unwrap_or(0);
    let mine = processes().filter(|(_, uid)| *uid == me).count() as u64;
    let _ = setrlimit(Resource::RLIMIT_NPROC, soft.min(mine + PROCESSES), hard);
}

/// All processes, with their users.
fn processes() -> impl Iterator<Item = (i32, u32)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, std::os::unix::fs::MetadataExt::uid(&entry.metadata().ok()?)))
    })
}

/// Kills every descendant: first all are stopped, so that none forks on while the others are found.
fn end_all(root: Pid) {
    let parents: Vec<(i32, i32)> = processes().filter_map(|(pid, _)| Some((pid, parent_of(pid)?))).collect();
    let mut found = vec![root.as_raw()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in &found[1..] {
            let _ = kill(Pid::from_raw(*pid), signal);
        }
    }
}

/// The fourth field of `/proc/PID/stat`, counted from the end of the name, which may hold anything. proc_pid_stat(5).
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}
