//! What it may use: memory, swap, processes, processors; seen by what the kernel lets happen.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use checks::drive::{Visit, contained, run, status_field};
use checks::finding::Finding;
use checks::judge::processor_time;
use checks::stage::Stage;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::groups::{Named, folders};

pub(crate) fn memory(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "the hog is killed at 64 MiB, the reason is told, and whoever lives beside it lives on",
        meaning: "nothing limits its memory: memory.max (version 1: memory.limit_in_bytes) of a group of its own",
        look: "ch03-cgroups run --memory 64M tail /dev/zero; echo $?",
        read: "book: chapter 03, 'memory'; cgroups(7)",
        ..Finding::default()
    };
    let mut canary =
        Command::new(probe()?).arg("victim").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let hog = contained(stage, "memory-hog", finding.clone());
    let lives = canary.try_wait()?.is_none();
    let _ = canary.kill();
    canary.wait()?;
    hog?;
    let program = stage.probe()?;
    let ended = run(
        stage,
        &stage.knows(3, &["--memory", "64M"]),
        &[&*program.to_string_lossy(), "try", "memory-hog"],
    )?;
    let named = ended.stderr.contains("killed by its memory limit of 64 MiB, at 6");
    if lives && ended.code == 137 && named {
        return Ok(());
    }
    Err(Finding {
        seen: format!(
            "exit code {}; the reason is told: {named}; the canary on the host lives: {lives}",
            ended.code
        ),
        ..finding
    })
}

pub(crate) fn swap(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let visit = Visit::begin(stage, &stage.knows(3, &named.with(&["--memory", "64M"])))?;
    let read = |file: &str| {
        folders(&named.folder).iter().find_map(|folder| fs::read_to_string(folder.join(file)).ok())
    };
    // Version 2 counts swap alone, version 1 memory and swap together.
    let (alone, together) = (read("memory.swap.max"), read("memory.memsw.limit_in_bytes"));
    visit.end()?;
    let closed = alone.as_deref().map(str::trim) == Some("0")
        || together.as_deref().map(str::trim) == Some("67108864");
    if closed {
        return Ok(());
    }
    Err(Finding {
        seen: format!("--memory 64M; swap alone: {alone:?}, memory and swap together: {together:?}"),
        expected: "no swap beyond the limit on memory",
        meaning: "what doesn't fit in memory moves to swap: the hog lives, and the machine gets slow for all",
        look: "ch03-cgroups run --name x --memory 64M sleep 9 & cat $(find /sys/fs/cgroup -name boxroom-x)/memory.*sw*",
        read: "book: chapter 03, 'memory'; cgroups(7)",
        ..Finding::default()
    })
}

pub(crate) fn processes(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "at most 32 processes inside, and the host starts another one",
        meaning: "nothing limits how many it starts: pids.max of a group of its own",
        look: "ch03-cgroups run --pids 32 sh -c 'while sleep 3 & do :; done'",
        read: "book: chapter 03, 'processes'; cgroups(7), fork(2)",
        ..Finding::default()
    };
    contained(stage, "fork-bomb", finding.clone())?;
    let forks = Command::new("true").status().is_ok_and(|status| status.success());
    if forks { Ok(()) } else { Err(Finding { seen: "the host could start nothing".into(), ..finding }) }
}

