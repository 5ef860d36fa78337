//! Its own names: hostname, process numbers, interfaces, keys of memory, cgroup paths, clocks.

use checks::drive::{Visit, contained, run, status_field};
use checks::finding::Finding;
use checks::stage::Stage;

/// The host's side first: another namespace of this kind, or what is missing.
fn own(stage: &Stage, kind: &str, otherwise: Finding) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let own = visit.present.has_own(kind)?;
    visit.end()?;
    if own {
        return Ok(());
    }
    Err(Finding { seen: format!("/proc/PID/ns/{kind} of the command is the host's"), ..otherwise })
}

pub(crate) fn hostname(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "a hostname inside that the host doesn't get",
        meaning: "the uts namespace is missing, or the name was set before the child was in it",
        look: "ch02-namespaces run --hostname box hostname; hostname",
        read: "book: chapter 02, 'its own name'; uts_namespaces(7)",
        ..Finding::default()
    };
    let before = nix::unistd::gethostname()?;
    let inside = run(stage, &stage.knows(2, &["--hostname", "box"]), &["uname", "-n"])?.stdout;
    let after = nix::unistd::gethostname()?;
    if before != after {
        let _ = nix::unistd::sethostname(&before);
        return Err(Finding { seen: "the host has another name than before".into(), ..finding });
    }
    own(stage, "uts", finding.clone())?;
    contained(stage, "hostname", finding.clone())?;
    if inside.trim() == "box" {
        return Ok(());
    }
    Err(Finding { seen: format!("--hostname box, and the name inside is {:?}", inside.trim()), ..finding })
}

pub(crate) fn processes(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "the command is process 1, and sees no process of the host",
        meaning: "the pid namespace is missing, or /proc shows the host's still",
        look: "ch02-namespaces run ps; lsns -t pid",
        read: "book: chapter 02, 'its own numbers'; pid_namespaces(7)",
        ..Finding::default()
    };
    own(stage, "pid", finding.clone())?;
    let visit = Visit::begin(stage, &[])?;
    let inner =
        status_field(&visit.present.status, "NSpid").split_ascii_whitespace().last().map(String::from);
    visit.end()?;
    if inner.as_deref() != Some("1") {
        return Err(Finding { seen: format!("the command's number inside is {inner:?}"), ..finding });
    }
    contained(stage, "host-processes", finding.clone())?;
    contained(stage, "kill-host-process", finding)
}

pub(crate) fn network(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "interfaces, ports and abstract sockets of its own",
        meaning: "the network namespace is missing",
        look: "ch02-namespaces run cat /proc/net/dev; lsns -t net",
        read: "book: chapter 02, 'its own network'; network_namespaces(7)",
        ..Finding::default()
    };
    own(stage, "net", finding.clone())?;
    contained(stage, "host-interfaces", finding.clone())?;
    contained(stage, "host-loopback", finding.clone())?;
    contained(stage, "abstract-socket", finding)
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
    Err(Finding {
        seen: format!("a network of its own with 127.0.0.1 in its table: {}", up && stage.has(2)),
        expected: "a network of its own, with lo up in it",
        meaning: "a new network namespace has a loopback interface, and it is down",
        look: "ch02-namespaces run ping -c1 127.0.0.1",
        read: "book: chapter 02, 'its own network'; network_namespaces(7), rtnetlink(7)",
        ..Finding::default()
    })
}

pub(crate) fn ipc(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "shared memory and message queues of its own",
        meaning: "the ipc namespace is missing",
        look: "ipcmk -M 4096; ipcs -m; ch02-namespaces run cat /proc/sysvipc/shm",
        read: "book: chapter 02, 'look first'; ipc_namespaces(7)",
        ..Finding::default()
    };
    own(stage, "ipc", finding.clone())?;
    contained(stage, "sysv-shm", finding.clone())?;
    contained(stage, "posix-mq", finding)
}

pub(crate) fn cgroup(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "/proc/self/cgroup begins at the command's own group: /",
        meaning: "the cgroup namespace is missing",
        look: "ch02-namespaces run cat /proc/self/cgroup",
        read: "book: chapter 02, 'look first'; cgroup_namespaces(7)",
        ..Finding::default()
    };
    own(stage, "cgroup", finding.clone())?;
    contained(stage, "cgroup-path", finding)
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
    Err(Finding {
        seen: format!("its own, with --only uts,pid: {seen:?}"),
        expected: "uts and pid its own, all others the host's",
        meaning: "--only is there to look at one namespace alone",
        look: "ch02-namespaces run --only uts,pid ls -l /proc/self/ns",
        read: "book: chapter 02, 'look first'; namespaces(7)",
        ..Finding::default()
    })
}

pub(crate) fn boottime(stage: &Stage) -> Result<(), Finding> {
    let options = ["--only", "user,time", "--boottime", "10y"];
    let ended = run(&stage.without_rootfs(), &options, &["cat", "/proc/uptime"])?;
    let days = ended.stdout.split('.').next().and_then(|text| text.parse::<u64>().ok()).map(|up| up / 86_400);
    if days.is_some_and(|days| days >= 3650) {
        return Ok(());
    }
    Err(Finding {
        seen: format!("up for {days:?} days"),
        expected: "3,650 days at least",
        meaning: "the offsets of the time namespace were not written before the first process entered it",
        look: "ch02-namespaces run --only user,time --boottime 10y uptime",
        read: "book: chapter 02, 'look first'; time_namespaces(7)",
        ..Finding::default()
    })
}
