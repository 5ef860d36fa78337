//! The memory of a process as the kernel counts it (proc_pid_smaps(5), `/proc/PID/smaps_rollup`).

use std::fs;
use std::ops::Add;

use anyhow::{Context, Result};

/// In bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Memory {
    /// Pss: a page that n processes share counts as an n-th of it.
    pub proportional: f64,
    /// Rss: every page in full.
    pub resident: f64,
}

/// That of one process.
///
/// # Errors
/// It is gone, or another user's.
pub fn of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    read(&text).with_context(|| format!("{path} has no Rss and Pss"))
}

/// The processes below it, all the way down.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let own: Vec<u32> = listed.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    own.iter().copied().chain(own.iter().flat_map(|child| children(*child))).collect()
}

fn read(text: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
    };
    Some(Memory { proportional: field("Pss:")?, resident: field("Rss:")? })
}

impl Add for Memory {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            proportional: self.proportional + other.proportional,
            resident: self.resident + other.resident,
        }
    }
}

#[test]
fn the_kernels_words_become_bytes() {
    let text =
        "5581-7ffc ---p 00000000 00:00 0 [rollup]\nRss:     3588 kB\nPss:     1024 kB\nPss_Dirty: 1 kB\n";
    let memory = read(text).unwrap();
    assert_eq!((memory.resident, memory.proportional), (3588.0 * 1024.0, 1024.0 * 1024.0));
    assert_eq!(read("nothing"), None);
}
