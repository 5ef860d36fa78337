//! What counts as an escape: a secret learnt or an effect on the host. What the probe claims doesn't.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use nix::sys::stat::makedev;
use probe::facts::{Evidence, Knob};

use crate::canary::Canary;
use crate::roll_call::Present;

/// Whether the probe `name` got out. It is still there, waiting to be told bye.
///
/// # Errors
/// The host can't be looked at.
pub fn escaped(name: &str, canary: &mut Canary, present: &Present, evidence: &Evidence) -> Result<bool> {
    Ok(match name {
        "kill-host-process" => killed(canary),
        "ptrace-host-process" => {
            let status =
                fs::read_to_string(format!("/proc/{}/status", canary.facts.victim)).unwrap_or_default();
            field(&status, "TracerPid:").is_some_and(|tracer| tracer != "0")
        }
        "hostname" => nix::unistd::gethostname()?.to_string_lossy() == canary.facts.name,
        "mount-leaves" => {
            let source = format!("boxroom-{}", canary.facts.nonce);
            fs::read_to_string("/proc/thread-self/mountinfo")?.contains(&source)
        }
        "host-interfaces" => {
            let names = probe::attempts::network::interfaces()?;
            !present.has_own("net")? && names.iter().all(|name| evidence.found.contains(name))
        }
        "root-is-root" => {
            fs::symlink_metadata(canary.seen(present.pid).join("mine")).is_ok_and(|file| file.uid() == 0)
        }
        "mknod-block" => {
            let node = fs::symlink_metadata(canary.seen(present.pid).join("disk"));
            let same = |file: &fs::Metadata| {
                canary.facts.block.is_some_and(|(major, minor)| file.rdev() == makedev(major, minor))
            };
            !evidence.found.is_empty()
                && node.is_ok_and(|file| file.file_type().is_block_device() && same(&file))
        }
        "proc-sys" => turned("/proc/sys", canary.facts.sysctl.as_ref()),
        "sys-writable" | "sys-remount" => turned("/sys", canary.facts.sysfs.as_ref()),
        "groups" => {
            let kept = field(&present.status, "Groups:").unwrap_or_default();
            kept.split_ascii_whitespace()
                .any(|group| group.parse().is_ok_and(|group| canary.groups.contains(&group)))
        }
        "cgroup-path" => evidence.found.iter().any(|line| {
            line.contains(&canary.secret)
                || (!line.ends_with(":/") && present.cgroup.lines().any(|real| real == line))
        }),
        "memory-hog" => memory(present.pid) >= HOG,
        "fork-bomb" => descendants(present.pid) >= BOMB,
        "cpu-hog" => canary.began.is_some_and(|(at, before, rivals_before)| {
            let seconds = at.elapsed().as_secs_f64();
            let share = (processor_time(present.pid) - before) / seconds;
            let rivals = (time_of_all(&canary.rivals) - rivals_before) / seconds;
            share > SHARE || share > rivals * FAIR
        }),
        "cgroup-write" => {
            fs::read_to_string(canary.place.join("cgroup.max.depth")).is_ok_and(|depth| depth.trim() == "7")
        }
        // What is looked at is the file that others are started from, on the host.
        "mould-write" | "mould-delete" => {
            fs::read_to_string(&canary.place).ok().as_deref() != Some(&canary.secret)
        }
        "given-write" | "given-submount" | "given-rmdir" => canary.given_is_changed(),
        "release-agent" => fs::read_to_string(canary.place.join("release_agent"))
            .is_ok_and(|agent| agent.contains(&canary.facts.nonce)),
        _ => evidence.found.iter().any(|found| found.contains(&canary.secret)),
    })
}

/// Twice the 64 MiB of the limit: no counting of pages explains the difference away. Bytes.
const HOG: u64 = 128 << 20;
/// Twice the 32 of the limit.
const BOMB: usize = 64;
/// Five times the twentieth of a processor of the limit.
const SHARE: f64 = 0.25;
/// On a host that is busy with other things nobody gets much; who has no limit gets about as much as the rivals do.
const FAIR: f64 = 0.4;

/// The memory that a process has, in swap too, bytes.
fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let part =
        |name| field(&status, name).and_then(|text| text.strip_suffix(" kB")?.trim().parse::<u64>().ok());
    ["VmRSS:", "VmSwap:"].into_iter().filter_map(part).sum::<u64>() * 1024
}

/// The processes that it has started and that live.
fn descendants(pid: i32) -> usize {
    let stat = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("stat")).ok();
    let is_child = |stat: &String| {
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        fields.next() != Some("Z") && fields.next() == Some(&*pid.to_string())
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(stat).filter(is_child).count()
}

/// The processors' time that it has had, seconds: `/proc/PID/stat`, fields 14 and 15, of which a second has 100.
#[must_use]
pub fn processor_time(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The same of several, together.
pub(crate) fn time_of_all(processes: &[std::process::Child]) -> f64 {
    processes.iter().map(|one| processor_time(one.id() as i32)).sum()
}

/// A signal takes a moment to become a death that can be waited for.
fn killed(canary: &mut Canary) -> bool {
    for _ in 0..20 {
        if canary.victim_ended().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn turned(root: &str, knob: Option<&Knob>) -> bool {
    knob.is_some_and(|knob| {
        fs::read_to_string(Path::new(root).join(&knob.path)).is_ok_and(|now| now.trim() == knob.value)
    })
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
