//! A stack of layers to look at: one tree, read-only, attached nowhere, gone with its descriptor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::apply::attributes::in_user_namespace;
use crate::store::Store;

/// The root of such a tree, and the mount that ends with it.
#[derive(Debug)]
pub struct Merged {
    root: OwnedFd,
    _mount: OwnedFd,
}

impl AsFd for Merged {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// The merged tree of these folders, the lowest first.
///
/// # Errors
/// The kernel refuses (no privilege, or before 6.8 more than some 160 folders).
pub fn merged(store: &Store, folders: &[PathBuf]) -> Result<Merged> {
    // One directory alone is no stack for overlayfs; an empty one beneath it makes it one.
    let empty = store.containers().join(".empty");
    std::fs::create_dir_all(&empty)?;
    let stack: Vec<&PathBuf> = folders.iter().rev().chain([&empty]).collect();
    let mount = match by_fsconfig(&stack)? {
        Some(mount) => mount,
        None => by_mount(&stack, &empty)?,
    };
    // What fsmount gives can only be passed through (O_PATH), not read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&mount, ".", flags, Mode::empty()).context("openat")?;
    Ok(Merged { root, _mount: mount })
}

/// None where the kernel doesn't know `lowerdir+` yet, or (until 6.8) takes names apart at their colons.
fn by_fsconfig(stack: &[&PathBuf]) -> Result<Option<OwnedFd>> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("fsopen(\"overlay\")")?;
    for folder in stack {
        match fsconfig_set_string(context.as_fd(), "lowerdir+", folder.as_os_str()) {
            Err(Errno::INVAL) => return Ok(None),
            other => other.with_context(|| format!("fsconfig(lowerdir+, {})", folder.display()))?,
        }
    }
    fsconfig_set_string(context.as_fd(), "redirect_dir", "nofollow").context("fsconfig(redirect_dir)")?;
    if in_user_namespace() {
        fsconfig_set_flag(context.as_fd(), "userxattr").context("fsconfig(userxattr)")?;
    }
    match fsconfig_create(context.as_fd()) {
        // Until 6.5 every key was taken as it came, and only here is it found that nobody knows it.
        Err(Errno::INVAL) => return Ok(None),
        other => other.context("fsconfig(FSCONFIG_CMD_CREATE)")?,
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).context("fsmount").map(Some)
}

/// The way of older kernels: mount(2) wants a place, so a thread makes itself a mount namespace that nobody else sees,
/// mounts there, and takes a copy that is attached nowhere. The namespace ends with the thread.
fn by_mount(stack: &[&PathBuf], place: &Path) -> Result<OwnedFd> {
    let mounted = || {
        unshare(CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWNS)")?;
        let (none, private): (Option<&str>, _) = (None, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        mount(none, "/", none, private, none).context("mount(MS_PRIVATE)")?;
        // Short names, in which no letter means anything.
        let open = |folder: &&PathBuf| File::open(folder).with_context(|| folder.display().to_string());
        let opened = stack.iter().map(open).collect::<Result<Vec<File>>>()?;
        let name = |folder: &File| format!("/proc/self/fd/{}", folder.as_raw_fd());
        let lower = opened.iter().map(name).collect::<Vec<_>>().join(":");
        let books = if in_user_namespace() { ",userxattr" } else { "" };
        let options = format!("lowerdir={lower},redirect_dir=nofollow{books}");
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
        mount(Some("overlay"), place, Some("overlay"), flags, Some(options.as_str()))
            .with_context(|| format!("mount(overlay, {} folders)", stack.len()))?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        rustix::mount::open_tree(CWD, place, flags).context("open_tree")
    };
    thread::scope(|scope| scope.spawn(mounted).join())
        .map_err(|_| anyhow!("looking at the layers panicked"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways; who may not mount at all (an ordinary user outside of the map) is refused by both.
    #[test]
    fn ch04_both_ways_show_the_same_tree() {
        let folder = std::env::temp_dir().join(format!("boxroom-view-{}", std::process::id()));
        let (below, above, empty) = (folder.join("a:b,c"), folder.join("above"), folder.join("empty"));
        for path in [&below, &above, &empty] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(below.join("one"), "below").unwrap();
        std::fs::write(above.join("one"), "above").unwrap();
        let stack = [&above, &below, &empty];
        let ways = (by_fsconfig(&stack), by_mount(&stack, &empty));
        let (Ok(by_fsconfig), Ok(by_mount)) = ways else {
            assert!(!nix::unistd::geteuid().is_root() && ways.0.is_err() && ways.1.is_err(), "{ways:?}");
            std::fs::remove_dir_all(folder).unwrap();
            return;
        };
        for tree in by_fsconfig.iter().chain([&by_mount]) {
            let file = rustix::fs::openat(tree, "one", OFlags::RDONLY, Mode::empty()).unwrap();
            assert_eq!(std::io::read_to_string(File::from(file)).unwrap(), "above");
        }
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        assert!(!mounts.contains("boxroom-view-"), "something stays mounted");
        drop((by_fsconfig, by_mount));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
