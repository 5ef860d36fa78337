//! The ranges of ids that this machine lends to a user. subuid(5), subgid(5).

use std::fs;
use std::path::Path;

use nix::unistd::Uid;

/// A run of ids that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first, on the host.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// The longest range that `file` (`/etc/subuid` or `/etc/subgid`) has for `user`, by name or by number.
#[must_use]
pub fn of_user(file: &Path, user: Uid) -> Option<Range> {
    let text = fs::read_to_string(file).ok()?;
    longest(&text, &user.to_string(), name_of(user).as_deref())
}

/// The first id that no range of `file` covers, where root may begin one of its own.
#[must_use]
pub fn first_free(file: &Path) -> u32 {
    // Ordinary ranges begin at 100000 (login.defs); root has none of its own on most machines.
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(parse)
        .map(|(_, range)| range.start.saturating_add(range.count))
        .max()
        .unwrap_or(0)
        .max(100_000)
}

fn longest(text: &str, number: &str, name: Option<&str>) -> Option<Range> {
    text.lines()
        .filter_map(parse)
        .filter(|(who, _)| *who == number || Some(*who) == name)
        .map(|(_, range)| range)
        .max_by_key(|range| range.count)
}

/// `name:start:count`; anything else is no range.
fn parse(line: &str) -> Option<(&str, Range)> {
    let mut parts = line.trim().split(':');
    let (who, start, count) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (count > 0 && parts.next().is_none()).then_some((who, Range { start, count }))
}

/// Read from the file and not asked of libc: a static program can't load the name services of the machine.
fn name_of(user: Uid) -> Option<String> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let number = user.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&number))?;
    line.split(':').next().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "ann:100000:10\nbob:200000:65536\n1000:300000:65536\nann:400000:20\nbroken:x:1\nann:5:0\n";

    #[test]
    fn ch02_the_longest_range_counts_by_name_or_number() {
        assert_eq!(longest(TEXT, "7", Some("ann")), Some(Range { start: 400_000, count: 20 }));
        assert_eq!(longest(TEXT, "1000", None), Some(Range { start: 300_000, count: 65_536 }));
        assert_eq!(longest(TEXT, "7", Some("broken")), None);
    }
}
