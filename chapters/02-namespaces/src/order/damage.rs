//! What an order did, seen from the real host: the small host's mounts before and after, its name, and what is visible inside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

use ch00_process::explain::{Moment, Told};
use ch00_process::kernel::{Listener, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::OURS;

/// What was heard and seen of a run.
#[derive(Default)]
pub(super) struct Seen {
    /// The calls of the steps.
    pub(super) calls: Vec<Told>,
    /// What is wrong afterwards, one line each.
    pub(super) damage: Vec<String>,
    /// The process that is born into the small host.
    child: Option<Pid>,
    /// The small host's table of mounts. Open, it can be read when its last process is gone.
    table: Option<File>,
    /// The same before the first step.
    before: Mounts,
}

/// By its id: where the mount is, and whether it is shared.
type Mounts = BTreeMap<u32, (String, bool)>;

/// The ear and eye of the real host.
pub(super) struct Watcher(pub(super) Rc<RefCell<Seen>>);

impl Listener for Watcher {
    fn told(&mut self, told: &Told) {
        let mut seen = self.0.borrow_mut();
        if told.place.mechanism.starts_with(OURS) {
            seen.calls.push(told.clone());
        } else if told.call == "gethostname()" && told.result != "\"host\"" {
            let line = format!("the host is called {} now, and every process on it sees that", told.result);
            seen.damage.push(line);
        }
    }

    /// The child waits for the answer: this is the state before the first step.
    fn step(&mut self, moment: Moment) -> Result<()> {
        let mut seen = self.0.borrow_mut();
        if moment == Moment::Seal
            && let Some(child) = seen.child
        {
            seen.table = File::open(format!("/proc/{child}/mountinfo")).ok();
            seen.before = seen.table.as_mut().map(mounts).unwrap_or_default();
        }
        Ok(())
    }

    fn child_is(&mut self, pid: Pid) {
        self.0.borrow_mut().child = Some(pid);
    }

    fn completed(&mut self, well: bool) {
        let mut seen = self.0.borrow_mut();
        let after = seen.table.as_mut().map(mounts).unwrap_or_default();
        let lines = compare(&seen.before, &after);
        seen.damage.extend(lines);
        let Some(child) = seen.child.filter(|_| well) else { return };
        if is_elsewhere(child) {
            seen.damage
                .push("the host itself stands in the container's root: pivot_root moved everybody".into());
        }
        let Some(command) = only_child(child) else { return };
        seen.damage.extend(inside(command));
        let _ = kill(command, Signal::SIGKILL); // it has been looked at; who waits for it ends with it
    }
}

/// The mounts of the open table as they are at this moment.
fn mounts(table: &mut File) -> Mounts {
    let mut text = String::new();
    let read = table.rewind().and_then(|()| table.read_to_string(&mut text));
    read.map(|_| parse(&text)).unwrap_or_default()
}

/// proc_pid_mountinfo(5): id, parent, device, root, mount point, options, then fields like `shared:1` up to a dash.
fn parse(text: &str) -> Mounts {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let id = words.next()?.parse().ok()?;
        let place = words.nth(3)?.to_string();
        let shared = words.skip(1).take_while(|word| *word != "-").any(|word| word.starts_with("shared:"));
        Some((id, (place, shared)))
    };
    text.lines().filter_map(line).collect()
}

fn compare(before: &Mounts, after: &Mounts) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, _) in after.iter().filter(|(id, _)| !before.contains_key(id)).map(|(_, mount)| mount) {
        lines.push(format!("a mount of the container's appeared on the host, at {place}"));
    }
    let gone = before.keys().filter(|id| !after.contains_key(id)).count();
    if gone > 0 {
        lines.push(format!("{gone} of the host's mounts are out of its sight"));
    }
    let cut =
        |(id, (_, shared)): &(&u32, &(String, bool))| *shared && after.get(id).is_some_and(|(_, now)| !now);
    let cut = before.iter().filter(cut).count();
    if cut > 0 {
        lines.push(format!(
            "{cut} of the host's mounts are private now: nobody else on it sees what is mounted there later"
        ));
    }
    lines
}

/// Whether the process has another root than we have.
fn is_elsewhere(child: Pid) -> bool {
    let of = |path: String| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    of(format!("/proc/{child}/root")).is_some_and(|theirs| Some(theirs) != of("/".into()))
}

/// The command: who was born into the namespaces.
fn only_child(child: Pid) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{child}/task/{child}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok().map(Pid::from_raw)
}

/// What the command can see that it shouldn't, or doesn't see that it should.
fn inside(command: Pid) -> Vec<String> {
    let mut lines = Vec::new();
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = fs::read_dir(format!("/proc/{command}/root/proc")).map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_number)).count()
    });
    match processes {
        0 => lines.push("there is no proc inside: ps finds nothing, not even itself".into()),
        1 => {}
        _ => lines
            .push("ps inside shows the host's processes: this proc is of the host's pid namespace".into()),
    }
    let table = fs::read_to_string(format!("/proc/{command}/mountinfo")).unwrap_or_default();
    let left = parse(&table).values().filter(|(place, _)| place != "/" && place != "/proc").count();
    if left > 0 {
        lines.push(format!("the old root is within reach: {left} of the host's mounts can be seen inside"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch02_a_table_of_mounts_is_compared() {
        let before = parse(
            "21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n22 21 0:5 / /proc rw shared:2 - proc proc rw\n",
        );
        let after = parse("21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 21 0:9 / /mnt rw shared:3 - tmpfs t rw\n");
        assert_eq!(before[&21], ("/".into(), true));
        let said = compare(&before, &after).join("; ");
        assert!(
            said.contains("at /mnt")
                && said.contains("1 of the host's mounts are out")
                && said.contains("1 of the host's mounts are private"),
            "{said}"
        );
        assert!(compare(&before, &before).is_empty());
    }
}
