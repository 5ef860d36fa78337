//! Which programs the base has: busybox where the machine has one, else the machine's own usual tools.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::libraries::{self, Needs};
use super::site::Site;

/// What people type in a first container, those that the machine has.
const USUAL: &[&str] = &[
    "sh",
    "[",
    "basename",
    "cat",
    "chmod",
    "chown",
    "chroot",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "findmnt",
    "free",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "lsns",
    "mkdir",
    "mkfifo",
    "mknod",
    "mount",
    "mountpoint",
    "mv",
    "nice",
    "nohup",
    "nproc",
    "nsenter",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "unshare",
    "uptime",
    "wc",
    "whoami",
    "yes",
];

/// The programs to put, and what they are in words.
#[derive(Debug)]
pub struct Tools {
    files: Vec<Tool>,
    from: String,
}

/// One file of the machine, the names that it answers to, and what it can't start without.
#[derive(Debug)]
struct Tool {
    file: PathBuf,
    names: Vec<String>,
    needs: Needs,
}

/// Looks for them.
///
/// # Errors
/// The machine has no shell that could be taken.
pub fn choose() -> Result<Tools> {
    if let Some(tools) = find("busybox").and_then(|busybox| busybox_and_its_names(&busybox)) {
        return Ok(tools);
    }
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for (file, names) in one_each(USUAL.iter().filter_map(|name| Some(((*name).into(), find(name)?)))) {
        match libraries::named_by(&file) {
            Ok(needs) => files.push(Tool { file, names, needs }),
            // The base can do without a tool that doesn't start on this machine either.
            Err(error) => left_out.push(format!("{error:#}")),
        }
    }
    if !files.iter().any(|tool| tool.names.iter().any(|name| name == "sh")) {
        left_out.insert(0, "no sh was found in /usr/bin, /bin or PATH; install busybox or a shell".into());
        bail!(left_out.join("\n  "));
    }
    let count: usize = files.iter().map(|tool| tool.names.len()).sum();
    let mut from = format!("{count} tools of this machine");
    if !left_out.is_empty() {
        from.push_str(&format!("; left out: {}", left_out.join("; ")));
    }
    Ok(Tools { files, from })
}

/// One program that is many: it looks at the name it was called by.
fn busybox_and_its_names(busybox: &Path) -> Option<Tools> {
    let listed = Command::new(busybox).arg("--list").output().ok()?;
    let mut names = names_in(&String::from_utf8_lossy(&listed.stdout));
    // One without a shell (a rescue, a toy) is no help here: the machine's own tools are.
    if !names.iter().any(|name| name == "sh") {
        return None;
    }
    let from = format!("busybox ({} names)", names.len());
    names.insert(0, "busybox".into());
    let needs = libraries::named_by(busybox).ok()?;
    Some(Tools { files: vec![Tool { file: busybox.into(), names, needs }], from })
}

fn names_in(list: &str) -> Vec<String> {
    let names = list.lines().map(str::trim);
    names.filter(|name| !["", "busybox"].contains(name) && !name.contains('/')).map(Into::into).collect()
}

/// Names that mean one file together: a machine's tools may be one program too (uutils, toybox).
fn one_each(found: impl Iterator<Item = (String, PathBuf)>) -> BTreeMap<PathBuf, Vec<String>> {
    let mut files: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (name, file) in found {
        files.entry(file).or_default().push(name);
    }
    files
}

/// Puts the programs into the base, with what they name: each file once, its other names as links. Says from
/// what.
///
/// # Errors
/// The disk is full.
pub fn put(site: &Site, tools: &Tools) -> Result<String> {
    let folder = Path::new("usr/bin");
    for Tool { file, names, needs } in &tools.files {
        let Some((first, others)) = names.split_first() else { continue };
        libraries::put(site, needs)?;
        site.copy(folder.join(first), file)?;
        others.iter().try_for_each(|name| site.link(folder.join(name), first))?;
    }
    Ok(tools.from.clone())
}

/// The system's folders before the user's own: what a user has put before them is no usual tool. A file that
/// may not be read can't be copied.
fn find(name: &str) -> Option<PathBuf> {
    let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = usual.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name));
    let program = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0)
            && File::open(file).is_ok()
    };
    named.filter(program).find_map(|file| file.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch01_busybox_names_become_links_without_paths() {
        assert_eq!(names_in("[\nash\nbusybox\nbin/odd\n\nls\n"), ["[", "ash", "ls"]);
    }

    #[test]
    fn ch01_one_file_with_many_names_is_copied_once() {
        let found = [("cat", "/x/coreutils"), ("sh", "/x/dash"), ("ls", "/x/coreutils")];
        let files = one_each(found.into_iter().map(|(name, file)| (name.into(), file.into())));
        assert_eq!(files[Path::new("/x/coreutils")], ["cat", "ls"]);
        assert_eq!(files[Path::new("/x/dash")], ["sh"]);
    }

    #[test]
    fn ch01_what_is_no_program_is_not_found() {
        assert_eq!(find("no such tool"), None);
        assert_eq!(find("."), None); // a folder
    }
}