/// Half a processor, measured against a canary on the host that wants one whole and tells whether it was to be had.
pub(crate) fn processor(stage: &Stage) -> Result<(), Finding> {
    const TIME: Duration = Duration::from_millis(1500);
    // Four loops get more than half a processor on a host that is busy itself, too, if nothing holds them.
    let loops = "for n in 1 2 3 4; do (while :; do :; done) & done; wait";
    let mut engine = stage
        .command(&stage.knows(3, &["--cpus", "0.5"]), &["sh", "-c", loops])?
        .stdout(Stdio::null())
        .spawn()?;
    let inside = child_of(engine.id());
    let mut canary = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
    thread::sleep(Duration::from_millis(100));
    let (began, before) = (Instant::now(), inside.map_or(0.0, time_of_children));
    let canary_before = processor_time(canary.id() as i32);
    thread::sleep(TIME);
    let seconds = began.elapsed().as_secs_f64();
    let share = (inside.map_or(0.0, time_of_children) - before) / seconds;
    let free = (processor_time(canary.id() as i32) - canary_before) / seconds;
    let _ = canary.kill();
    canary.wait()?;
    // Three, as an impatient person does it: number 1 of a room has no handler.
    for _ in 0..3 {
        let _ = kill(Pid::from_raw(engine.id() as i32), Signal::SIGTERM);
        thread::sleep(Duration::from_millis(20));
    }
    engine.wait()?;
    let finding = Finding {
        expected: "half a processor, give or take 15 %",
        meaning: "nothing limits its time: cpu.max (version 1: cpu.cfs_quota_us) of a group of its own",
        look: "ch03-cgroups run --cpus 0.5 sh -c 'while :; do :; done' & sleep 1; top -b -n 1 | head -9",
        read: "book: chapter 03, 'processors'; cgroups(7)",
        ..Finding::default()
    };
    match share {
        share if (0.425..=0.575).contains(&share) => Ok(()),
        share if share > 0.575 => {
            Err(Finding { seen: "it got more than its quota of half a processor".into(), ..finding })
        }
        _ if free < 0.6 => Err(Finding {
            untried: Some(
                "the machine is busy: a loop on the host got less than 0.6 of a processor itself".into(),
            ),
            ..finding
        }),
        share => Err(Finding { seen: format!("it got {:.0} % of a processor", share * 100.0), ..finding }),
    }
}

/// At the roll call the command has just begun: its limits must be there, and it in its group.
pub(crate) fn before(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let visit = Visit::begin(stage, &stage.knows(3, &named.with(&["--pids", "32", "--memory", "64M"])))?;
    let read = |file: &str| {
        let text =
            folders(&named.folder).iter().find_map(|folder| fs::read_to_string(folder.join(file)).ok());
        text.unwrap_or_default().trim().to_string()
    };
    let pids = read("pids.max");
    let memory = [read("memory.max"), read("memory.limit_in_bytes")].contains(&"67108864".to_string());
    let inside = named.holds(&visit.present.cgroup);
    visit.end()?;
    if pids == "32" && memory && inside {
        return Ok(());
    }
    Err(Finding {
        seen: format!(
            "as the command begins: pids.max {pids:?}; memory limited: {memory}; in its group: {inside}"
        ),
        expected: "32, 64 MiB, and it is in its group",
        meaning: "a limit that comes after the exec comes too late: what was taken is taken, who was forked is outside",
        look: "ch03-cgroups run --pids 32 --memory 64M --explain true",
        read: "book: chapter 03, 'born inside'; cgroups(7), clone(2)",
        ..Finding::default()
    })
}

pub(crate) fn cpuset(stage: &Stage) -> Result<(), Finding> {
    let own = fs::read_to_string("/proc/self/status")?;
    let first =
        status_field(&own, "Cpus_allowed_list").split(['-', ',']).next().unwrap_or_default().to_string();
    let visit = Visit::begin(stage, &["--cpuset", &first])?;
    let allowed = status_field(&visit.present.status, "Cpus_allowed_list").to_string();
    visit.end()?;
    if allowed == first {
        return Ok(());
    }
    Err(Finding {
        seen: format!("--cpuset {first}: it may run on {allowed}"),
        expected: "on that processor alone",
        meaning: "cpuset.cpus of its group was not written, or it isn't in that group",
        look: "ch03-cgroups run --cpuset 0 grep Cpus_allowed_list /proc/self/status",
        read: "book: chapter 03, 'processors'; cpuset(7)",
        ..Finding::default()
    })
}

fn probe() -> Result<std::path::PathBuf, Finding> {
    Ok(Stage::bare().probe_on_host()?)
}

/// The processors' time of all that it has started, seconds.
fn time_of_children(pid: i32) -> f64 {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(processor_time).sum()
}

/// The command's number on the host, as soon as the engine has become two processes and the second the command.
fn child_of(engine: u32) -> Option<i32> {
    let mut found = None;
    checks::drive::within(Duration::from_secs(5), || {
        let list = fs::read_to_string(format!("/proc/{engine}/task/{engine}/children")).unwrap_or_default();
        found = list.split_ascii_whitespace().next().and_then(|pid| pid.parse().ok());
        let name = found.map(|pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default());
        name.is_some_and(|name| name.trim() == "sh")
    });
    found
}
