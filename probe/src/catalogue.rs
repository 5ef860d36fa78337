//! Every attempt by name: the question it answers, what stops it, and where to read about it.

use crate::attempts::{
    belongings, devices, files, given, groups, hogs, ipc, moulds, mounts, network, processes,
};
use crate::facts::{Evidence, Facts};

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// Its name on the command line.
    pub name: &'static str,
    /// What can go wrong, as a row of the ladder says it.
    pub row: &'static str,
    /// The mechanism that stops it.
    pub stopped_by: &'static str,
    /// A manual page or a CVE.
    pub reference: &'static str,
    /// Whether it is one of the seven rows that tell the story.
    pub story: bool,
    /// Makes the attempt. What it returns is evidence, never a verdict.
    pub attempt: fn(&Facts) -> Evidence,
}

/// The probe with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Probe> {
    PROBES.iter().find(|probe| probe.name == name)
}

macro_rules! probes {
    ($($story:ident $name:literal, $row:literal, $stopped_by:literal, $reference:literal, $attempt:path;)*) => {
        &[$(Probe {
            name: $name,
            row: $row,
            stopped_by: $stopped_by,
            reference: $reference,
            story: probes!(@ $story),
            attempt: $attempt,
        }),*]
    };
    (@ story) => { true };
    (@ row) => { false };
}

/// All of them, in the order of the ladder's rows.
pub const PROBES: &[Probe] = probes! {
    story "host-files", "reads the host's files by their paths",
        "another root: chroot, pivot_root", "chroot(2)", files::host_files;
    row "dot-dot", "climbs out by `..` from where it starts",
        "the working directory is moved into the root, and checked", "CVE-2024-21626", files::dot_dot;
    story "chroot-escape", "breaks out of its root by a second chroot",
        "pivot_root in a mount namespace: the old root is gone", "chroot(2), pivot_root(2)", files::chroot_escape;
    row "open-dir-fd", "breaks out of its root by an open directory",
        "pivot_root in a mount namespace: the old root is gone", "chroot(2), fchdir(2)", files::open_dir_fd;
    row "proc-root", "walks through /proc/PID/root of a host process",
        "pid namespace and a /proc of its own", "proc_pid_root(5)", processes::proc_root;
    row "proc-environ", "reads the environment of a host process",
        "pid namespace and a /proc of its own", "proc_pid_environ(5)", processes::proc_environ;
    story "host-processes", "sees the host's processes",
        "pid namespace and a /proc of its own", "pid_namespaces(7)", processes::host_processes;
    story "kill-host-process", "kills a process of the host",
        "pid namespace: there is no number for it inside", "kill(2), pid_namespaces(7)", processes::kill_victim;
    row "ptrace-host-process", "traces a process of the host",
        "pid namespace: there is no number for it inside", "ptrace(2)", processes::ptrace_victim;
    story "hostname", "renames the host",
        "uts namespace", "uts_namespaces(7)", mounts::hostname;
    row "mount-leaves", "mounts something that the host sees",
        "mount namespace with private propagation", "mount_namespaces(7)", mounts::mount_leaves;
    row "mount-arrives", "sees what the host mounts later",
        "mount namespace with private propagation", "mount_namespaces(7)", mounts::mount_arrives;
    story "host-interfaces", "sees the host's network interfaces",
        "network namespace", "network_namespaces(7)", network::host_interfaces;
    row "host-loopback", "talks to a server on the host's 127.0.0.1",
        "network namespace", "network_namespaces(7)", network::host_loopback;
    row "abstract-socket", "talks to an abstract unix socket of the host",
        "network namespace", "unix(7), CVE-2020-15257", network::abstract_socket;
    row "sysv-shm", "reads System V shared memory of the host",
        "ipc namespace", "ipc_namespaces(7)", ipc::sysv_shm;
    row "posix-mq", "reads a POSIX message queue of the host",
        "ipc namespace", "mq_overview(7)", ipc::posix_mq;
    row "keyring", "reads a key of the session that started it",
        "a session keyring of its own", "session-keyring(7)", ipc::keyring;
    row "root-is-root", "writes files that belong to the host's root",
        "user namespace", "user_namespaces(7)", devices::root_is_root;
    row "mknod-block", "makes a disk's device node and opens it",
        "user namespace; later the device list of the cgroup", "mknod(2)", devices::mknod_block;
    row "proc-sys", "changes the kernel's settings in /proc/sys",
        "user namespace; later a read-only /proc/sys", "proc_sys(5)", devices::proc_sys;
    row "sys-writable", "changes the kernel's settings in /sys",
        "/sys mounted read-only", "sysfs(5)", devices::sys_writable;
    row "sys-remount", "makes its /sys writable again, and changes them",
        "user namespace; later without CAP_SYS_ADMIN", "mount(2), capabilities(7)", devices::sys_remount;
    row "descriptors", "uses a descriptor that the starter left open",
        "close-on-exec for all but three", "close_range(2), CVE-2024-21626", belongings::descriptors;
    row "environment", "reads a secret in the starter's environment",
        "an environment of its own", "environ(7)", belongings::environment;
    row "groups", "keeps the starter's supplementary groups",
        "setgroups before the ids are given up", "setgroups(2), CVE-2018-7169", belongings::groups;
    row "cgroup-path", "sees where in the host's cgroups it is",
        "cgroup namespace", "cgroup_namespaces(7)", belongings::cgroup_path;
    row "memory-hog", "takes all the memory that it can",
        "a group with memory.max and no swap", "cgroups(7)", hogs::memory;
    row "fork-bomb", "starts processes without end",
        "a group with pids.max", "cgroups(7), fork(2)", hogs::processes;
    row "cpu-hog", "takes all the processors' time",
        "a group with cpu.max", "cgroups(7)", hogs::processor;
    row "cgroup-tree", "sees the host's control groups",
        "a group of its own, and a cgroup namespace made in it", "cgroup_namespaces(7)", groups::tree;
    row "cgroup-write", "changes a control group of the host",
        "a group of its own, and a cgroup namespace made in it", "cgroup_namespaces(7)", groups::write;
    row "release-agent", "has the kernel start its program outside (release_agent)",
        "a group of its own in every hierarchy of version 1", "CVE-2022-0492", groups::release_agent;
    story "mould-write", "changes a file that others are started from",
        "a stack: layers that nobody writes to, a folder of its own on top", "overlayfs", moulds::write;
    row "mould-delete", "deletes a file that others are started from",
        "a stack: a deletion is a mark in the container's own folder", "overlayfs", moulds::delete;
    row "others-files", "reads what another container has written",
        "a stack: what is written is in the container's own folder", "overlayfs", moulds::others_files;
    row "given-write", "writes to a folder of the host that it may only read",
        "a mount that is read-only before it is attached", "mount_setattr(2)", given::write;
    row "given-submount", "writes to what is mounted below such a folder",
        "read-only on every mount of the tree (AT_RECURSIVE)", "mount_setattr(2)", given::submount;
    row "given-rmdir", "removes a folder on which the host has mounted something",
        "mounts below come with a bind, read-only with it", "rmdir(2)", given::rmdir;
};
