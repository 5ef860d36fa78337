//! Why it died: the kernel counts what a limit has done, and an exit code of 137 alone doesn't say.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ch00_process::kernel::Kernel;

use crate::group::Group;
use crate::hierarchy::Version;
use crate::limits::Limits;
use crate::size::{show, show_tenths};

/// What the kernel has counted in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    /// Processes killed for want of memory.
    pub killed: u64,
    /// The most memory that was in use, bytes.
    pub peak: Option<u64>,
    /// Forks that were refused.
    pub refused: u64,
}

impl Events {
    /// Reads them, before the group is removed.
    #[must_use]
    pub fn read(k: &Kernel, group: &Group, limits: &Limits) -> Self {
        let mut events = Self::default();
        // A controller that isn't there has counted nothing.
        let number = |path: Option<PathBuf>, key: &str, why: &'static str| {
            let text = k.why(why).read(&path?).ok()?;
            if key.is_empty() { text.trim().parse().ok() } else { field(&text, key) }
        };
        if let Some(part) = group.part("memory") {
            let (file, peak) = match part.version {
                Version::V2 => ("memory.events", "memory.peak"),
                Version::V1 => ("memory.oom_control", "memory.max_usage_in_bytes"),
            };
            let at = |name: &str| Some(part.folder.join(name)).filter(|path| path.exists());
            events.killed =
                number(at(file), "oom_kill", "was one of them killed for want of memory?").unwrap_or(0);
            if events.killed > 0 {
                events.peak = number(at(peak), "", "how far did it get?");
            }
        }
        if limits.pids.is_some()
            && let Some(part) = group.part("pids")
        {
            let file = Some(part.folder.join("pids.events"));
            events.refused = number(file, "max", "was a fork refused?").unwrap_or(0);
        }
        events
    }

    /// What is to be told; `fatal`: the command itself was ended by SIGKILL, `took` after its beginning.
    #[must_use]
    pub fn told(self, limits: &Limits, fatal: bool, took: Duration) -> Vec<String> {
        let mut told = Vec::new();
        if self.killed > 0 {
            let limit = match limits.memory {
                Some(bytes) => format!("its memory limit of {}", show(bytes)),
                None => "want of memory, by a limit above its own group or the machine's".into(),
            };
            let peak = self.peak.map_or_else(String::new, |peak| format!(", at {}", show_tenths(peak)));
            let after = format!(", after {:.1} s", took.as_secs_f64());
            told.push(match (fatal, self.killed) {
                (true, _) => format!("killed by {limit}{peak}{after}"),
                (false, 1) => format!("one of its processes was killed by {limit}{peak}"),
                (false, n) => format!("{n} of its processes were killed by {limit}{peak}"),
            });
        }
        if let Some(pids) = limits.pids.filter(|_| self.refused > 0) {
            let times = if self.refused == 1 { "once".into() } else { format!("{} times", self.refused) };
            told.push(format!("its limit of {pids} processes refused a fork {times}"));
        }
        told
    }
}

/// The number after `key` in lines `key number`.
#[must_use]
pub fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A file's only number; `max` is none.
#[must_use]
pub fn number(path: &std::path::Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_a_death_has_its_reason() {
        let limits = Limits { memory: Some(64 << 20), pids: Some(32), ..Limits::default() };
        let told = |events: Events, fatal| events.told(&limits, fatal, Duration::from_millis(420)).join("; ");
        let killed = Events { killed: 1, peak: Some(64 << 20), refused: 0 };
        assert_eq!(told(killed, true), "killed by its memory limit of 64 MiB, at 64.0 MiB, after 0.4 s");
        assert_eq!(
            told(killed, false),
            "one of its processes was killed by its memory limit of 64 MiB, at 64.0 MiB"
        );
        let refused = Events { refused: 7, ..Events::default() };
        assert_eq!(told(refused, false), "its limit of 32 processes refused a fork 7 times");
        assert_eq!(told(Events::default(), true), "");
    }

    #[test]
    fn ch03_events_are_read() {
        let text = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(field(text, "oom_kill"), Some(1));
        assert_eq!(field(text, "max"), Some(12));
        assert_eq!(field(text, "nothing"), None);
    }
}
