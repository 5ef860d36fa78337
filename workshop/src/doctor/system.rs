//! The kernel: its version, what surrounds it, and what it lets us do when we try.

use std::env;
use std::fs;
use std::path::Path;

use ch00_process::kernel::age::OLDEST;
use nix::errno::Errno;

use super::attempt::attempt;
use super::facts::Facts;
use super::{Finding, State};

/// New enough?
#[must_use]
pub fn kernel(facts: &Facts) -> Finding {
    let (major, minor) = OLDEST;
    match number(&facts.release) {
        Some(version) if version >= OLDEST => {
            Finding::fine("kernel", format!("Linux {} ({major}.{minor} or newer is needed)", facts.release))
        }
        Some(_) => Finding::missing(
            "kernel",
            format!("Linux {} is older than {major}.{minor}", facts.release),
            "a newer distribution: Debian 12, Ubuntu 22.04, RHEL 9, or a virtual machine with one",
        ),
        None => Finding::note("kernel", format!("can't read a version in {:?}", facts.release)),
    }
}

fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What this Linux itself runs in.
#[must_use]
pub fn surroundings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let version = facts.version.to_lowercase();
    if version.contains("wsl2") {
        found.push(Finding::note(
            "WSL2",
            "a real Linux kernel beside Windows; keep the checkout in the Linux home",
        ));
    } else if version.contains("microsoft") {
        found.push(Finding::missing(
            "WSL1",
            "Windows imitates Linux here; it has no namespaces",
            "in PowerShell: wsl --set-version NAME 2",
        ));
    }
    found.push(container());
    found
}

/// The first namespaces of a machine have fixed numbers (`include/uapi/linux/nsfs.h`), so nobody has to guess.
const FIRST: [(&str, u64); 2] = [("pid", 0xEFFF_FFFC), ("user", 0xEFFF_FFFD)];

fn container() -> Finding {
    let inside: Vec<&str> = FIRST
        .iter()
        .filter(|(name, first)| {
            let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
            !link.to_string_lossy().ends_with(&format!("[{first}]"))
        })
        .map(|(name, _)| *name)
        .collect();
    if inside.is_empty() {
        return Finding::fine(
            "surroundings",
            "not in a container: pid and user namespace are the machine's first",
        );
    }
    let by = maker();
    Finding::partly(
        "surroundings",
        format!("inside a container already{by}: its {} namespace is not the machine's first", inside.join(" and ")),
        "fine where the tries below are; else run on the machine itself, or start that container with fewer restrictions \
         (docker run --privileged, or the options in .devcontainer/devcontainer.json)",
    )
    .worth_only_a_note()
}

fn maker() -> String {
    if Path::new("/run/.containerenv").exists() {
        " (Podman's)".into()
    } else if Path::new("/.dockerenv").exists() {
        " (Docker's)".into()
    } else {
        env::var("container").map(|name| format!(" ({name})")).unwrap_or_default()
    }
}

impl Finding {
    /// A container around us is bad only where a try fails, and then that try says so.
    fn worth_only_a_note(mut self) -> Self {
        self.state = State::Note;
        self
    }
}

/// May we change our root directory?
#[must_use]
pub fn chroot() -> Finding {
    match attempt("chroot", false) {
        Ok(()) if nix::unistd::geteuid().is_root() => Finding::fine("chroot", "allowed (tried)"),
        Ok(()) => Finding::fine(
            "chroot",
            "allowed inside a user namespace of one's own (tried); `--root` does it by sudo",
        ),
        Err(refusal) => Finding::missing(
            "chroot",
            format!("refused: {refusal}"),
            "run as root (--root), or allow user namespaces (see 02-namespaces)",
        ),
    }
}

/// Each kind of namespace, tried.
#[must_use]
pub fn namespaces() -> Finding {
    let kinds = ["mnt", "pid", "uts", "ipc", "net", "cgroup", "time"];
    let refused: Vec<_> =
        kinds.iter().filter_map(|kind| attempt(kind, false).err().map(|refusal| (*kind, refusal))).collect();
    let Some((_, first)) = refused.first() else {
        return Finding::fine("namespaces", format!("{} (each tried)", kinds.join(", ")));
    };
    let names: Vec<_> = refused.iter().map(|(kind, _)| *kind).collect();
    let seen = format!("refused: {} ({first})", names.join(", "));
    let cure = match first.errno {
        Errno::EINVAL => "a kernel that was built with them: ls /proc/self/ns shows what this one has",
        Errno::ENOSPC => "raise the limits: sysctl user shows them (user.max_*_namespaces)",
        _ => "run as root, or see user namespaces below",
    };
    if names == ["time"] {
        Finding::partly("namespaces", seen, cure)
    } else {
        Finding::missing("namespaces", seen, cure)
    }
}

/// A new /proc inside: what a container around us may forbid.
#[must_use]
pub fn fresh_proc() -> Finding {
    match attempt("proc", false) {
        Ok(()) => Finding::fine("a new /proc", "can be mounted inside (tried)"),
        Err(refusal) if refusal.call == "mount" && refusal.errno == Errno::EPERM => Finding::missing(
            "a new /proc",
            "refused: a part of /proc is covered here, as Docker does, and the kernel gives no clean one below that",
            "on the machine itself, or: docker run --security-opt systempaths=unconfined ...",
        ),
        Err(refusal) => Finding::missing("a new /proc", format!("refused: {refusal}"), "see user namespaces"),
    }
}

/// The file system that images are stacked with.
#[must_use]
pub fn overlay(facts: &Facts) -> Finding {
    match attempt("overlay", false) {
        Ok(()) => Finding::fine("overlayfs", "can be mounted (tried)"),
        Err(refusal) if refusal.errno == Errno::ENODEV => Finding::missing(
            "overlayfs",
            "the kernel has no overlay loaded",
            format!(
                "sudo modprobe overlay (or, in a small VM, {})",
                facts.install("linux-image-amd64", "kernel-modules", "linux")
            ),
        ),
        Err(refusal) => {
            Finding::partly("overlayfs", format!("refused: {refusal}"), "run as root, or see user namespaces")
        }
    }
}

/// Whether a mount can be copied and made read-only before anybody sees it.
pub fn plug() -> Finding {
    match attempt("plug", false) {
        Ok(()) => Finding::fine("open_tree, mount_setattr", "a mount can be plugged in read-only (tried)"),
        Err(refusal) if refusal.errno == Errno::ENOSYS => Finding::missing(
            "open_tree, mount_setattr",
            "the kernel is older than 5.12",
            "a newer kernel: Linux 5.14 or later",
        ),
        Err(refusal) => Finding::partly(
            "open_tree, mount_setattr",
            format!("refused: {refusal}"),
            "run as root, or see user namespaces",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions_are_compared_as_numbers() {
        let on = |release: &str| kernel(&Facts { release: release.into(), ..Facts::default() }).state;
        assert_eq!(on("5.9.0-1"), State::Missing);
        assert_eq!(on("5.14.0-70.el9"), State::Fine);
        assert_eq!(on("6.1.0-30-amd64"), State::Fine);
        assert_eq!(on("10.0"), State::Fine);
        assert_eq!(on(""), State::Note);
    }

    #[test]
    fn wsl1_is_told_from_wsl2() {
        let on = |version: &str| surroundings(&Facts { version: version.into(), ..Facts::default() })[0].name;
        assert_eq!(on("Linux version 5.15.1-microsoft-standard-WSL2"), "WSL2");
        assert_eq!(on("Linux version 4.4.0-19041-Microsoft"), "WSL1");
    }
}
