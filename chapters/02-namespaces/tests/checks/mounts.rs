//! Its own mounts: nothing leaves, nothing arrives, the old root is gone, /proc and /sys are new.

use checks::drive::{Visit, contained, contained_by};
use checks::finding::Finding;
use checks::stage::Stage;

pub(crate) fn leave(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "mount-leaves", Finding::seen("probe"))
}

pub(crate) fn arrive(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "mount-arrives", Finding::seen("probe"))
}

/// Without another root nothing but propagation decides: pivot_root, which refuses shared mounts, isn't called.
pub(crate) fn only_mnt(stage: &Stage) -> Result<(), Finding> {
    let stage = stage.without_rootfs();
    contained_by(&stage, &["--only", "mnt"], "mount-leaves", Finding::seen("probe"))?;
    contained_by(&stage, &["--only", "mnt"], "mount-arrives", Finding::seen("probe"))?;
    let visit = Visit::begin(&stage, &["--only", "mnt"])?;
    let tied = tied(&visit);
    visit.end()?;
    if tied.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("tied").with("number", tied.len()))
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

pub(crate) fn propagation(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let own = visit.present.has_own("mnt")?;
    let tied = !tied(&visit).is_empty();
    visit.end()?;
    if own && !tied {
        return Ok(());
    }
    Err(Finding::seen("cut").with("own", own).with("cut", own && !tied))
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
    if own {
        return Err(Finding::seen("roots").with("roots", roots).with("others", others));
    }
    Err(Finding::seen("hosts"))
}

pub(crate) fn escape(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "chroot-escape", Finding::seen("probe"))?;
    contained(stage, "open-dir-fd", Finding::seen("probe"))
}

pub(crate) fn proc(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "host-processes", Finding::seen("probe"))?;
    contained(stage, "proc-root", Finding::seen("probe"))?;
    contained(stage, "proc-environ", Finding::seen("probe"))?;
    let visit = Visit::begin(stage, &[])?;
    // From the host, through its root: process 1 in there is the command itself.
    let inner = std::fs::read_to_string(format!("/proc/{}/root/proc/1/cmdline", visit.present.pid))
        .unwrap_or_default();
    visit.end()?;
    if inner.contains("try\0environment") {
        return Ok(());
    }
    Err(Finding::seen("other"))
}

pub(crate) fn sys(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "sys-writable", Finding::seen("probe"))
}
