//! The processes of this machine, by the rooms (sets of namespaces) that they are in. namespaces(7).
//!
//! # Layout
//! - here: who is in which room, read from `/proc`
//! - `picture`: the rooms as boxes in the terminal, or as lines where nobody looks

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::termios::tcgetwinsize;

mod picture;

/// The kinds of namespace that make a room.
const KINDS: [&str; 8] = ["pid", "mnt", "net", "user", "uts", "ipc", "cgroup", "time"];

/// Draws the gym to `out`, as wide as the terminal is; where it is none (a pipe, a file), in plain lines.
///
/// # Errors
/// `/proc` can't be read, or `out` can't be written.
pub fn draw(out: &mut (impl Write + AsFd)) -> Result<()> {
    let gym = Gym::of(look(Path::new("/proc"))?, nix::unistd::geteuid().is_root());
    let text = match tcgetwinsize(out.as_fd()) {
        Ok(size) if size.ws_col > 0 => picture::boxes(&gym, size.ws_col.into()),
        Ok(_) => picture::boxes(&gym, 80), // a terminal that doesn't say
        Err(_) => picture::lines(&gym),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("could not write the picture")
}

/// One process, as far as `/proc` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    name: String,
    /// A thread of the kernel itself.
    kernels: bool,
    /// Which namespace of each kind, in the order of [`KINDS`]; `None` where this user may not look.
    room: Option<Vec<String>>,
}

/// All rooms, the gym floor first: the one that most processes are in.
#[derive(Debug, PartialEq, Eq)]
struct Gym {
    floor: Room,
    rooms: Vec<Room>,
    /// Those whose room this user may not look at.
    closed: Room,
    by_root: bool,
}

/// Some processes together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Room {
    /// The kinds of namespace that are not the floor's.
    own: Vec<&'static str>,
    /// The first process in it, by number.
    first: u32,
    processes: usize,
    /// How many of them are threads of the kernel.
    kernels: usize,
    /// How many there are of each other name, the most frequent first.
    names: Vec<(String, usize)>,
}

impl Gym {
    fn of(processes: Vec<Process>, by_root: bool) -> Self {
        let mut together: BTreeMap<Option<Vec<String>>, Vec<Process>> = BTreeMap::new();
        for process in processes {
            together.entry(process.room.clone()).or_default().push(process);
        }
        let closed = Room::of(&together.remove(&None).unwrap_or_default(), vec![]);
        let mut rooms: Vec<_> = together.into_iter().filter_map(|(room, who)| Some((room?, who))).collect();
        let first = |who: &[Process]| who.iter().map(|process| process.pid).min();
        rooms.sort_by_key(|(_, who)| (Reverse(who.len()), first(who)));
        let floor = rooms.first().map(|(room, _)| room.clone()).unwrap_or_default();
        let mut rooms = rooms.iter().map(|(room, who)| Room::of(who, differences(&floor, room)));
        let floor = rooms.next().unwrap_or_default();
        Self { floor, rooms: rooms.collect(), closed, by_root }
    }
}

impl Room {
    fn of(processes: &[Process], own: Vec<&'static str>) -> Self {
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for process in processes.iter().filter(|process| !process.kernels) {
            *counted.entry(&process.name).or_default() += 1;
        }
        let mut names: Vec<_> = counted.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self {
            own,
            first: processes.iter().map(|process| process.pid).min().unwrap_or_default(),
            processes: processes.len(),
            kernels: processes.iter().filter(|process| process.kernels).count(),
            names,
        }
    }
}

/// Every process; one that ends while we look is in no room.
fn look(proc: &Path) -> Result<Vec<Process>> {
    let listed =
        fs::read_dir(proc).with_context(|| format!("could not list {}; is it mounted?", proc.display()))?;
    Ok(listed.flatten().filter_map(|entry| process(&entry.path())).collect())
}

fn process(path: &Path) -> Option<Process> {
    let pid = path.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read(path.join("stat")).ok()?;
    let (name, kernels) = name_and_kind(&String::from_utf8_lossy(&stat))?;
    let link = |kind: &&str| match fs::read_link(path.join("ns").join(kind)) {
        Ok(link) => Ok(link.display().to_string()),
        // A kernel that was built without that kind has one for everybody; but a process may be gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.join("ns").exists() => {
            Ok(String::new())
        }
        Err(error) => Err(error),
    };
    match KINDS.iter().map(link).collect() {
        Ok(room) => Some(Process { pid, name, kernels, room: Some(room) }),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(Process { pid, name, kernels, room: None })
        }
        Err(_) => None,
    }
}

/// From `/proc/PID/stat`: `7 (name) S 1 7 7 0 -1 FLAGS ...`. proc_pid_stat(5). A name may hold anything, `) `
/// and escapes for the terminal too.
fn name_and_kind(stat: &str) -> Option<(String, bool)> {
    const PF_KTHREAD: u64 = 0x0020_0000; // include/linux/sched.h
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let flags: u64 = rest.split_ascii_whitespace().nth(6)?.parse().ok()?;
    let shown = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some((shown, flags & PF_KTHREAD != 0))
}

fn differences(floor: &[String], room: &[String]) -> Vec<&'static str> {
    let unlike = |n: &usize| floor.get(*n) != room.get(*n);
    (0..KINDS.len()).filter(unlike).map(|n| KINDS[n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pid: u32, name: &str, pid_namespace: Option<&str>) -> Process {
        let room = pid_namespace.map(|pid| {
            let mut room = vec!["host".to_string(); KINDS.len()];
            room[0] = pid.into();
            room
        });
        Process { pid, name: name.into(), kernels: false, room }
    }

    #[test]
    fn ch00_most_processes_are_on_the_floor_and_a_room_says_what_is_its_own() {
        let gym = Gym::of(
            vec![
                at(7, "sleep", Some("own")),
                at(1, "init", Some("host")),
                at(9, "sh", Some("host")),
                at(8, "sh", Some("host")),
                at(5, "secret", None),
            ],
            false,
        );
        assert_eq!((gym.floor.first, gym.floor.processes), (1, 3));
        assert!(gym.floor.own.is_empty());
        assert_eq!(gym.floor.names, [("sh".to_string(), 2), ("init".to_string(), 1)]);
        assert_eq!((gym.rooms[0].own.as_slice(), gym.rooms[0].first), (["pid"].as_slice(), 7));
        assert_eq!(gym.closed.processes, 1);
    }

    #[test]
    fn ch00_a_tie_is_for_the_older_room() {
        let gym = Gym::of(vec![at(9, "b", Some("a")), at(3, "a", Some("b"))], true);
        assert_eq!((gym.floor.first, gym.rooms[0].first), (3, 9));
    }

    #[test]
    fn ch00_a_name_is_shown_harmlessly_and_the_kernels_threads_are_known() {
        let stat = "7 (a) \u{1b}[2J) S 1 7 7 0 -1 4194560 1 0";
        assert_eq!(name_and_kind(stat), Some(("a) ?[2J".into(), false)));
        assert_eq!(name_and_kind("2 (kthreadd) S 0 0 0 0 -1 2129984 0"), Some(("kthreadd".into(), true)));
        assert_eq!(name_and_kind(""), None);
    }

    #[test]
    fn ch00_i_am_in_the_gym_myself() {
        let me = std::process::id();
        assert!(
            look(Path::new("/proc"))
                .unwrap()
                .iter()
                .any(|process| process.pid == me && process.room.is_some())
        );
    }
}
