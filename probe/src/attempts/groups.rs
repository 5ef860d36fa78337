//! To the host's control groups: seen, changed, and used as a door (CVE-2022-0492).

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::facts::{Evidence, Facts};

/// More than this nobody has to see.
const MOST: usize = 4000;

/// The names of all groups that can be seen.
pub fn tree(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    for folder in seen(facts, &mut evidence) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        evidence.find(name);
    }
    evidence
}

/// A setting of somebody else's group, turned. The outside looks whether it has changed.
pub fn write(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let all = seen(facts, &mut evidence);
    let theirs = |folder: &&PathBuf| folder.file_name().is_some_and(|name| *name == *facts.group);
    let Some(folder) = all.iter().find(theirs) else {
        evidence.told.push(format!("find the group {}: it isn't to be seen", facts.group));
        return evidence;
    };
    let file = folder.join("cgroup.max.depth");
    evidence.step(format!("write 7 to {}", file.display()), fs::write(&file, "7"));
    evidence
}

/// What stands in `release_agent` the kernel starts as the host's root, outside of every room, when a group becomes
/// empty. Here it is written to a hierarchy that nobody uses, and never started. CVE-2022-0492.
pub fn release_agent(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let options = format!("none,name={}", facts.hierarchy);
    let Some(place) = own(facts, &mut evidence, "cgroup", Some(&options)) else { return evidence };
    let file = place.join("release_agent");
    let agent = format!("/nowhere/{}", facts.nonce);
    // No O_CREAT: in a group that isn't the topmost there is no such file.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, agent.as_bytes()));
    evidence.step(format!("write {agent} to {}", file.display()), written);
    evidence
}

/// Every group below what is mounted, or what this process can mount itself.
fn seen(facts: &Facts, evidence: &mut Evidence) -> Vec<PathBuf> {
    let mut found = Vec::new();
    below(Path::new("/sys/fs/cgroup"), &mut found);
    if let Some(place) = own(facts, evidence, "cgroup2", None) {
        below(&place, &mut found);
    }
    found
}

fn own(facts: &Facts, evidence: &mut Evidence, kind: &str, options: Option<&str>) -> Option<PathBuf> {
    let place = super::scratch(facts).join("groups-of-my-own");
    evidence.step(format!("mkdir {}", place.display()), fs::create_dir_all(&place))?;
    let call = format!("mount -t {kind} -o {} {}", options.unwrap_or("defaults"), place.display());
    evidence.step(call, mount(Some(kind), &place, Some(kind), MsFlags::empty(), options))?;
    Some(place)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if found.len() < MOST && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
            below(&entry.path(), found);
        }
    }
}
