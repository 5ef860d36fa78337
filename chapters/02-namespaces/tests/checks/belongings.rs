//! What it brings along and who it is: descriptors, environment, keys, groups, user.

use std::fs;
use std::os::unix::fs::MetadataExt;

use checks::drive::{Visit, contained, run, status_field};
use checks::finding::Finding;
use checks::stage::Stage;

pub(crate) fn descriptors(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "descriptors", Finding::seen("probe"))
}

pub(crate) fn environment(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "environment", Finding::seen("probe"))?;
    let inside = run(stage, &[], &["env"])?.stdout;
    let mut names: Vec<&str> = inside.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // A shell, or env itself, may add these.
    names.retain(|name| !["PWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    if names == ["HOME", "HOSTNAME", "PATH", "TERM"] {
        return Ok(());
    }
    Err(Finding::seen("names").with("names", format!("{names:?}")))
}

/// Init is the engine itself and never execs: what it still held could be read in /proc/1 by everybody inside.
pub(crate) fn init_shows_nothing(stage: &Stage) -> Result<(), Finding> {
    let look = "tr '\\0' ' ' < /proc/1/environ; for fd in /proc/1/fd/*; do echo fd ${fd##*/}; done";
    let inside = run(stage, &["--init"], &["sh", "-c", look])?.stdout;
    let shown: Vec<&str> = inside.split_ascii_whitespace().filter(|word| *word != "fd").collect();
    if shown == ["0", "1", "2"] {
        return Ok(());
    }
    Err(Finding::seen("shown").with("shown", format!("{shown:?}")))
}

pub(crate) fn keyring(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "keyring", Finding::seen("probe"))
}

pub(crate) fn groups(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "groups", Finding::seen("probe"))
}

pub(crate) fn user(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &stage.knows(2, &["--user", "1000:1000"]))?;
    let ids = ["Uid", "Gid"].map(|name| status_field(&visit.present.status, name).replace('\t', " "));
    let capable = status_field(&visit.present.status, "CapEff") != "0000000000000000";
    visit.end()?;
    if ids.iter().all(|ids| ids == "1000 1000 1000 1000") && !capable {
        return Ok(());
    }
    Err(Finding::seen("ids").with("uid", &ids[0]).with("gid", &ids[1]).with("capable", capable))
}

pub(crate) fn owner(stage: &Stage) -> Result<(), Finding> {
    owner_is(stage, &[], nix::unistd::geteuid().as_raw())
}

pub(crate) fn mapped_root(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &stage.knows(2, &["--userns", "auto"]));
    let visit = visit?;
    let own = visit.present.has_own("user")?;
    let uid = status_field(&visit.present.status, "Uid").split('\t').next().unwrap_or_default().to_string();
    visit.end()?;
    if own && uid != "0" {
        return Ok(());
    }
    Err(Finding::seen("owner").with("own", own).with("uid", uid))
}

fn owner_is(stage: &Stage, options: &[&str], expected: u32) -> Result<(), Finding> {
    let visit = Visit::begin(stage, options)?;
    let scratch = visit.canary.scratch.clone();
    let inside = visit.canary.facts.scratch.join("mine");
    let ended = run(stage, options, &["touch", &*inside.to_string_lossy()])?;
    let owner = fs::metadata(scratch.join("mine")).map(|file| file.uid());
    visit.end()?;
    if owner.as_ref().is_ok_and(|owner| *owner == expected) {
        return Ok(());
    }
    Err(Finding::seen("owner").with("code", ended.code))
}
