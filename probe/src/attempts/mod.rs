//! The attempts, by what they go for. Each is real, and harmless: what it goes for was put there to be found.

pub mod belongings;
pub mod devices;
pub mod files;
pub mod given;
pub mod groups;
pub mod hogs;
pub mod ipc;
pub mod moulds;
pub mod mounts;
pub mod network;
pub mod processes;

use std::fs;
use std::path::PathBuf;

use nix::mount::{MsFlags, mount};

use crate::facts::{Evidence, Facts};

/// A /proc: the one that is there, else one that this very process mounts, as an intruder would.
fn proc_folder(facts: &Facts, evidence: &mut Evidence) -> Option<PathBuf> {
    mounted(facts, evidence, "proc", "self/stat")
}

/// A folder with this file system: `/NAME` where `sign` is in it, else newly mounted.
fn mounted(facts: &Facts, evidence: &mut Evidence, name: &str, sign: &str) -> Option<PathBuf> {
    let usual = PathBuf::from("/").join(name);
    if usual.join(sign).exists() {
        return Some(usual);
    }
    let kind = if name == "sys" { "sysfs" } else { name };
    let place = scratch(facts).join(format!("{name}-of-my-own"));
    evidence.step(format!("mkdir {}", place.display()), fs::create_dir_all(&place))?;
    let call = format!("/{name} is empty, so mount {kind} on {}", place.display());
    evidence.step(call, mount(Some(kind), &place, Some(kind), MsFlags::empty(), None::<&str>))?;
    Some(place)
}

/// Where an attempt may write: what the outside named, else the folder for everybody.
fn scratch(facts: &Facts) -> PathBuf {
    if facts.scratch.as_os_str().is_empty() { PathBuf::from("/tmp") } else { facts.scratch.clone() }
}
