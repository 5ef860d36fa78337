//! Mounts and roots: chroot, pivot_root, and the mount calls that give descriptors (5.2 and later).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::kernel::{Call, Result, errno, raw};

impl Call<'_> {
    /// `chroot`: another directory is `/` for this process and its children. It moves nothing else: not
    /// the working directory, not open descriptors. chroot(2).
    ///
    /// # Errors
    /// EPERM: no CAP_SYS_CHROOT. ENOENT, ENOTDIR: the path.
    pub fn chroot(self, new_root: &Path) -> Result<()> {
        self.plain(nix::unistd::chroot(new_root), || format!("chroot({new_root:?})"))
    }

    /// `pivot_root(new_root, put_old)`: the mount at `new_root` becomes `/`, the old root is moved to
    /// `put_old`. pivot_root(2), whose NOTES have the form with two dots.
    ///
    /// # Errors
    /// EINVAL: not a mount point, shared, or the old root is the initramfs. EPERM: no CAP_SYS_ADMIN.
    pub fn pivot_root(self, new_root: &str, put_old: &str) -> Result<()> {
        self.plain(nix::unistd::pivot_root(new_root, put_old), || {
            format!("pivot_root({new_root:?}, {put_old:?})")
        })
    }

    /// `umount2(path, MNT_DETACH)`: out of the tree at once, gone when nobody uses it. umount(2).
    ///
    /// # Errors
    /// EINVAL: not a mount point, or locked.
    pub fn umount_detach(self, path: &str) -> Result<()> {
        self.plain(nix::mount::umount2(path, MntFlags::MNT_DETACH), || {
            format!("umount2({path:?}, MNT_DETACH)")
        })
    }

    /// `mount(MS_REC | MS_PRIVATE)`: what is mounted here is not seen elsewhere, nor the other way.
    /// mount_namespaces(7).
    ///
    /// # Errors
    /// EINVAL: not a mount point. EPERM: no CAP_SYS_ADMIN.
    pub fn mount_private(self, path: &str) -> Result<()> {
        let none: Option<&str> = None;
        let answer = nix::mount::mount(none, path, none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none);
        self.plain(answer, || format!("mount(NULL, {path:?}, NULL, MS_REC|MS_PRIVATE, NULL)"))
    }

    /// `mount(MS_REC | MS_SLAVE)`: nothing mounted here is seen elsewhere; what is mounted there arrives.
    /// mount_namespaces(7).
    ///
    /// # Errors
    /// As [`Call::mount_private`].
    pub fn mount_slave(self, path: &str) -> Result<()> {
        let none: Option<&str> = None;
        let answer = nix::mount::mount(none, path, none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none);
        self.plain(answer, || format!("mount(NULL, {path:?}, NULL, MS_REC|MS_SLAVE, NULL)"))
    }

    /// `mount(MS_REC | MS_SHARED)`: what is mounted here appears in every copy of this table, and the other way. As systemd
    /// has it on a real host. mount_namespaces(7).
    ///
    /// # Errors
    /// As [`Call::mount_private`].
    pub fn mount_shared(self, path: &str) -> Result<()> {
        let none: Option<&str> = None;
        let answer = nix::mount::mount(none, path, none, MsFlags::MS_REC | MsFlags::MS_SHARED, none);
        self.plain(answer, || format!("mount(NULL, {path:?}, NULL, MS_REC|MS_SHARED, NULL)"))
    }

    /// `mount(MS_BIND | MS_REC)`: `source` appears at `target` too. Both are paths, and symlinks in them are followed.
    /// mount(2).
    ///
    /// # Errors
    /// ENOENT: one of the paths. ENOTDIR: a directory onto a file, or the other way. EPERM: no CAP_SYS_ADMIN.
    pub fn mount_bind(self, source: &Path, target: &Path) -> Result<()> {
        let none: Option<&str> = None;
        let answer = nix::mount::mount(Some(source), target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none);
        self.plain(answer, || format!("mount({source:?}, {target:?}, NULL, MS_BIND|MS_REC, NULL)"))
    }

    /// `open_tree(OPEN_TREE_CLONE | AT_RECURSIVE)`: a copy of the tree of mounts at `path`, attached
    /// nowhere. 5.2.
    ///
    /// # Errors
    /// ENOENT: the path. EPERM: no CAP_SYS_ADMIN. EINVAL: locked mounts below.
    pub fn open_tree(self, path: &Path) -> Result<OwnedFd> {
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        self.number(open_tree(CWD, path, flags).map_err(errno), number, || {
            format!("open_tree(AT_FDCWD, {path:?}, OPEN_TREE_CLONE|AT_RECURSIVE)")
        })
    }

    /// `open_tree(OPEN_TREE_CLONE)`: a copy of the one mount at `path`, without those below it. 5.2.
    ///
    /// # Errors
    /// As [`Call::open_tree`]. EINVAL: mounts below it are locked, and would show what they hide.
    pub fn open_tree_alone(self, path: &Path) -> Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        self.number(open_tree(CWD, path, flags).map_err(errno), number, || {
            format!("open_tree(AT_FDCWD, {path:?}, OPEN_TREE_CLONE)")
        })
    }

    /// `move_mount(tree, "", AT_FDCWD, path)`: attaches a mount that is attached nowhere. 5.2.
    ///
    /// # Errors
    /// EINVAL: the target is detached itself. ENOENT: the path.
    pub fn move_mount(self, tree: BorrowedFd<'_>, path: &str) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        self.plain(move_mount(tree, "", CWD, path, flags).map_err(errno), || {
            format!("move_mount({}, \"\", AT_FDCWD, {path:?}, MOVE_MOUNT_F_EMPTY_PATH)", super::fd(tree))
        })
    }

    /// `move_mount(tree, "", target, "")`: onto a descriptor, so that no symlink can lead elsewhere. 5.2.
    ///
    /// # Errors
    /// EINVAL: the target is detached itself. ENOTDIR: a directory onto a file, or the other way.
    pub fn move_mount_onto(self, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        self.plain(move_mount(tree, "", target, "", flags).map_err(errno), || {
            format!(
                "move_mount({}, \"\", {}, \"\", F_EMPTY_PATH|T_EMPTY_PATH)",
                super::fd(tree),
                super::fd(target)
            )
        })
    }

    /// `fsopen`: the beginning of a new file system. 5.2.
    ///
    /// # Errors
    /// ENODEV: the kernel doesn't have it. EPERM: no CAP_SYS_ADMIN.
    pub fn fsopen(self, kind: &str) -> Result<OwnedFd> {
        self.number(fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(errno), number, || {
            format!("fsopen({kind:?})")
        })
    }

    /// `fsconfig(FSCONFIG_SET_STRING)`: an option with a value.
    ///
    /// # Errors
    /// EINVAL: an option or value that this file system doesn't know.
    pub fn fsconfig_string(self, context: BorrowedFd<'_>, key: &str, value: &str) -> Result<()> {
        self.plain(fsconfig_set_string(context, key, value).map_err(errno), || {
            format!("fsconfig({}, FSCONFIG_SET_STRING, {key:?}, {value:?})", super::fd(context))
        })
    }

    /// `fsconfig(FSCONFIG_SET_FLAG)`: an option without a value.
    ///
    /// # Errors
    /// EINVAL: an option that this file system doesn't know.
    pub fn fsconfig_flag(self, context: BorrowedFd<'_>, key: &str) -> Result<()> {
        self.plain(fsconfig_set_flag(context, key).map_err(errno), || {
            format!("fsconfig({}, FSCONFIG_SET_FLAG, {key:?})", super::fd(context))
        })
    }

    /// `fsconfig(FSCONFIG_CMD_CREATE)`: the file system is made, with the options so far.
    ///
    /// # Errors
    /// EPERM: proc or sysfs hidden in part on the host, or not our namespace's.
    pub fn fsconfig_create(self, context: BorrowedFd<'_>) -> Result<()> {
        self.plain(fsconfig_create(context).map_err(errno), || {
            format!("fsconfig({}, FSCONFIG_CMD_CREATE)", super::fd(context))
        })
    }

    /// `fsmount`: the file system as a mount that is attached nowhere yet.
    ///
    /// # Errors
    /// EPERM: as above.
    pub fn fsmount(self, context: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<OwnedFd> {
        let answer = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(errno);
        self.number(answer, number, || {
            let names: Vec<_> = attributes.iter_names().map(|(name, _)| name).collect();
            let shown = if names.is_empty() { "0".into() } else { names.join("|") };
            format!("fsmount({}, FSMOUNT_CLOEXEC, {shown})", super::fd(context))
        })
    }

    /// `mount("overlay", target, "overlay", flags, options)`: layers as one tree, the way that every kernel has. The
    /// options are at most a page. mount(2).
    ///
    /// # Errors
    /// EINVAL: an option, or what is no directory that overlayfs can use. ENOENT: a layer isn't there.
    pub fn mount_overlay(self, target: &Path, flags: MsFlags, options: &str) -> Result<()> {
        let kind = Some("overlay");
        self.plain(nix::mount::mount(kind, target, kind, flags, Some(options)), || {
            let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
            let shown = if names.is_empty() { "0".into() } else { names.join("|") };
            format!("mount(\"overlay\", {target:?}, \"overlay\", {shown}, {options:?})")
        })
    }

    /// `mount_setattr(MOUNT_ATTR_IDMAP)`: the mount shows its files as the user namespace counts, and is
    /// private (the copy of a shared mount is shared, and could not be pivoted to). 5.12.
    ///
    /// # Errors
    /// EINVAL: the file system can't, or the user namespace has no map yet.
    pub fn mount_setattr_idmap(self, tree: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> Result<()> {
        self.plain(raw::mount_setattr_idmap(tree, userns), || {
            format!(
                "mount_setattr({}, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {{attr_set=MOUNT_ATTR_IDMAP, propagation=MS_PRIVATE, userns_fd={}}})",
                super::fd(tree),
                super::fd(userns)
            )
        })
    }

    /// `mount_setattr(attr_set=MOUNT_ATTR_RDONLY)`: nothing is written through this mount, or with `recursive` through
    /// any mount of the tree. 5.12.
    ///
    /// # Errors
    /// EINVAL: not the root of a mount.
    pub fn mount_setattr_read_only(self, tree: BorrowedFd<'_>, recursive: bool) -> Result<()> {
        self.read_only(tree, recursive, true)
    }

    /// `mount_setattr(attr_clr=MOUNT_ATTR_RDONLY)`: this mount may be written through again. 5.12.
    ///
    /// # Errors
    /// EPERM: the flag is locked by the user namespace above.
    pub fn mount_setattr_writable(self, mount: BorrowedFd<'_>) -> Result<()> {
        self.read_only(mount, false, false)
    }

    fn read_only(self, tree: BorrowedFd<'_>, recursive: bool, on: bool) -> Result<()> {
        self.plain(raw::mount_setattr_read_only(tree, recursive, on), || {
            let (how, which) =
                (if recursive { "|AT_RECURSIVE" } else { "" }, if on { "attr_set" } else { "attr_clr" });
            format!(
                "mount_setattr({}, \"\", AT_EMPTY_PATH{how}, {{{which}=MOUNT_ATTR_RDONLY}})",
                super::fd(tree)
            )
        })
    }
}

fn number(descriptor: &OwnedFd) -> i64 {
    descriptor.as_raw_fd().into()
}
