//! The gym on paper: rooms as boxes on the floor, side by side as the terminal has room; plain lines for a
//! pipe.

use super::{Gym, Room};

/// What a box is wide at most, borders and all; the floor's own names take the terminal's whole width.
const WIDEST: usize = 38;
/// A name needs this much to be read.
const NARROWEST: usize = 20;
/// How many rooms are drawn; a lecture hall's screen has no more lines.
const MOST: usize = 60;

/// Boxes, at most `width` columns.
pub(super) fn boxes(gym: &Gym, width: usize) -> String {
    let inner = width.clamp(NARROWEST + 4, 120) - 4;
    let mut lines = some(&names(&gym.floor), inner, 3);
    let drawn = &gym.rooms[..gym.rooms.len().min(MOST)];
    let cards: Vec<_> = drawn.iter().map(|room| card(room, inner.min(WIDEST))).collect();
    if !cards.is_empty() {
        lines.push(String::new());
    }
    let mut cards = cards.as_slice();
    while !cards.is_empty() {
        let (row, rest) = cards.split_at(fits(cards, inner));
        lines.extend(side_by_side(row));
        cards = rest;
    }
    let more = &gym.rooms[drawn.len()..];
    if !more.is_empty() {
        let processes = more.iter().map(|room| room.processes).sum();
        lines.extend(fold(&format!("and {} more rooms with {}", more.len(), count(processes)), inner));
    }
    let mut text = framed(&format!("the gym: {}", count(gym.floor.processes)), &lines, inner).join("\n");
    for line in fold(&footnotes(gym), inner + 4) {
        text.push_str(&format!("\n{line}"));
    }
    text.push('\n');
    text
}

/// One line for each room.
pub(super) fn lines(gym: &Gym) -> String {
    let mut text = format!("the gym: {}: {}\n", count(gym.floor.processes), names(&gym.floor).join(", "));
    for room in &gym.rooms {
        text.push_str(&format!(
            "a room, its own {}: {}, the first is {}: {}\n",
            room.own.join(", "),
            count(room.processes),
            room.first,
            names(room).join(", ")
        ));
    }
    text.push_str(&format!("{}\n", footnotes(gym)));
    text
}

fn footnotes(gym: &Gym) -> String {
    let rooms = match gym.rooms.len() {
        0 => "no room of its own".to_string(),
        1 => "1 room".to_string(),
        n => format!("{n} rooms"),
    };
    let Room { processes, kernels, .. } = gym.closed;
    if processes == 0 {
        return format!("{rooms}.");
    }
    let of_which = if kernels == 0 { String::new() } else { format!(" ({kernels} of them the kernel's)") };
    let hint = if gym.by_root { "the kernel keeps that from root too" } else { "root may" };
    format!("{rooms} in sight. The room of {}{of_which} may not be looked at; {hint}.", count(processes))
}

/// What is in a room, as items.
fn names(room: &Room) -> Vec<String> {
    let kernels = match room.kernels {
        0 => None,
        1 => Some("1 thread of the kernel".into()),
        n => Some(format!("{n} threads of the kernel")),
    };
    let name = |(name, count): &(String, usize)| {
        if *count == 1 { name.clone() } else { format!("{name} ×{count}") }
    };
    kernels.into_iter().chain(room.names.iter().map(name)).collect()
}

fn count(processes: usize) -> String {
    if processes == 1 { "1 process".into() } else { format!("{processes} processes") }
}

/// A room's box.
fn card(room: &Room, widest: usize) -> Vec<String> {
    let title = count(room.processes);
    let mut lines = fold(&format!("its own: {}", room.own.join(", ")), widest - 4);
    lines.extend(some(&names(room), widest - 4, 2));
    lines.push(clipped(&format!("/proc/{}/ns", room.first), widest - 4));
    let inner = lines.iter().map(|line| columns(line)).max().unwrap_or_default().max(columns(&title) + 2);
    framed(&title, &lines, inner.min(widest - 4))
}

/// As many items as `most` lines hold; the rest is counted.
fn some(items: &[String], width: usize, most: usize) -> Vec<String> {
    let shown = |n: usize| match items.len() - n {
        0 => fold(&items.join(", "), width),
        1 => fold(&format!("{}, and 1 other name", items[..n].join(", ")), width),
        rest => fold(&format!("{}, and {rest} other names", items[..n].join(", ")), width),
    };
    let enough = (1..=items.len()).rev().map(shown).find(|lines| lines.len() <= most);
    enough.unwrap_or_else(|| shown(items.len()).into_iter().take(most).collect())
}

/// Words in lines.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(|word| clipped(word, width)) {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&word) <= width => line.push_str(&format!(" {word}")),
            _ => lines.push(word),
        }
    }
    lines
}

