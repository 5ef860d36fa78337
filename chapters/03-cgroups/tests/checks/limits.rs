//! What it may use: memory, swap, processes, processors; seen by what the kernel lets happen.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
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
    let mut canary =
        Command::new(probe()?).arg("victim").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let hog = contained(stage, "memory-hog", Finding::seen("probe"));
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
    Err(Finding::seen("ended").with("code", ended.code).with("told", named).with("lives", lives))
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
    Err(Finding::seen("swap").with("alone", format!("{alone:?}")).with("together", format!("{together:?}")))
}

pub(crate) fn processes(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "fork-bomb", Finding::seen("probe"))?;
    let forks = Command::new("true").status().is_ok_and(|status| status.success());
    if forks { Ok(()) } else { Err(Finding::seen("host")) }
}

/// A tenth of a processor, measured against a canary on the host that has as many loops: without a limit both get
/// the same, however busy the host is.
pub(crate) fn processor(stage: &Stage) -> Result<(), Finding> {
    const TIME: Duration = Duration::from_millis(2000);
    const LEAST: f64 = 0.085;
    // This check and its own counter-check, on the chapter before, would spoil each other's measure.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    // Four loops get more than a tenth of a processor on a host that is busy itself, too, if nothing holds them.
    let loops = "for n in 1 2 3 4; do (while :; do :; done) & done; wait";
    let mut engine = stage
        .command(&stage.knows(3, &["--cpus", "0.1"]), &["sh", "-c", loops])?
        .stdout(Stdio::null())
        .spawn()?;
    let inside = child_of(engine.id());
    let canary = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
    let mut canaries = (0..4).map(|_| canary()).collect::<Result<Vec<_>, _>>()?;
    let time = |canaries: &[std::process::Child]| -> f64 {
        canaries.iter().map(|canary| exact_time(canary.id() as i32)).sum()
    };
    thread::sleep(Duration::from_millis(100));
    let (mut share, mut free) = (0.0, 0.0);
    // A host that is busy itself takes time from everybody: then what was too little is measured again.
    for _ in 0..3 {
        let (began, before) = (Instant::now(), inside.map_or(0.0, time_of_children));
        let canaries_before = time(&canaries);
        thread::sleep(TIME);
        let seconds = began.elapsed().as_secs_f64();
        share = (inside.map_or(0.0, time_of_children) - before) / seconds;
        free = (time(&canaries) - canaries_before) / seconds;
        if share >= LEAST {
            break;
        }
    }
    for canary in &mut canaries {
        let _ = canary.kill();
        canary.wait()?;
    }
    // Number 1 of a room has no handler, and the third signal kills it; two that come at once are one.
    while engine.try_wait()?.is_none() {
        kill(Pid::from_raw(engine.id() as i32), Signal::SIGTERM)?;
        thread::sleep(Duration::from_millis(20));
    }
    match share {
        share if share > 0.115 => Err(Finding::seen("over")),
        share if share > free * 0.6 => Err(Finding::untried(
            "the machine is so busy that nobody gets more than a tenth of a processor".into(),
        )),
        share if share >= LEAST => Ok(()),
        share => Err(Finding::seen("under").with("percent", format!("{:.0}", share * 100.0))),
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
    Err(Finding::seen("begin")
        .with("pids", format!("{pids:?}"))
        .with("memory", memory)
        .with("inside", inside))
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
    Err(Finding::seen("processors").with("asked", first).with("allowed", allowed))
}

fn probe() -> Result<std::path::PathBuf, Finding> {
    Ok(Stage::bare().probe_on_host()?)
}

/// The processors' time of all that it has started, seconds.
fn time_of_children(pid: i32) -> f64 {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(exact_time).sum()
}

/// To the nanosecond where the kernel tells it (the first number of `/proc/PID/schedstat`), else to the tick.
fn exact_time(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.map_or_else(|| processor_time(pid), |n| n / 1e9)
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
