//! The processes of this machine, by the rooms (sets of namespaces) that they are in. namespaces(7).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// The kinds of namespace that make a room.
const KINDS: [&str; 8] = ["mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time"];

/// A room: which namespace of each kind, in the order of [`KINDS`].
type Room = Vec<String>;

/// Draws the gym to `out`: the room that most processes are in is the floor; every other room says what
/// sets it apart.
///
/// # Errors
/// `/proc` can't be read, or `out` can't be written.
pub fn draw(out: &mut impl Write) -> Result<()> {
    let (rooms, closed) = look(Path::new("/proc"))?;
    let mut rooms: Vec<_> = rooms.into_iter().collect();
    rooms.sort_by_key(|(room, names)| (std::cmp::Reverse(names.len()), room.clone()));
    let Some(floor) = rooms.first().map(|(room, _)| room.clone()) else {
        writeln!(out, "no process here may be looked at by this user")?;
        return Ok(());
    };
    for (room, names) in &rooms {
        let apart = differences(&floor, room);
        let title = if apart.is_empty() {
            "the gym floor".into()
        } else {
            format!("a room of its own: {}", apart.join(", "))
        };
        let count = names.len();
        writeln!(out, "┌─ {title} · {count} process{}", if count == 1 { "" } else { "es" })?;
        writeln!(out, "│  {}", shown(names))?;
        writeln!(out, "└─")?;
    }
    if closed > 0 {
        writeln!(out, "{closed} more belong to other users and may not be looked at (try as root)")?;
    }
    Ok(())
}

/// Every process by its room, and how many may not be looked at.
fn look(proc: &Path) -> Result<(BTreeMap<Room, Vec<String>>, usize)> {
    let mut rooms: BTreeMap<Room, Vec<String>> = BTreeMap::new();
    let mut closed = 0;
    for entry in fs::read_dir(proc).with_context(|| format!("could not list {}", proc.display()))? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
        // A process that ended since the listing is in no room.
        let (Some(_), Ok(name)) = (number, fs::read_to_string(path.join("comm"))) else { continue };
        match room_of(&path) {
            Some(room) => rooms.entry(room).or_default().push(name.trim_end().into()),
            None => closed += 1,
        }
    }
    Ok((rooms, closed))
}

fn room_of(process: &Path) -> Option<Room> {
    let read = |kind: &&str| Some(fs::read_link(process.join("ns").join(kind)).ok()?.display().to_string());
    KINDS.iter().map(read).collect()
}

fn differences<'a>(floor: &Room, room: &Room) -> Vec<&'a str> {
    let unlike = |n: &usize| floor.get(*n) != room.get(*n);
    (0..KINDS.len()).filter(unlike).map(|n| KINDS[n]).collect()
}

/// Names with how many there are of each, the most frequent first, not more than a line holds.
fn shown(names: &[String]) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counted.entry(name).or_default() += 1;
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let rest = counted.len().saturating_sub(8);
    let mut shown: Vec<String> = counted
        .into_iter()
        .take(8)
        .map(|(name, count)| if count == 1 { name.into() } else { format!("{name} ×{count}") })
        .collect();
    if rest > 0 {
        shown.push(format!("and {rest} other names"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(mnt: &str, pid: &str) -> Room {
        let mut room = vec!["host".to_string(); KINDS.len()];
        room[0] = mnt.into();
        room[1] = pid.into();
        room
    }

    #[test]
    fn ch00_a_room_says_what_sets_it_apart() {
        assert_eq!(differences(&room("a", "b"), &room("a", "c")), ["pid"]);
        assert!(differences(&room("a", "b"), &room("a", "b")).is_empty());
    }

    #[test]
    fn ch00_names_are_counted() {
        let names = ["sh", "sleep", "sh"].map(String::from);
        assert_eq!(shown(&names), "sh ×2, sleep");
    }
}
