//! What can't be had is refused, with the reason; and nobody else's group is touched.

use std::fs;
use std::path::PathBuf;

use checks::drive::{Ended, run};
use checks::finding::Finding;
use checks::stage::Stage;

use crate::groups::{Named, folders};

fn refused(ended: &Ended, words: &str, what: &str, finding: Finding) -> Result<(), Finding> {
    if ended.code == 125 && ended.stderr.contains(words) && ended.stdout.is_empty() {
        return Ok(());
    }
    Err(Finding { seen: format!("{what}: exit code {}, {:?}", ended.code, ended.stderr), ..finding })
}

pub(crate) fn version_1(stage: &Stage) -> Result<(), Finding> {
    let finding = || Finding {
        expected: "exit code 125 and the reason: only version 2 serves it",
        meaning: "a limit that is silently ignored is worse than none",
        look: "ch03-cgroups run --memory-high 64M true",
        read: "book: chapter 03, 'two designs'; cgroups(7)",
        ..Finding::default()
    };
    for options in [["--memory-high", "64M"], ["--io-max", "7:0:rbps=1m"]] {
        let ended = run(stage, &options, &["echo", "ran"])?;
        refused(&ended, "are cgroup version 1", options[0], finding())?;
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
    refused(
        &ended?,
        "no internal processes",
        "a parent with a process in it",
        Finding {
            expected: "exit code 125, and the rule by its name",
            meaning: "EBUSY of cgroup.subtree_control was taken for success: the limit isn't there",
            look: "ch03-cgroups run --cgroup-parent /busy --memory 64M true",
            read: "book: chapter 03, 'no internal processes'; cgroups(7)",
            ..Finding::default()
        },
    )
}

/// Only where no group is given; where one is, the other checks say more.
pub(crate) fn not_given(stage: &Stage) -> Result<(), Finding> {
    if checks::need::Need::Cgroup.missing().is_none() {
        return Ok(());
    }
    let ended = run(stage, &["--memory", "64M"], &["echo", "ran"])?;
    let finding = Finding {
        expected: "exit code 125, and how to get a group",
        meaning: "a limit that was asked for and can't be had is refused, never ignored",
        look: "ch03-cgroups run --memory 64M true",
        read: "book: chapter 03, 'as an ordinary user'; cgroups(7)",
        ..Finding::default()
    };
    refused(&ended, "systemd-run --user", "--memory without a group", finding)
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
    let finding = Finding {
        expected: "exit code 125; the other's group is there, and no part of ours",
        meaning: "a group of this name is somebody's: it may be neither used nor removed",
        look: "ch03-cgroups run --name x sleep 9 & sleep 1; ch03-cgroups run --name x true",
        read: "book: chapter 03, 'it goes'; mkdir(2)",
        ..Finding::default()
    };
    refused(&ended?, "of this name already", "--name", finding.clone())?;
    if left == [theirs] {
        return Ok(());
    }
    Err(Finding { seen: format!("groups of the name afterwards: {left:?}"), ..finding })
}

pub(crate) fn codes(stage: &Stage) -> Result<(), Finding> {
    let cases: [(&[&str], i32); 4] = [
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "sh -c 'kill -KILL $$'; exit $?"], 137),
        (&["/no/such/command"], 127),
        (&["/etc/passwd"], 126),
    ];
    for (words, expected) in cases {
        let ended = run(stage, &["--memory", "64M", "--pids", "32"], words)?;
        if ended.code != expected {
            return Err(Finding {
                seen: format!("{words:?} ended with {}, expected {expected}", ended.code),
                expected: "Docker's exit codes, within limits too",
                meaning: "what the group adds at the end must not hide how the command ended",
                look: "ch03-cgroups run --memory 64M sh -c 'exit 3'; echo $?",
                read: "book: chapter 00, 'the end'; waitid(2)",
                ..Finding::default()
            });
        }
    }
    Ok(())
}
