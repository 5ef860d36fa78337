//! `stats`: what containers use, in Docker's columns; read from their groups' files.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use ch03_cgroups::group::Group;
use ch03_cgroups::size::show_tenths;
use ch03_cgroups::stats::{Known, Usage};
use clap::Args;
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::Io;
use super::table::{columns, formatted};
use crate::containers::{Container, Containers};

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// Those that don't run, too
    #[arg(long, short)]
    all: bool,
    /// Once, and no more
    #[arg(long)]
    no_stream: bool,
    /// Another form: json, '{{.Name}}: {{.MemUsage}}'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Nothing is cut off (nothing is, here)
    #[arg(long)]
    no_trunc: bool,
    /// Only these
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const HEAD: [(&str, &str); 8] = [
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
    ("Container", "CONTAINER"),
];

/// # Errors
/// What could not be done.
pub(super) fn stats(stats: &Stats, io: &mut Io<'_>) -> Result<()> {
    const PACE: Duration = Duration::from_secs(1);
    let all = Containers::open()?;
    let mut before = BTreeMap::new();
    let mut first = true;
    loop {
        let containers = if stats.containers.is_empty() {
            all.list()?.into_iter().filter(|one| stats.all || one.lives()).collect()
        } else {
            stats.containers.iter().map(|name| all.find(name)).collect::<Result<Vec<_>>>()?
        };
        let rows: Vec<Value> = containers.iter().map(|one| row(one, &mut before)).collect();
        if std::mem::take(&mut first) {
            // The processor's share is a difference: the first look only begins it.
            std::thread::sleep(if stats.no_stream { Duration::from_millis(250) } else { PACE });
            continue;
        }
        let text = match &stats.format {
            Some(template) => formatted(template, &rows, &HEAD)?,
            None => {
                let mut table =
                    vec![HEAD[..7].iter().map(|(_, name)| (*name).to_string()).collect::<Vec<_>>()];
                let cells = |row: &Value| {
                    HEAD[..7].iter().map(|(key, _)| row[key].as_str().unwrap_or("").into()).collect()
                };
                table.extend(rows.iter().map(cells));
                columns(&table)
            }
        };
        if !stats.no_stream && std::io::IsTerminal::is_terminal(&io.seat.out) {
            write!(io.out, "\x1b[H\x1b[2J")?;
        }
        write!(io.out, "{text}")?;
        io.out.flush()?;
        if stats.no_stream {
            return Ok(());
        }
        std::thread::sleep(PACE);
    }
}

fn row(container: &Container, before: &mut BTreeMap<String, (u64, Instant)>) -> Value {
    let id = container.config.id();
    let state = container.state();
    let owner = state.process.filter(|_| state.status.lives());
    let group = owner.as_ref().and_then(|owner| Group::of(Pid::from_raw(owner.pid.cast_signed())));
    let usage =
        group.zip(owner).map(|(group, owner)| Usage::read(&Known { group, owner })).unwrap_or_default();
    let (total, now) = (memory_of_the_machine(), Instant::now());
    let limit = usage.memory_max.unwrap_or(total).min(total);
    let share = usage.cpu_us.and_then(|used| {
        let (then, at) = before.insert(id.into(), (used, now))?;
        Some(used.saturating_sub(then) as f64 * 100.0 / now.duration_since(at).as_micros().max(1) as f64)
    });
    let memory = usage.memory.unwrap_or(0);
    json!({
        "ID": id,
        "Container": id,
        "Name": container.name(),
        "CPUPerc": format!("{:.2}%", share.unwrap_or(0.0)),
        "MemUsage": format!("{} / {}", show_tenths(memory), show_tenths(limit)),
        "MemPerc": format!("{:.2}%", memory as f64 * 100.0 / limit.max(1) as f64),
        "BlockIO": format!("{} / {}", show_tenths(usage.read.unwrap_or(0)), show_tenths(usage.written.unwrap_or(0))),
        "PIDs": usage.pids.unwrap_or(0).to_string(),
    })
}

/// `MemTotal` of /proc/meminfo, bytes.
fn memory_of_the_machine() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}
