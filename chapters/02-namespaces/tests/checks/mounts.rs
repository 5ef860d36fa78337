//! Its own mounts: nothing leaves, nothing arrives, the old root is gone, /proc and /sys are new.

use checks::drive::{Visit, contained, contained_by};
use checks::finding::Finding;
use checks::stage::Stage;

pub(crate) fn leave(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "mount-leaves", shared())
}

pub(crate) fn arrive(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "mount-arrives", shared())
}

/// Without another root nothing but propagation decides: pivot_root, which refuses shared mounts, isn't called.
pub(crate) fn only_mnt(stage: &Stage) -> Result<(), Finding> {
    let stage = stage.without_rootfs();
    contained_by(&stage, &["--only", "mnt"], "mount-leaves", shared())?;
    contained_by(&stage, &["--only", "mnt"], "mount-arrives", shared())?;
    let visit = Visit::begin(&stage, &["--only", "mnt"])?;
    let tied = tied(&visit);
    visit.end()?;
    if tied.is_empty() {
        return Ok(());
    }
    let seen = format!("/ is cut off, and {} of the mounts below it are not", tied.len());
    Err(Finding { seen, ..shared() })
}

/// The mounts of the command that are in touch with others, by the optional fields of mountinfo: `shared:N` both ways,
/// `master:N` from the host inwards.
fn tied(visit: &Visit) -> Vec<String> {
    let lines = visit.present.mountinfo.lines();
    let optional = |line: &&str| {
        let fields = line.split(" - ").next().unwrap_or(line);
        fields.contains(" shared:") || fields.contains(" master:")
    };
    lines.filter(optional).filter_map(|line| line.split(' ').nth(4)).map(String::from).collect()
}

fn shared() -> Finding {
    Finding {
        expected: "what is mounted on one side isn't seen on the other",
        meaning: "a new mount namespace begins with copies that stay in touch (shared) with the host's",
        look: "ch02-namespaces run mount -t tmpfs none /mnt; findmnt /mnt; grep shared: /proc/self/mountinfo",
        read: "book: chapter 02, 'its own mounts'; mount_namespaces(7), SHARED SUBTREES",
        ..Finding::default()
    }
}

pub(crate) fn propagation(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let own = visit.present.has_own("mnt")?;
    let tied = !tied(&visit).is_empty();
    visit.end()?;
    if own && !tied {
        return Ok(());
    }
    Err(Finding {
        seen: format!("mounts of its own: {own}; every one cut off from the host's: {}", own && !tied),
        ..shared()
    })
}

pub(crate) fn old_root(stage: &Stage) -> Result<(), Finding> {
    const OURS: [&str; 4] = ["/", "/proc", "/sys", "/dev"];
    let visit = Visit::begin(stage, &[])?;
    let own = visit.present.has_own("mnt")?;
    let mut roots = 0;
    let mut others = 0;
    for line in visit.present.mountinfo.lines() {
        let place = line.split(' ').nth(4).unwrap_or_default();
        roots += u32::from(place == "/");
        let below = place.starts_with("/dev/") || place.starts_with("/sys/fs/cgroup");
        others += u32::from(!OURS.contains(&place) && !below);
    }
    visit.end()?;
    if own && roots == 1 && others == 0 {
        return Ok(());
    }
    Err(Finding {
        seen: if own {
            format!("{roots} mounts on /, and {others} that don't belong to the room")
        } else {
            "the command has the host's mounts".into()
        },
        expected: "one root, /proc, /sys and /dev: no mount that leads back",
        meaning: "after pivot_root the old root is still mounted, under the new one or on top of it",
        look: "ch02-namespaces run cat /proc/self/mountinfo",
        read: "book: chapter 02, 'a root that isn't a view'; pivot_root(2)",
        ..Finding::default()
    })
}

pub(crate) fn escape(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "contained: above the root there is nothing to climb to",
        meaning: "the root was changed by chroot(2), not by pivot_root(2) in a mount namespace",
        look: "ch02-namespaces run probe try chroot-escape",
        read: "book: chapter 02, 'a root that isn't a view'; pivot_root(2), chroot(2)",
        ..Finding::default()
    };
    contained(stage, "chroot-escape", finding.clone())?;
    contained(stage, "open-dir-fd", finding)
}

pub(crate) fn proc(stage: &Stage) -> Result<(), Finding> {
    let finding = Finding {
        expected: "a /proc that shows the processes of the room alone",
        meaning: "/proc is the host's, or none: a new one must be mounted in the new pid namespace",
        look: "ch02-namespaces run ls /proc; ch02-namespaces run cat /proc/1/cmdline",
        read: "book: chapter 02, 'its own numbers'; proc(5), pid_namespaces(7)",
        ..Finding::default()
    };
    contained(stage, "host-processes", finding.clone())?;
    contained(stage, "proc-root", finding.clone())?;
    contained(stage, "proc-environ", finding.clone())?;
    let visit = Visit::begin(stage, &[])?;
    // From the host, through its root: process 1 in there is the command itself.
    let inner = std::fs::read_to_string(format!("/proc/{}/root/proc/1/cmdline", visit.present.pid))
        .unwrap_or_default();
    visit.end()?;
    if inner.contains("try\0environment") {
        return Ok(());
    }
    Err(Finding { seen: "process 1 in its /proc isn't the command".into(), ..finding })
}

pub(crate) fn sys(stage: &Stage) -> Result<(), Finding> {
    contained(
        stage,
        "sys-writable",
        Finding {
            expected: "/sys can be read and not written",
            meaning: "/sys holds the settings of the whole machine; it is mounted read-only, or the host's shines through",
            look: "ch02-namespaces run grep ' /sys ' /proc/self/mountinfo",
            read: "book: chapter 02, 'a bare /dev, a read-only /sys'; sysfs(5)",
            ..Finding::default()
        },
    )
}
