//! A stack of layers to look at: one tree, read-only, attached nowhere, gone with its descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
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
/// The kernel refuses (older than 6.8, or no privilege).
pub fn merged(store: &Store, folders: &[PathBuf]) -> Result<Merged> {
    // One directory alone is no stack for overlayfs; an empty one beneath it makes it one.
    let empty = store.containers().join(".empty");
    std::fs::create_dir_all(&empty)?;
    let stack = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("fsopen(\"overlay\")")?;
    for folder in folders.iter().rev().chain([&empty]) {
        fsconfig_set_string(stack.as_fd(), "lowerdir+", folder.as_os_str())
            .with_context(|| format!("fsconfig(lowerdir+, {})", folder.display()))?;
    }
    fsconfig_set_string(stack.as_fd(), "redirect_dir", "nofollow").context("fsconfig(redirect_dir)")?;
    if in_user_namespace() {
        fsconfig_set_flag(stack.as_fd(), "userxattr").context("fsconfig(userxattr)")?;
    }
    fsconfig_create(stack.as_fd()).context("fsconfig(FSCONFIG_CMD_CREATE)")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mount = fsmount(stack.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).context("fsmount")?;
    // What fsmount gives can only be passed through (O_PATH), not read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&mount, ".", flags, Mode::empty()).context("openat")?;
    Ok(Merged { root, _mount: mount })
}
