//! To the host's names and mounts.

use std::fs;

use nix::mount::{MsFlags, mount};
use nix::unistd::sethostname;

use crate::facts::{Evidence, Facts};

/// Another name for this machine. The outside looks whether the host has it now.
pub fn hostname(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    if facts.name.is_empty() {
        evidence.told.push("no name was given".into());
        return evidence;
    }
    evidence.step(format!("sethostname {}", facts.name), sethostname(&facts.name));
    evidence
}

/// A mount whose source is the name; the outside looks for it in its own list.
pub fn mount_leaves(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let place = super::scratch(facts).join("leaves");
    evidence.step(format!("mkdir {}", place.display()), fs::create_dir_all(&place));
    let source = format!("boxroom-{}", facts.nonce);
    let call = format!("mount a tmpfs on {}", place.display());
    evidence
        .step(call, mount(Some(source.as_str()), &place, Some("tmpfs"), MsFlags::empty(), Some("size=4k")));
    evidence
}

/// The outside has just mounted something on the folder `arrives`, with a secret in it.
pub fn mount_arrives(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = super::scratch(facts).join("arrives/secret");
    if let Some(text) = evidence.step(format!("read {}", path.display()), fs::read_to_string(&path)) {
        evidence.find(text.trim_end());
    }
    evidence
}
