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
        "root-is-root" => fs::symlink_metadata(canary.scratch.join("mine")).is_ok_and(|file| file.uid() == 0),
        "mknod-block" => {
            let node = fs::symlink_metadata(canary.scratch.join("disk"));
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
        _ => evidence.found.iter().any(|found| found.contains(&canary.secret)),
    })
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