/// How many of the first boxes fit side by side: one at least.
fn fits(cards: &[Vec<String>], width: usize) -> usize {
    let mut used = 0;
    let fit = cards.iter().take_while(|card| {
        used += card.first().map_or(0, |line| columns(line)) + usize::from(used > 0);
        used <= width
    });
    fit.count().max(1)
}

/// Boxes in one row; the shorter ones end earlier.
fn side_by_side(cards: &[Vec<String>]) -> Vec<String> {
    let height = cards.iter().map(Vec::len).max().unwrap_or_default();
    let line = |n: usize| {
        let piece = |card: &Vec<String>| {
            let width = card.first().map_or(0, |line| columns(line));
            padded(card.get(n).map_or("", String::as_str), width)
        };
        cards.iter().map(piece).collect::<Vec<_>>().join(" ")
    };
    (0..height).map(line).collect()
}

/// A frame with a title in its upper border around lines that are at most `inner` wide.
fn framed(title: &str, lines: &[String], inner: usize) -> Vec<String> {
    let title = clipped(title, inner);
    let mut framed = vec![format!("┌ {title} {}┐", "─".repeat(inner - columns(&title)))];
    framed.extend(lines.iter().map(|line| format!("│ {} │", padded(line, inner))));
    framed.push(format!("└{}┘", "─".repeat(inner + 2)));
    framed
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

fn clipped(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.into();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Names of processes are nearly always ASCII: one character is taken for one column.
fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(own: &[&'static str], first: u32, names: &[(&str, usize)]) -> Room {
        let names: Vec<_> = names.iter().map(|(name, count)| ((*name).to_string(), *count)).collect();
        let processes = names.iter().map(|(_, count)| count).sum();
        Room { own: own.into(), first, processes, kernels: 0, names }
    }

    fn gym() -> Gym {
        let floor = room(&[], 1, &[("bash", 2), ("init", 1)]);
        let rooms = vec![room(&["pid", "mnt"], 12, &[("sleep", 1)]), room(&["mnt"], 9, &[("unshare", 1)])];
        Gym {
            floor: Room { kernels: 3, processes: 6, ..floor },
            rooms,
            closed: Room::default(),
            by_root: true,
        }
    }

    #[test]
    fn ch00_rooms_stand_side_by_side_where_the_terminal_has_room() {
        assert_eq!(
            boxes(&gym(), 60),
            "\
┌ the gym: 6 processes ────────────────────────────────────┐
│ 3 threads of the kernel, bash ×2, init                   │
│                                                          │
│ ┌ 1 process ────────┐ ┌ 1 process ───┐                   │
│ │ its own: pid, mnt │ │ its own: mnt │                   │
│ │ sleep             │ │ unshare      │                   │
│ │ /proc/12/ns       │ │ /proc/9/ns   │                   │
│ └───────────────────┘ └──────────────┘                   │
└──────────────────────────────────────────────────────────┘
2 rooms.
"
        );
    }

    #[test]
    fn ch00_a_pipe_gets_lines() {
        assert_eq!(
            lines(&gym()),
            "the gym: 6 processes: 3 threads of the kernel, bash ×2, init
a room, its own pid, mnt: 1 process, the first is 12: sleep
a room, its own mnt: 1 process, the first is 9: unshare
2 rooms.
"
        );
    }

    #[test]
    fn ch00_what_may_not_be_looked_at_is_counted() {
        let closed = Room { kernels: 60, processes: 64, ..Room::default() };
        let alone = Gym { floor: room(&[], 7, &[("sh", 1)]), rooms: vec![], closed, by_root: false };
        assert_eq!(
            lines(&alone),
            "the gym: 1 process: sh
no room of its own in sight. The room of 64 processes (60 of them the kernel's) may not be looked at; root may.
"
        );
    }

    #[test]
    fn ch00_five_hundred_processes_stay_inside_the_terminal() {
        let many: Vec<_> = (0..500).map(|n| format!("a-name-of-{n}")).collect();
        let names: Vec<_> = many.iter().map(|name| (name.as_str(), 1)).collect();
        let rooms = (0..100).map(|n| room(&["pid", "mnt", "net", "uts", "ipc", "cgroup"], n, &names[..9]));
        let crowd = Gym {
            floor: room(&[], 1, &names),
            rooms: rooms.collect(),
            closed: Room::default(),
            by_root: true,
        };
        for width in [1, 24, 40, 80, 200] {
            let picture = boxes(&crowd, width);
            assert!(picture.lines().all(|line| columns(line) <= width.clamp(24, 120)), "{picture}");
        }
        assert!(boxes(&crowd, 80).contains("and 40 more rooms with 360 processes"));
        assert!(boxes(&crowd, 80).contains("other names"));
    }
}
