//! Programs: what builds the house, what fills the base image, what one looks with.

use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use super::Finding;
use super::facts::Facts;
use super::users::in_path;

/// Cargo can't link without one.
#[must_use]
pub fn linker() -> Finding {
    match in_path("cc") {
        Some(cc) => Finding::fine("C linker", cc.display().to_string()),
        None => Finding::note(
            "C linker",
            "no cc in PATH, yet this was built: cargo is configured for another one",
        ),
    }
}

/// A static probe runs in every image; without libc.a it brings its libraries along.
#[must_use]
pub fn static_libc(facts: &Facts) -> Finding {
    let asked = Command::new("cc").arg("-print-file-name=libc.a").output();
    let path = asked.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_string()).unwrap_or_default();
    // Where it isn't, cc answers the name alone.
    if Path::new(&path).is_absolute() && Path::new(&path).exists() {
        return Finding::fine("libc.a", "here: the probe is one file that runs in any image");
    }
    Finding::partly(
        "libc.a",
        "not here: the probe carries its loader and libraries along, programs start 0.3 ms later",
        facts.install("libc6-dev", "glibc-static", "glibc"),
    )
}

/// What chapter 00 looks at the machine with.
#[must_use]
pub fn lookers(facts: &Facts) -> Finding {
    let wanted = ["strace", "lsns", "nsenter", "ps"];
    let lack: Vec<_> = wanted.into_iter().filter(|name| in_path(name).is_none()).collect();
    if lack.is_empty() {
        return Finding::fine("to look with", wanted.join(", "));
    }
    let packages = facts.install(
        "strace util-linux procps",
        "strace util-linux procps-ng",
        "strace util-linux procps-ng",
    );
    Finding::partly("to look with", format!("not here: {}", lack.join(", ")), packages)
}

/// What the base root file system is made from.
#[must_use]
pub fn base(facts: &Facts) -> Finding {
    let name = "base image";
    let sudo = if geteuid().is_root() || in_path("sudo").is_some() {
        ""
    } else {
        " (no sudo here: --root won't work)"
    };
    if let Some(busybox) = in_path("busybox") {
        return Finding::fine(name, format!("from {}{sudo}", busybox.display()));
    }
    let tools = ["sh", "ls", "cat", "ps", "hostname", "id", "mount", "sleep", "touch"];
    let lack: Vec<_> = tools.into_iter().filter(|tool| in_path(tool).is_none()).collect();
    if lack.is_empty() {
        return Finding::fine(name, format!("from this machine's sh, ls, ps, ... and their libraries{sudo}"));
    }
    Finding::partly(
        name,
        format!("from this machine's tools, without {}{sudo}", lack.join(", ")),
        facts.install("busybox-static", "busybox", "busybox"),
    )
}
