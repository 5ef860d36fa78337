//! Where things lie: a checkout on a foreign disk, a folder from which nothing may be executed.

use std::env;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::Finding;
use super::facts::Facts;

/// Where the sources are.
#[must_use]
pub fn checkout(facts: &Facts) -> Vec<Finding> {
    let name = "the checkout";
    let place = facts.checkout.display();
    let Some(mount) = facts.mount_of(&facts.checkout) else {
        return vec![Finding::note(name, format!("{place}: on no mount that can be seen here"))];
    };
    let mut found = Vec::new();
    match mount.kind.as_str() {
        "9p" | "drvfs" | "v9fs" => found.push(Finding::partly(
            name,
            format!("{place} is on a disk of Windows ({}): slow, and without modes and sockets", mount.kind),
            "clone it into the Linux home instead: cd ~ && git clone ...",
        )),
        "vboxsf" | "fuse.sshfs" | "fuse.vmhgfs-fuse" | "prl_fs" | "ntfs3" | "fuseblk" | "exfat" | "vfat" => {
            found.push(Finding::partly(
                name,
                format!(
                    "{place} is on {}: without the modes, owners and links that the build needs",
                    mount.kind
                ),
                "clone it onto a Linux file system: cd ~ && git clone ...",
            ))
        }
        _ => {}
    }
    if mount.has("ro") {
        found.push(Finding::partly(
            name,
            format!("{place} is on a read-only mount"),
            "export CARGO_TARGET_DIR=$HOME/boxroom-target (exercises need a checkout that can be written)",
        ));
    }
    if found.is_empty() {
        found.push(Finding::fine(name, format!("{place}, on {}", mount.kind)));
    }
    found
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target(facts: &Facts) -> Finding {
    let folder = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let folder = folder.unwrap_or_else(|| facts.checkout.join("target"));
    executable(facts, "the target folder", &folder, "export CARGO_TARGET_DIR=$HOME/boxroom-target")
}

/// Where root file systems will lie.
#[must_use]
pub fn data(facts: &Facts) -> Finding {
    let name = "the data folder";
    let root = match ch00_process::place::data_root() {
        Ok(root) => root,
        Err(error) => {
            return Finding::missing(name, format!("{error:#}"), "export BOXROOM_ROOT=$HOME/boxroom");
        }
    };
    executable(facts, name, &root, "export BOXROOM_ROOT=FOLDER on a disk of Linux")
}

/// Can be written (it, or the first folder above it that is there), and what lies in it executed.
fn executable(facts: &Facts, name: &'static str, folder: &Path, cure: &str) -> Finding {
    let there: PathBuf = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).into();
    let shown = folder.display();
    let Some(mount) = facts.mount_of(&there) else {
        return Finding::note(name, format!("{shown}: on no mount that can be seen here"));
    };
    if mount.has("noexec") {
        return Finding::missing(
            name,
            format!("{shown} is on a mount with noexec: no program there can be run"),
            cure,
        );
    }
    if access(&there, AccessFlags::W_OK).is_err() {
        let what = if there == folder { String::new() } else { format!(" ({})", there.display()) };
        return Finding::missing(name, format!("{shown}{what} can't be written by this user"), cure);
    }
    let nosuid =
        if mount.has("nosuid") { ", with nosuid: setuid programs in it are ordinary ones" } else { "" };
    Finding::fine(name, format!("{shown}, on {}{nosuid}", mount.kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;
    use crate::doctor::facts::Mount;

    fn on(kind: &str, options: &str) -> Facts {
        let mount = Mount { point: "/".into(), options: options.into(), kind: kind.into() };
        Facts { checkout: "/mnt/c/boxroom".into(), mounts: vec![mount], ..Facts::default() }
    }

    #[test]
    fn a_windows_disk_and_a_read_only_one_are_named() {
        assert_eq!(checkout(&on("ext4", "rw"))[0].state, State::Fine);
        assert!(checkout(&on("9p", "rw"))[0].seen.contains("Windows"));
        assert!(checkout(&on("ext4", "ro,relatime"))[0].seen.contains("read-only"));
    }

    #[test]
    fn noexec_is_found() {
        let found = executable(&on("tmpfs", "rw,noexec"), "x", Path::new("/tmp/not/there"), "cure");
        assert_eq!(found.state, State::Missing);
    }
}
