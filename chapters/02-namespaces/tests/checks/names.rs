//! Its own names: hostname, process numbers, interfaces, keys of memory, cgroup paths, clocks.

use checks::drive::{Visit, contained, run, status_field};
use checks::finding::Finding;
use checks::stage::Stage;

/// The host's side first: another namespace of this kind, or what is missing.
fn own(stage: &Stage, kind: &str) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let own = visit.present.has_own(kind)?;
    visit.end()?;
    if own {
        return Ok(());
    }
    Err(Finding::seen("namespace").with("kind", kind))
}

pub(crate) fn hostname(stage: &Stage) -> Result<(), Finding> {
    let before = nix::unistd::gethostname()?;
    let inside = run(stage, &stage.knows(2, &["--hostname", "box"]), &["uname", "-n"])?.stdout;
    let after = nix::unistd::gethostname()?;
    if before != after {
        let _ = nix::unistd::sethostname(&before);
        return Err(Finding::seen("renamed"));
    }
    own(stage, "uts")?;
    contained(stage, "hostname", Finding::seen("probe"))?;
    if inside.trim() == "box" {
        return Ok(());
    }
    Err(Finding::seen("name").with("name", format!("{:?}", inside.trim())))
}

pub(crate) fn processes(stage: &Stage) -> Result<(), Finding> {
    own(stage, "pid")?;
    let visit = Visit::begin(stage, &[])?;
    let inner =
        status_field(&visit.present.status, "NSpid").split_ascii_whitespace().last().map(String::from);
    visit.end()?;
    if inner.as_deref() != Some("1") {
        return Err(Finding::seen("number").with("number", format!("{inner:?}")));
    }
    contained(stage, "host-processes", Finding::seen("probe"))?;
    contained(stage, "kill-host-process", Finding::seen("probe"))
}

pub(crate) fn network(stage: &Stage) -> Result<(), Finding> {
    own(stage, "net")?;
    contained(stage, "host-interfaces", Finding::seen("probe"))?;
    contained(stage, "host-loopback", Finding::seen("probe"))?;
    contained(stage, "abstract-socket", Finding::seen("probe"))
}

pub(crate) fn loopback(stage: &Stage) -> Result<(), Finding> {
    // The route to 127.0.0.0/8 is there as soon as lo is up, and not before.
    let inside = run(stage, &[], &["cat", "/proc/net/fib_trie", "/proc/net/dev"])?.stdout;
    let interfaces = inside.lines().filter(|line| {
        line.trim_start()
            .split_once(':')
            .is_some_and(|(name, _)| name.trim().chars().all(char::is_alphanumeric))
    });
    let (up, count) = (inside.contains("127.0.0.1"), interfaces.count());
    if up
        && count >= 1
        && Visit::begin(stage, &[]).and_then(|visit| {
            let own = visit.present.has_own("net")?;
            visit.end()?;
            Ok(own)
        })?
    {
        return Ok(());
    }
    Err(Finding::seen("up").with("up", up && stage.has(2)))
}

pub(crate) fn ipc(stage: &Stage) -> Result<(), Finding> {
    own(stage, "ipc")?;
    contained(stage, "sysv-shm", Finding::seen("probe"))?;
    contained(stage, "posix-mq", Finding::seen("probe"))
}

pub(crate) fn cgroup(stage: &Stage) -> Result<(), Finding> {
    own(stage, "cgroup")?;
    contained(stage, "cgroup-path", Finding::seen("probe"))
}

pub(crate) fn only(stage: &Stage) -> Result<(), Finding> {
    // Without another root the probe is found by its host's path.
    let visit = Visit::begin(&stage.without_rootfs(), &["--only", "uts,pid"])?;
    let seen: Vec<(&str, bool)> = ["uts", "pid", "mnt", "net", "ipc", "cgroup"]
        .into_iter()
        .map(|kind| Ok::<_, Finding>((kind, visit.present.has_own(kind)?)))
        .collect::<Result<_, _>>()?;
    visit.end()?;
    if seen.iter().all(|(kind, own)| *own == ["uts", "pid"].contains(kind)) {
        return Ok(());
    }
    Err(Finding::seen("own").with("own", format!("{seen:?}")))
}

pub(crate) fn boottime(stage: &Stage) -> Result<(), Finding> {
    let options = ["--only", "user,time", "--boottime", "10y"];
    let ended = run(&stage.without_rootfs(), &options, &["cat", "/proc/uptime"])?;
    let days = ended.stdout.split('.').next().and_then(|text| text.parse::<u64>().ok()).map(|up| up / 86_400);
    if days.is_some_and(|days| days >= 3650) {
        return Ok(());
    }
    Err(Finding::seen("days").with("days", format!("{days:?}")))
}
