//! The way into a group of cgroup version 1, which knows no birth into one.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::kernel::{Call, Kernel, Result};

/// A group's `tasks`, opened by the host and entered by the child as its very first step, before it could have
/// children or use anything.
///
/// Not the host's pid into `cgroup.procs`: that moves a process with all its threads, and to see that none is born
/// meanwhile the kernel holds up every fork of the machine, for 5 to 18 ms after a quiet time. A thread that moves
/// itself (`0`, cgroup-v1/cgroups.rst) has nobody to wait for.
#[derive(Debug)]
pub struct Door {
    tasks: OwnedFd,
    path: PathBuf,
}

impl Door {
    /// The door of the group in this folder. What counts is who opens it: the child may be nobody by then.
    ///
    /// # Errors
    /// As open. ENOENT: the group is gone. EACCES: it is another's.
    pub fn open(call: Call<'_>, group: &Path) -> Result<Self> {
        let path = group.join("tasks");
        Ok(Self { tasks: call.open(&path, OFlag::O_WRONLY)?, path })
    }

    /// Whoever calls this is inside.
    ///
    /// # Errors
    /// ENOSPC: a cpuset without processors. EACCES: another's group. ENODEV: it is gone.
    pub(crate) fn enter(self, k: &Kernel) -> Result<()> {
        k.why("the group comes first: what this process uses, and whoever it bears, is counted from here on")
            .write_open(&self.tasks, &self.path, "0")
            .map_err(|failure| {
                failure.because(
                    "the group can't take a process (a cpuset without processors?), or it isn't ours",
                    "ls -l and cat the files of that folder",
                )
            })
    }
}
