//! What groups use at this moment: read from their files, shown as a table (once, or again and again) or as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ch00_process::mechanism::Mechanism;
use ch00_process::record::{self, Owner};
use serde::Serialize;

use crate::cgroup::Cgroup;
use crate::death::{field, number};
use crate::group::Group;
use crate::hierarchy::{Hierarchies, Version};
use crate::size::show_tenths;

/// A group that a record names.
#[derive(Debug)]
pub struct Known {
    /// The group.
    pub group: Group,
    /// Who made it.
    pub owner: Owner,
}

/// What a group uses, and what it may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Its name.
    pub name: String,
    /// The process that waits for it, outside.
    pub pid: u32,
    /// Bytes.
    pub memory: Option<u64>,
    /// The most bytes so far.
    pub memory_peak: Option<u64>,
    /// The most bytes that it may have.
    pub memory_max: Option<u64>,
    /// Microseconds of all processors together.
    pub cpu_us: Option<u64>,
    /// How many processors' time it may have.
    pub cpus_max: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The most of them.
    pub pids_max: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to them.
    pub written: Option<u64>,
    /// Percent of the last 10 s in which somebody in it waited for memory, processor, io (version 2).
    pub pressure: Option<[f64; 3]>,
}

/// The groups of this user, by name.
///
/// # Errors
/// The records can't be read.
pub fn known() -> Result<Vec<Known>> {
    let hierarchies = Hierarchies::read();
    let mut found = Vec::new();
    for record in record::all().context("could not read the records of what boxroom made")? {
        if record.kind != Cgroup::NAME {
            continue;
        }
        // What can't be one of ours is left for `cargo workshop clean` to complain of.
        if let Ok(group) = Group::from_record(&record.what, &hierarchies)
            && group.parts.first().is_some_and(|part| part.folder.is_dir())
        {
            found.push(Known { group, owner: record.owner });
        }
    }
    found.sort_by_key(|known| known.group.name());
    Ok(found)
}

impl Usage {
    /// Reads the group's files. What the kernel doesn't count here stays empty.
    // ANCHOR: read
    #[must_use]
    pub fn read(known: &Known) -> Self {
        let group = &known.group;
        let at = |controller: &str, v2: &str, v1: &str| {
            let part = group.part(controller)?;
            let file = if part.version == Version::V2 { v2 } else { v1 };
            fs::read_to_string(part.folder.join(file)).ok()
        };
        let one = |controller: &str, v2: &str, v1: &str| at(controller, v2, v1)?.trim().parse::<u64>().ok();
        // The controller of io had another name in version 1.
        let io = at("blkio", "io.stat", "blkio.throttle.io_service_bytes_recursive");
        Self {
            name: group.name(),
            pid: known.owner.pid,
            memory: one("memory", "memory.current", "memory.usage_in_bytes"),
            memory_peak: one("memory", "memory.peak", "memory.max_usage_in_bytes"),
            // Without a limit version 1 says the largest multiple of a page.
            memory_max: one("memory", "memory.max", "memory.limit_in_bytes").filter(|bytes| *bytes < 1 << 60),
            cpu_us: at("cpuacct", "cpu.stat", "cpuacct.usage").and_then(|text| {
                field(&text, "usage_usec").or_else(|| Some(text.trim().parse::<u64>().ok()? / 1000))
            }),
            cpus_max: cpus_max(group),
            pids: one("pids", "pids.current", "pids.current"),
            pids_max: one("pids", "pids.max", "pids.max"),
            read: io.as_deref().map(|text| moved(text, "rbytes=", "Read")),
            written: io.as_deref().map(|text| moved(text, "wbytes=", "Write")),
            pressure: pressure(group),
        }
    }
    // ANCHOR_END: read
}

fn cpus_max(group: &Group) -> Option<f64> {
    let part = group.part("cpu")?;
    let (quota, period) = match part.version {
        Version::V2 => {
            let text = fs::read_to_string(part.folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        }
        Version::V1 => {
            // Without a limit -1, which is no number here.
            let quota = number(&part.folder.join("cpu.cfs_quota_us"))?;
            (quota as f64, number(&part.folder.join("cpu.cfs_period_us"))? as f64)
        }
    };
    Some(quota / period)
}

/// Bytes over all devices: `8:0 rbytes=1 wbytes=2 ...` (version 2), `8:0 Read 1` (version 1).
fn moved(text: &str, v2: &str, v1: &str) -> u64 {
    let number = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words
            .clone()
            .find_map(|word| word.strip_prefix(v2)?.parse::<u64>().ok())
            .or_else(|| (words.nth(1)? == v1).then(|| words.next()?.parse().ok()).flatten())
    };
    text.lines().filter_map(number).sum()
}

/// `some avg10=1.23 ...` of the three pressure files. psi(7) in Documentation/accounting/psi.rst.
fn pressure(group: &Group) -> Option<[f64; 3]> {
    let part = group.v2()?;
    let read = |name: &str| {
        let text = fs::read_to_string(part.folder.join(name)).ok()?;
        text.split_once("avg10=")?.1.split(' ').next()?.parse().ok()
    };
    Some([read("memory.pressure")?, read("cpu.pressure")?, read("io.pressure")?])
}

