//! What it brings along and who it is: descriptors, environment, keys, groups, user.

use std::fs;
use std::os::unix::fs::MetadataExt;

use checks::drive::{Visit, contained, run, status_field};
use checks::finding::Finding;
use checks::stage::Stage;

pub(crate) fn descriptors(stage: &Stage) -> Result<(), Finding> {
    contained(
        stage,
        "descriptors",
        Finding {
            expected: "standard input, output and error, and nothing else",
            meaning: "a descriptor that the engine or its starter left open is a door into the host",
            look: "ch02-namespaces run ls -l /proc/self/fd 9</etc/passwd",
            read: "book: chapter 02, 'the seal'; close_range(2), CVE-2024-21626",
            ..Finding::default()
        },
    )
}

pub(crate) fn environment(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "PATH, HOME, HOSTNAME, TERM, and nothing of the starter's",
        meaning: "execve was given the starter's environment, passwords included",
        look: "SECRET=1 ch02-namespaces run env",
        read: "book: chapter 02, 'the seal'; environ(7), execve(2)",
        ..Finding::default()
    };
    contained(stage, "environment", finding.clone())?;
    let inside = run(stage, &[], &["env"])?.stdout;
    let mut names: Vec<&str> = inside.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // A shell, or env itself, may add these.
    names.retain(|name| !["PWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    if names == ["HOME", "HOSTNAME", "PATH", "TERM"] {
        return Ok(());
    }
    Err(Finding { seen: format!("the environment inside: {names:?}"), ..finding })
}

/// Init is the engine itself and never execs: what it still held could be read in /proc/1 by everybody inside.
pub(crate) fn init_shows_nothing(stage: &Stage) -> Result<(), Finding> {
    let look = "tr '\\0' ' ' < /proc/1/environ; for fd in /proc/1/fd/*; do echo fd ${fd##*/}; done";
    let inside = run(stage, &["--init"], &["sh", "-c", look])?.stdout;
    let shown: Vec<&str> = inside.split_ascii_whitespace().filter(|word| *word != "fd").collect();
    if shown == ["0", "1", "2"] {
        return Ok(());
    }
    Err(Finding {
        seen: format!("/proc/1 shows {shown:?}"),
        expected: "descriptors 0, 1 and 2, and no variable of the starter's",
        meaning: "an exec closes descriptors and replaces the environment; init had none",
        look: "SECRET=1 ch02-namespaces run --init cat /proc/1/environ",
        read: "book: chapter 02, 'its own numbers'; proc_pid_environ(5), CVE-2024-21626",
        ..Finding::default()
    })
}

pub(crate) fn keyring(stage: &Stage) -> Result<(), Finding> {
    contained(
        stage,
        "keyring",
        Finding {
            expected: "a session keyring of its own, empty",
            meaning: "keys are inherited through fork and exec; no namespace keeps them apart",
            look: "keyctl add user name secret @s; ch02-namespaces run keyctl show @s",
            read: "book: chapter 02, 'the seal'; session-keyring(7), keyctl(2)",
            ..Finding::default()
        },
    )
}

pub(crate) fn groups(stage: &Stage) -> Result<(), Finding> {
    contained(
        stage,
        "groups",
        Finding {
            expected: "no supplementary group of the starter's",
            meaning: "setgroups(0, NULL) was not called, or after the right to it was given up",
            look: "ch02-namespaces run grep Groups /proc/self/status",
            read: "book: chapter 02, 'the seal'; setgroups(2), CVE-2018-7169",
            ..Finding::default()
        },
    )
}

pub(crate) fn user(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &stage.knows(2, &["--user", "1000:1000"]))?;
    let ids = ["Uid", "Gid"].map(|name| status_field(&visit.present.status, name).replace('\t', " "));
    let capable = status_field(&visit.present.status, "CapEff") != "0000000000000000";
    visit.end()?;
    if ids.iter().all(|ids| ids == "1000 1000 1000 1000") && !capable {
        return Ok(());
    }
    Err(Finding {
        seen: format!("--user 1000:1000: Uid {}, Gid {}; capable: {capable}", ids[0], ids[1]),
        expected: "all four user and group ids 1000, no capability left",
        meaning: "the ids were not changed, or only the effective ones: the saved id brings root back",
        look: "ch02-namespaces run --user 1000:1000 grep -E '[UG]id|CapEff' /proc/self/status",
        read: "book: chapter 02, 'the seal'; setresuid(2), capabilities(7)",
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!("a user namespace of its own: {own}; uid on the host: {uid}"),
        expected: "uid 0 inside, and on the host an id that owns nothing",
        meaning: "without a user namespace root inside is root: what gets out may do everything",
        look: "ch02-namespaces run --userns auto cat /proc/self/uid_map",
        read: "book: chapter 02, 'who is who'; user_namespaces(7)",
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!(
            "touch as root inside ended with {}; the file's owner outside is the caller: false",
            ended.code
        ),
        expected: "root's file inside is the caller's file outside",
        meaning: "uid_map says who is who: 0 inside must be the caller outside",
        look: "ch02-namespaces run touch /tmp/mine; ls -ln ROOTFS/tmp/mine",
        read: "book: chapter 02, 'who is who'; user_namespaces(7)",
        ..Finding::default()
    })
}
