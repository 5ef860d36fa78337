//! The second road: not a new container, but a process more in one that runs already. What `exec` is made of.
//!
//! The same launch as ever (clone3, the channel, the gate, exec), with one mechanism in place of eight: nothing is made,
//! everything is entered. setns(2), pid_namespaces(7), user_namespaces(7).

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::door::Door;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::kernel_file;
use ch00_process::mechanism::{Birth, Mechanism};
use ch00_process::record::Owner;
use ch03_cgroups::hierarchy::{Hierarchies, Version};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

/// A running container, as far as somebody who goes in has to know it.
#[derive(Debug, Clone)]
pub struct Target {
    /// What people call it, for messages.
    pub name: String,
    /// Its first process, by more than a number.
    pub init: Owner,
}

impl Target {
    /// The first process's number, as this pid namespace counts.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.init.pid.cast_signed())
    }

    /// Its first process, held by a descriptor: from here on its number may be given to whomever the kernel likes.
    ///
    /// # Errors
    /// It has ended.
    // ANCHOR: hold
    pub fn hold(&self, k: &Kernel) -> Result<OwnedFd> {
        let held = k
            .why("a pid is only a number that is given again: this names the process")
            .pidfd_open(self.pid());
        match held {
            // The descriptor comes first, and then the question whether it names whom we meant.
            Ok(pidfd) if self.init.lives() => Ok(pidfd),
            Err(failure) if failure.errno() != Errno::ESRCH => Err(failure),
            _ => Err(not_running(&self.name)),
        }
    }
    // ANCHOR_END: hold

    /// It may end at any moment: what the kernel then says of a process that is no more, in words.
    #[must_use]
    pub fn gone(&self, failure: Failure) -> Failure {
        match failure.errno() {
            Errno::ENOENT | Errno::ESRCH => not_running(&self.name),
            _ => failure,
        }
    }
}

/// Docker's refusal, with the way out.
#[must_use]
pub fn not_running(name: &str) -> Failure {
    let hint = format!("start {name}, and then exec; ps --all shows who runs");
    Failure::said(
        format!("container {name} is not running"),
        "its first process has ended, or was never started",
        hint,
    )
    .code(1)
}

/// Into the rooms and the group of a running container.
#[derive(Debug)]
pub struct Join {
    target: Target,
    rooms: CloneFlags,
    pidfd: Option<OwnedFd>,
}

/// What is entered before the child is born. A process never changes its own pid namespace: setns says only where its
/// *children* will be born. And whoever isn't root of the machine has the right to enter the others from the user
/// namespace alone.
const BEFORE_BIRTH: CloneFlags = CloneFlags::CLONE_NEWUSER.union(CloneFlags::CLONE_NEWPID);

impl Join {
    /// Nothing is done yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, rooms: CloneFlags::empty(), pidfd: None }
    }
}

impl Mechanism for Join {
    const NAME: &'static str = "06-lifecycle/join";
    type Opened = ();

    // ANCHOR: prepare
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        let pid = self.target.pid();
        let pidfd = self.target.hold(k)?;
        let gone = |failure| self.target.gone(failure);
        self.rooms =
            k.why("the rooms that it has to itself are those to enter").other_rooms(pid).map_err(gone)?;
        for (version, folder) in groups_of(pid) {
            match version {
                Version::V2 => {
                    let place = k.why("born in the container's group: its limits hold from the first moment");
                    birth.cgroup = Some(place.open(&folder, OFlag::O_PATH | OFlag::O_DIRECTORY)?);
                }
                Version::V1 => {
                    // ANCHOR: task-group
                    let door = k.why(
                        "the child will write itself in, first of all: the container's limits are its own",
                    );
                    let door = Door::open(door, &folder).map_err(|failure| {
                        let cause = "that group belongs to somebody else, or it is gone";
                        gone(failure.because(cause, "as the user who started the container, or as root"))
                    })?;
                    birth.doors.push(door);
                    // ANCHOR_END: task-group
                }
            }
        }
        k.why("nobody inside may look into us while we still hold what is the host's (CVE-2016-9962)")
            .set_undumpable()?;
        let first = self.rooms & BEFORE_BIRTH;
        if !first.is_empty() {
            // ANCHOR: task-pid
            k.why("the user namespace gives the right to the others; in the pid namespace our child will be born")
                .setns(pidfd.as_fd(), first)
                .map_err(gone)?;
            // ANCHOR_END: task-pid
        }
        self.pidfd = Some(pidfd);
        Ok(())
    }
    // ANCHOR_END: prepare

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        let rest = self.rooms - BEFORE_BIRTH;
        let Some(pidfd) = self.pidfd.as_ref().filter(|_| !rest.is_empty()) else { return Ok(()) };
        // ANCHOR: task-rooms
        k.why(
            "into all other rooms at once; with the mounts come the container's / and a place to stand in it",
        )
        .setns(pidfd.as_fd(), rest)
        // ANCHOR_END: task-rooms
    }
    // ANCHOR_END: open
}

/// The folder of the group that a process is in, for each hierarchy where that isn't the one that we are in. Its own
/// word is not asked for: the kernel says it.
fn groups_of(pid: Pid) -> Vec<(Version, PathBuf)> {
    let read = |path: &str| kernel_file::text(Path::new(path)).unwrap_or_default();
    let mounted = read("/proc/self/mountinfo");
    let ours = Hierarchies::parse(&mounted, &read("/proc/self/cgroup"));
    let theirs = Hierarchies::parse(&mounted, &read(&format!("/proc/{pid}/cgroup")));
    let both = theirs.0.into_iter().zip(ours.0);
    both.filter(|(theirs, ours)| theirs.own != ours.own)
        .map(|(theirs, _)| (theirs.version, theirs.own))
        .collect()
}