/// How `stats` is shown.
#[derive(Debug, Clone, Default)]
pub struct Show {
    /// Only these groups.
    pub names: Vec<String>,
    /// Once, and no more.
    pub once: bool,
    /// One JSON object a line.
    pub json: bool,
    /// Whether what is written can be written over.
    pub terminal: bool,
}

/// Shows what the groups use, once or every second until nobody reads any more.
///
/// # Errors
/// A name that no group has; the writer is gone.
pub fn run(out: &mut impl Write, show: &Show) -> Result<()> {
    const PACE: Duration = Duration::from_secs(1);
    let mut before: BTreeMap<String, (u64, Instant)> = BTreeMap::new();
    loop {
        let mut rows = Vec::new();
        for known in known()? {
            let usage = Usage::read(&known);
            if show.names.is_empty() || show.names.contains(&usage.name) {
                rows.push(usage);
            }
        }
        if let Some(name) = show.names.iter().find(|name| !rows.iter().any(|row| row.name == **name)) {
            bail!("no group {name:?} of ours; ch03-cgroups ls shows those that there are");
        }
        if show.json {
            for row in &rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        } else {
            if show.terminal && !show.once {
                write!(out, "\x1b[H\x1b[2J")?;
            }
            table(out, &rows, &mut before)?;
        }
        out.flush()?;
        if show.once {
            return Ok(());
        }
        std::thread::sleep(PACE);
    }
}

/// The table; the processor's column is percent of one since the last time, or seconds where there was none.
fn table(
    out: &mut impl Write,
    rows: &[Usage],
    before: &mut BTreeMap<String, (u64, Instant)>,
) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no group of ours lives; ch03-cgroups run makes one");
    }
    writeln!(
        out,
        "{:<14} {:>8} {:>21} {:>10} {:>11} {:>21}  PRESSURE mem cpu io",
        "NAME", "CPU", "MEMORY / LIMIT", "PEAK", "PIDS", "READ / WRITTEN"
    )?;
    for row in rows {
        let now = Instant::now();
        let cpu = row.cpu_us.map(|used| match before.insert(row.name.clone(), (used, now)) {
            Some((then, at)) => {
                let share =
                    used.saturating_sub(then) as f64 / now.duration_since(at).as_micros().max(1) as f64;
                format!("{:.1} %", share * 100.0)
            }
            None => format!("{:.2} s", used as f64 / 1e6),
        });
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let of = |used: Option<String>, most: Option<String>| match (used, most) {
            (Some(used), Some(most)) => format!("{used}/{most}"),
            (Some(used), None) => used,
            (None, _) => "-".into(),
        };
        writeln!(
            out,
            "{:<14} {:>8} {:>21} {:>10} {:>11} {:>21}  {}",
            row.name,
            or_none(cpu),
            of(row.memory.map(show_tenths), row.memory_max.map(show_tenths)),
            or_none(row.memory_peak.map(show_tenths)),
            of(row.pids.map(|n| n.to_string()), row.pids_max.map(|n| n.to_string())),
            of(row.read.map(show_tenths), row.written.map(show_tenths)),
            or_none(row.pressure.map(|[memory, cpu, io]| format!("{memory:.0} % {cpu:.0} % {io:.0} %"))),
        )?;
    }
    Ok(())
}

/// `ls`: which groups there are, who waits for them, where they are.
///
/// # Errors
/// The records can't be read, or the writer is gone.
pub fn list(out: &mut impl Write) -> Result<()> {
    let known = known()?;
    if known.is_empty() {
        writeln!(out, "no group of ours; ch03-cgroups run makes one")?;
        return Ok(());
    }
    writeln!(out, "{:<14} {:>8} {:>5}  GROUP", "NAME", "ENGINE", "PIDS")?;
    for one in known {
        let engine = if one.owner.lives() { one.owner.pid.to_string() } else { "killed".into() };
        let part = one.group.part("pids").or_else(|| one.group.parts.first());
        let folder = part.map_or(Path::new(""), |part| &part.folder);
        let inside = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines().count();
        writeln!(out, "{:<14} {engine:>8} {inside:>5}  {}", one.group.name(), folder.display())?;
        if engine == "killed" {
            writeln!(out, "{:14} its engine was killed: cargo workshop clean removes it", "")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_io_is_added_up_in_both_versions() {
        let v2 = "8:0 rbytes=1000 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n7:0 rbytes=24 wbytes=0\n";
        assert_eq!((moved(v2, "rbytes=", "Read"), moved(v2, "wbytes=", "Write")), (1024, 5));
        let v1 = "8:0 Read 4096\n8:0 Write 100\n8:0 Sync 7\n7:0 Read 1\nTotal 4204\n";
        assert_eq!((moved(v1, "rbytes=", "Read"), moved(v1, "wbytes=", "Write")), (4097, 100));
    }
}
