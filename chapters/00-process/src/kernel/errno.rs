//! What an error number usually means here: the kernel says `EINVAL`, a learner needs the cause.

use nix::errno::Errno;

/// The usual cause of one errno of one call, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct Meaning {
    /// The system call's name.
    pub call: &'static str,
    /// Its answer.
    pub errno: Errno,
    /// The usual cause.
    pub cause: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// The usual cause, where the table has one.
#[must_use]
pub fn meaning(call: &str, errno: Errno) -> Option<&'static Meaning> {
    TABLE.iter().find(|m| m.call == call && m.errno == errno)
}

const fn m(call: &'static str, errno: Errno, cause: &'static str, hint: &'static str) -> Meaning {
    Meaning { call, errno, cause, hint }
}

/// Every errno that a learner of these chapters has met, with its usual cause.
pub const TABLE: &[Meaning] = &[
    m(
        "clone3",
        Errno::EPERM,
        "this user may not make namespaces: not root and no user namespace, or user namespaces are restricted (AppArmor on Ubuntu, a sysctl, a container around us)",
        "cargo workshop doctor says which; or run as root (--root)",
    ),
    m(
        "clone3",
        Errno::ENOSPC,
        "the limit of namespaces is reached, or they are nested more than 32 deep",
        "look at /proc/sys/user/max_*_namespaces",
    ),
    m("clone3", Errno::EAGAIN, "the limit of processes is reached", "look at ulimit -u and the pids cgroup"),
    m(
        "clone3",
        Errno::ENOSYS,
        "a kernel before 5.3, or a seccomp filter of a container around us that doesn't know clone3",
        "Linux 5.14 or newer; cargo workshop doctor says what is here",
    ),
    m(
        "clone3",
        Errno::ENOMEM,
        "the pid namespace that the child was to be born in has lost its pid 1 (or memory is short)",
        "is the container still running?",
    ),
    m(
        "clone3",
        Errno::EOPNOTSUPP,
        "the cgroup that it is to be born into is one for threads only (cgroup.type says \"domain invalid\"): a group above it has processes in it and passes controllers on",
        "move those processes into a group of their own, below that one",
    ),
    m(
        "clone3",
        Errno::EBUSY,
        "the cgroup that it is to be born into passes controllers on to groups below, so no process may be in it",
        "a group below it",
    ),
    m(
        "clone3",
        Errno::EINVAL,
        "a namespace that this kernel was built without, or flags that exclude each other",
        "ls /proc/self/ns shows what the kernel has",
    ),
    m(
        "unshare",
        Errno::EPERM,
        "a namespace needs root, or a user namespace of one's own (Ubuntu's AppArmor gives the user namespace and takes its rights)",
        "add user to --only, or run as root",
    ),
    m(
        "unshare",
        Errno::EINVAL,
        "a namespace that this kernel was built without",
        "ls /proc/self/ns shows what the kernel has",
    ),
    m(
        "chroot",
        Errno::EPERM,
        "chroot needs CAP_SYS_CHROOT, which an ordinary user has only in a user namespace (Ubuntu's AppArmor gives the user namespace and takes its rights)",
        "cargo workshop doctor says which; or run as root (--root)",
    ),
    m("chroot", Errno::ENOENT, "the rootfs isn't there", "ch01-chroot base DIR makes one"),
    m("chroot", Errno::ENOTDIR, "the rootfs is not a directory", "name the folder that holds bin, etc, lib"),
    m(
        "chroot",
        Errno::EACCES,
        "a folder on the way to the rootfs may not be passed through by this user",
        "namei -l PATH shows which",
    ),
    m(
        "pivot_root",
        Errno::EINVAL,
        "the new root is not a mount point, its mount or its parent's is shared, or the present root is the initramfs (rootfs), which can't be pivoted",
        "make the tree private and a mount of its own first; in an initramfs switch_root to a tmpfs first",
    ),
    m(
        "pivot_root",
        Errno::EBUSY,
        "the new root is on the mount of the present root",
        "bind the directory onto itself first",
    ),
    m(
        "pivot_root",
        Errno::EPERM,
        "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace",
        "cargo workshop doctor says which; or run as root (--root)",
    ),
    m("open_tree", Errno::ENOENT, "the path isn't there", "ch01-chroot base DIR makes a rootfs"),
    m(
        "open_tree",
        Errno::EINVAL,
        "the directory is not on a mount of this namespace, or has locked mounts below it and is cloned without AT_RECURSIVE",
        "look at /proc/self/mountinfo",
    ),
    m(
        "open_tree",
        Errno::EPERM,
        "cloning a mount needs CAP_SYS_ADMIN over the mount namespace",
        "run as root, or in a user namespace",
    ),
    m("open_tree", Errno::ENOSYS, "a kernel before 5.2", "Linux 5.14 or newer"),
    m(
        "move_mount",
        Errno::EINVAL,
        "the target is on a mount that is itself detached, or the mount is shared",
        "attach after the root has been switched, parents before children",
    ),
    m(
        "move_mount",
        Errno::ENOENT,
        "the mount point isn't there in the rootfs",
        "make it: an empty folder or file",
    ),
    m(
        "move_mount",
        Errno::ENOTDIR,
        "a directory can't be mounted onto a file, nor a file onto a directory",
        "look at what is mounted, and at what stands at the mount point",
    ),
    m(
        "mount",
        Errno::EPERM,
        "needs CAP_SYS_ADMIN over the mount namespace, or a mount of the host is locked here (Ubuntu's AppArmor gives the user namespace and takes its rights)",
        "cargo workshop doctor says which; or run as root (--root)",
    ),
    m("mount", Errno::EINVAL, "not a mount point of this namespace", "look at /proc/self/mountinfo"),
    m(
        "umount2",
        Errno::EBUSY,
        "somebody has a file, a working directory or a mount in there",
        "fuser -vm PATH; MNT_DETACH takes it out of the tree at once",
    ),
    m(
        "umount2",
        Errno::EINVAL,
        "not a mount point, or a mount that is locked by the user namespace above",
        "look at /proc/self/mountinfo",
    ),
    m(
        "fsopen",
        Errno::ENODEV,
        "this kernel doesn't have that file system",
        "look at /proc/filesystems; modprobe NAME",
    ),
    m(
        "fsopen",
        Errno::EPERM,
        "mounting needs CAP_SYS_ADMIN in a user namespace of one's own",
        "run as root, or with a user namespace",
    ),
    m(
        "fsconfig",
        Errno::EPERM,
        "the kernel refuses a new proc or sysfs where the host's own is hidden in part (a container around us), or the namespace it shows isn't ours",
        "run outside that container; for sys the network namespace must be new too",
    ),
    m(
        "fsconfig",
        Errno::EINVAL,
        "an option that this file system doesn't know, or an id that isn't mapped (devpts gid=5 with one id)",
        "look at the message of the file system's context",
    ),
    m(
        "fsmount",
        Errno::EPERM,
        "a new proc or sysfs while the host's own is hidden in part (a container around us)",
        "run outside that container",
    ),
    m(
        "mount_setattr",
        Errno::EPERM,
        "a flag that the mount has is locked by the user namespace above",
        "leave it as it is",
    ),
    m(
        "mount_setattr",
        Errno::EINVAL,
        "this file system can't be id-mapped on this kernel, or the user namespace has no map yet",
        "a newer kernel, another file system for the rootfs, or --userns host",
    ),
    m(
        "sethostname",
        Errno::EPERM,
        "the uts namespace is the host's, or belongs to another user namespace (Ubuntu's AppArmor gives the user namespace and takes its rights)",
        "add uts (and user) to the namespaces",
    ),
    m("sethostname", Errno::EINVAL, "a hostname has at most 64 bytes", "a shorter --hostname"),
    m(
        "setns",
        Errno::ESRCH,
        "the process whose namespaces were to be entered has ended",
        "is the container still running?",
    ),
    m("pidfd_open", Errno::ESRCH, "the process has ended", "is the container still running?"),
    m(
        "setns",
        Errno::EINVAL,
        "the process has more than one thread, or the descriptor is no namespace of that kind",
        "join before threads are made",
    ),
    m(
        "setgroups",
        Errno::EPERM,
        "the user was given up before this call; or there is one id only, and setgroups was refused for good when its map was written (user_namespaces(7))",
        "give up groups before the user; a range in /etc/subgid gives groups",
    ),
    m(
        "setresuid",
        Errno::EINVAL,
        "that user id isn't mapped in this user namespace",
        "a range in /etc/subuid, or an id that is mapped",
    ),
    m(
        "setresgid",
        Errno::EINVAL,
        "that group id isn't mapped in this user namespace",
        "a range in /etc/subgid, or an id that is mapped",
    ),
    m(
        "write",
        Errno::EPERM,
        "an id map may hold only ids that the writer owns (user_namespaces(7)), and is written once",
        "a range in /etc/subuid with newuidmap, or one id",
    ),
    m(
        "write",
        Errno::EINVAL,
        "the map has a range of length 0, ranges that overlap, or too many lines",
        "look at the ranges in /etc/subuid",
    ),
    m(
        "write",
        Errno::EACCES,
        "time offsets can be written only before the first process is in the namespace (time_namespaces(7))",
        "unshare the time namespace; don't clone it",
    ),
    m(
        "write",
        Errno::ERANGE,
        "a clock can't be moved before boot, nor further than half of what it can count",
        "a smaller --boottime",
    ),
    m(
        "mknodat",
        Errno::EPERM,
        "no user namespace may make device nodes, whoever is root in it",
        "bind the host's node instead",
    ),
    m(
        "mkdirat",
        Errno::EROFS,
        "the rootfs is read-only and lacks the mount point",
        "make the folder in the rootfs",
    ),
    m(
        "mkdirat",
        Errno::EOVERFLOW,
        "the ids aren't mapped yet in the user namespace that owns this file system",
        "make it after the id maps are written",
    ),
    m(
        "openat2",
        Errno::ENOTDIR,
        "something stands in the rootfs where a folder is needed as a mount point",
        "make it an empty folder",
    ),
    m(
        "openat2",
        Errno::EXDEV,
        "a symlink in the rootfs leads through /proc/PID/root or its like, which leaves the root",
        "make it an empty folder",
    ),
    m(
        "openat2",
        Errno::ELOOP,
        "a symlink stands in the rootfs where a folder is needed as a mount point",
        "make it an empty folder",
    ),
    m(
        "openat2",
        Errno::EAGAIN,
        "somebody renames folders of the rootfs at this moment",
        "again, when nobody does",
    ),
    m("close_range", Errno::EINVAL, "a kernel before 5.11", "Linux 5.14 or newer"),
    m("close_range", Errno::ENOSYS, "a kernel before 5.9", "Linux 5.14 or newer"),
    m("mount_setattr", Errno::ENOSYS, "a kernel before 5.12", "Linux 5.14 or newer"),
    m("openat2", Errno::ENOSYS, "a kernel before 5.6", "Linux 5.14 or newer"),
    m(
        "mkdirat",
        Errno::EEXIST,
        "something stands there already: a symlink to nowhere, or a file",
        "make it an empty folder in the rootfs",
    ),
    m(
        "mkdirat",
        Errno::EACCES,
        "this user may not write into the rootfs",
        "make the folder as the owner of the rootfs",
    ),
    m("keyctl", Errno::EDQUOT, "this user has as many keys as the kernel allows", "look at /proc/key-users"),
    m("setresuid", Errno::EAGAIN, "that user's limit of processes is reached", "look at ulimit -u"),
    m(
        "execve",
        Errno::EACCES,
        "the file may not be executed: no x permission, or a mount with noexec",
        "ls -l FILE; chmod +x FILE; findmnt -T FILE",
    ),
    m(
        "execve",
        Errno::ENOEXEC,
        "not a program that this kernel runs: another architecture, or a script without #! in its first line",
        "file FILE; uname -m",
    ),
    m("execve", Errno::E2BIG, "arguments and environment together are too long", "shorter ones, or a file"),
    m("execve", Errno::ENOMEM, "the kernel has no memory for it", "look at free and at the memory limit"),
    m("execve", Errno::ETXTBSY, "somebody has the program open for writing", "close it there"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_each_errno_is_explained_once() {
        for (n, a) in TABLE.iter().enumerate() {
            let again = TABLE[..n].iter().any(|b| b.call == a.call && b.errno == a.errno);
            assert!(!again, "{} {:?} stands twice", a.call, a.errno);
        }
    }
}
