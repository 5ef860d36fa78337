//! Which programs the base has: busybox where the machine has one, else the machine's own usual tools.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::libraries::put_program;

/// What people type in a first container, those that the machine has.
const USUAL: &[&str] = &[
    "sh", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "du", "echo", "env", "expr", "false",
    "find", "free", "grep", "head", "hostname", "id", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod",
    "mount", "mv", "nice", "nohup", "printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sleep",
    "sort", "stat", "sync", "tail", "test", "touch", "tr", "true", "tty", "umount", "uname", "unshare",
    "uptime", "wc", "whoami", "yes",
];

/// Puts the programs into `root`, with what they name. Says from what.
///
/// # Errors
/// The machine has no shell at all, or the disk is full.
pub fn put(root: &Path) -> Result<String> {
    match find("busybox") {
        Some(busybox) => busybox_and_its_names(root, &busybox),
        None => the_usual(root),
    }
}

/// One program that is many: it looks at the name it was called by.
fn busybox_and_its_names(root: &Path, busybox: &Path) -> Result<String> {
    put_program(root, busybox, "busybox")?;
    let listed =
        Command::new(busybox).arg("--list").output().with_context(|| busybox.display().to_string())?;
    let names = String::from_utf8_lossy(&listed.stdout);
    let mut count = 0;
    for name in names.lines().filter(|name| *name != "busybox" && !name.contains('/')) {
        symlink("busybox", root.join("bin").join(name))?;
        count += 1;
    }
    if count == 0 {
        bail!("{} --list names nothing", busybox.display());
    }
    Ok(format!("busybox ({count} names)"))
}

fn the_usual(root: &Path) -> Result<String> {
    let mut count = 0;
    for name in USUAL {
        if let Some(program) = find(name) {
            put_program(root, &program, name)?;
            count += 1;
        }
    }
    if !root.join("bin/sh").exists() {
        bail!("there is no sh in PATH; install busybox, or put a shell into PATH");
    }
    Ok(format!("{count} tools of this machine"))
}

/// The system's folders before the user's own: what a user has put before them is no usual tool.
fn find(name: &str) -> Option<PathBuf> {
    let usual = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = usual.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    found.filter(|file| file.is_file()).find_map(|file| file.canonicalize().ok())
}
