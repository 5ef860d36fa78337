//! `mount_setattr(2)`, which rustix doesn't have yet.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, {attr_set = MOUNT_ATTR_IDMAP, propagation =
/// MS_PRIVATE, userns_fd})`: whoever owns a file with id `n` inside the user namespace, owns it as `n` on
/// disk; and a copy of a shared mount, which is shared too, no longer is. 5.12.
///
/// # Errors
/// EINVAL: the file system can't (`FS_ALLOW_IDMAP`), the user namespace has no map yet, or the mount is
/// attached already. EPERM: not privileged over the file system.
pub fn mount_setattr_idmap(tree: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attributes = nothing();
    attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
    attributes.propagation = libc::MS_PRIVATE;
    attributes.userns_fd = userns.as_raw_fd() as u64;
    set(tree, libc::AT_RECURSIVE, &attributes)
}

/// `mount_setattr(tree, "", AT_EMPTY_PATH [| AT_RECURSIVE], {attr_set or attr_clr = MOUNT_ATTR_RDONLY})`: this mount,
/// or it and every mount below it, can't be written through; or can again. 5.12.
///
/// # Errors
/// EPERM: the flag is locked by the user namespace above. EINVAL: not the root of a mount.
pub fn mount_setattr_read_only(tree: BorrowedFd<'_>, recursive: bool, on: bool) -> Result<(), Errno> {
    let mut attributes = nothing();
    let which = if on { &mut attributes.attr_set } else { &mut attributes.attr_clr };
    *which = libc::MOUNT_ATTR_RDONLY;
    set(tree, if recursive { libc::AT_RECURSIVE } else { 0 }, &attributes)
}

fn nothing() -> libc::mount_attr {
    // SAFETY: mount_attr is a plain structure of integers; all zeroes is a valid value of it.
    unsafe { zeroed() }
}

fn set(tree: BorrowedFd<'_>, flags: i32, attributes: &libc::mount_attr) -> Result<(), Errno> {
    // SAFETY: the path is a C string and `attributes` lives until the call returns; the kernel only reads.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(answer).map(drop)
}
