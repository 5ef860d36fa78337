//! A folder that may be a root file system, looked at before the kernel is asked: its ENOENT would not say
//! which of two things is missing.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ch00_process::failure::Failure;
use ch00_process::kernel_file;

use crate::base;

/// The folder that was named, or the default base, which is made where it isn't there yet.
///
/// # Errors
/// Not there, not a directory, one that the kernel makes up (`/proc`), empty, not readable, or the base can't be made; each with what to do.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    // ANCHOR: task-systems
    match named {
        Some(path) => look(path),
        None => base::ensure_default().map_err(|error| {
            Failure::said(
                format!("the base root file system: {error:#}"),
                "",
                "name another with --rootfs DIR",
            )
        }),
    }
    // ANCHOR_END: task-systems
}

fn look(path: &Path) -> Result<PathBuf, Failure> {
    let make = "ch01-chroot base DIR makes a root file system from this machine";
    let shown = path.display();
    let seen = fs::metadata(path).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::NotFound => "there is nothing at this path",
            std::io::ErrorKind::PermissionDenied => {
                "this user may not pass through a folder on the way to it"
            }
            _ => "the folder can't be looked at",
        };
        Failure::said(format!("rootfs {shown}: {error}"), cause, make)
    })?;
    if !seen.is_dir() {
        let cause = "a rootfs is a folder; an archive has to be unpacked first";
        return Err(Failure::said(format!("rootfs {shown}: not a directory"), cause, make));
    }
    if let Some(kind) = made_by_the_kernel(path) {
        let cause =
            "the kernel makes up what is in there: no program is in it, no folder for a mount is made in it";
        return Err(Failure::said(format!("rootfs {shown}: a {kind} file system"), cause, make));
    }
    let mut entries = fs::read_dir(path).map_err(|error| {
        Failure::said(format!("rootfs {shown}: {error}"), "this user may not read the folder", make)
    })?;
    if entries.next().is_none() {
        let cause = "there is no program in it that could be run";
        return Err(Failure::said(format!("rootfs {shown}: an empty directory"), cause, make));
    }
    path.canonicalize().map_err(|error| Failure::said(format!("rootfs {shown}: {error}"), "", make))
}

/// File systems that show something of the kernel as files, and hold nothing. In some a new folder means something: a
/// control group, on the host.
const PSEUDO: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// The kind of such a file system, where the folder is in one. The mount that it is in is known by the descriptor, not by
/// its path. proc_pid_fdinfo(5), proc_pid_mountinfo(5)
fn made_by_the_kernel(folder: &Path) -> Option<String> {
    // Who has blocks is no such file system, and the list of mounts need not be read: but for devtmpfs, which is /dev.
    let device = |path: &Path| fs::metadata(path).map(|seen| seen.dev()).ok();
    if rustix::fs::statfs(folder).ok()?.f_blocks > 0 && device(folder) != device(Path::new("/dev")) {
        return None;
    }
    let opened = fs::File::open(folder).ok()?;
    let info = kernel_file::text(&PathBuf::from(format!("/proc/self/fdinfo/{}", opened.as_raw_fd()))).ok()?;
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().to_string();
    let mounts = kernel_file::text(Path::new("/proc/self/mountinfo")).ok()?;
    kind_of(&mounts, &mount).filter(|kind| PSEUDO.contains(kind)).map(ToString::to_string)
}

/// The kind of the mount with this number: the first word behind the dash.
fn kind_of<'a>(mounts: &'a str, mount: &str) -> Option<&'a str> {
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(mount))?;
    line.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch01_the_kind_of_a_mount_is_read() {
        let mounts =
            "22 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n122 22 0:5 / /a\\040-\\040b rw - proc proc rw\n";
        assert_eq!((kind_of(mounts, "22"), kind_of(mounts, "122")), (Some("ext4"), Some("proc")));
        assert_eq!(kind_of(mounts, "2"), None);
    }

    #[test]
    fn ch01_what_the_kernel_makes_up_is_no_rootfs() {
        for folder in ["/proc", "/proc/self", "/proc/sys/kernel"] {
            assert_eq!(made_by_the_kernel(Path::new(folder)).as_deref(), Some("proc"), "{folder}");
            let refused = find(Some(Path::new(folder))).unwrap_err();
            assert!(refused.call.contains("a proc file system") && !refused.hint.is_empty(), "{refused}");
        }
        assert_eq!(made_by_the_kernel(&std::env::temp_dir()), None);
    }
}
