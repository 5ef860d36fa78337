//! What can't be had is refused, with the reason; and nobody else's group is touched.

use std::fs;
use std::path::PathBuf;

use checks::drive::{Ended, exit_codes, run};
use checks::finding::Finding;
use checks::stage::Stage;

use crate::groups::{Named, folders};

fn refused(ended: &Ended, words: &str) -> Result<(), Finding> {
    if ended.code == 125 && ended.stderr.contains(words) && ended.stdout.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("refused").with("code", ended.code).with("said", format!("{:?}", ended.stderr)))
}

pub(crate) fn version_1(stage: &Stage) -> Result<(), Finding> {
    for options in [["--memory-high", "64M"], ["--io-max", "7:0:rbps=1m"]] {
        let ended = run(stage, &options, &["echo", "ran"])?;
        refused(&ended, "are cgroup version 1").map_err(|found| found.with("option", options[0]))?;
    }
    Ok(())
}

pub(crate) fn populated(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let top = fs::read_to_string("/proc/self/mountinfo")?;
    let top = top.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let parent = PathBuf::from(top.unwrap_or("/sys/fs/cgroup")).join(&named.folder);
    fs::create_dir(&parent)?;
    let mut sitter = std::process::Command::new("sleep").arg("20").spawn()?;
    let sits = fs::write(parent.join("cgroup.procs"), sitter.id().to_string());
    let ended = run(stage, &["--cgroup-parent", &named.folder, "--memory", "64M"], &["echo", "ran"]);
    let _ = sitter.kill();
    sitter.wait()?;
    checks::drive::within(std::time::Duration::from_secs(1), || fs::remove_dir(&parent).is_ok());
    sits?;
    refused(&ended?, "no internal processes")
}

/// Only where no group is given; where one is, the other checks say more.
pub(crate) fn not_given(stage: &Stage) -> Result<(), Finding> {
    if checks::need::Need::Cgroup.missing().is_none() {
        return Ok(());
    }
    let ended = run(stage, &["--memory", "64M"], &["echo", "ran"])?;
    refused(&ended, "systemd-run --user")?;
    let named = run(stage, &["--name", "check-nameless"], &["echo", "ran"])?;
    refused(&named, "no group of ours may be made")
}

pub(crate) fn taken(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let point =
        mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let theirs = PathBuf::from(point.unwrap_or("/sys/fs/cgroup/unified")).join(&named.folder);
    fs::create_dir(&theirs)?;
    let ended = run(stage, &named.with(&[]), &["echo", "ran"]);
    let left = folders(&named.folder);
    let _ = fs::remove_dir(&theirs);
    refused(&ended?, "of this name already")?;
    if left == [theirs] {
        return Ok(());
    }
    Err(Finding::seen("names").with("left", format!("{left:?}")))
}

pub(crate) fn codes(stage: &Stage) -> Result<(), Finding> {
    exit_codes(stage, &["--memory", "64M", "--pids", "32"])
}
