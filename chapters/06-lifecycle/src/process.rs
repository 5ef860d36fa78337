//! A process, known by boot, number and start time, and held by a descriptor: pids are given again. pidfd_open(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ch00_process::kernel::{Kernel, Result};
use ch00_process::record::Owner;
use ch00_process::signal::Number;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process that was there when it was looked for. Whatever happens, the descriptor means no other.
#[derive(Debug)]
pub struct Process {
    /// Its number and start time.
    pub owner: Owner,
    pidfd: OwnedFd,
}

impl Process {
    /// That very process, if it is still there and no zombie.
    ///
    /// The descriptor is opened first and the start time compared after: the other way round, another process could
    /// have taken the number between the two.
    #[must_use]
    pub fn find(owner: &Owner) -> Option<Self> {
        // ANCHOR: task-known
        let pid = Pid::from_raw(owner.pid.cast_signed())?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        (owner.lives() && !ended(pidfd.as_fd())).then(|| Self { owner: owner.clone(), pidfd })
        // ANCHOR_END: task-known
    }

    /// Its number in the host's pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.owner.pid
    }

    /// Sends a signal. A process that has ended meanwhile doesn't mind.
    ///
    /// # Errors
    /// EPERM: somebody else's.
    pub fn signal(&self, k: &Kernel, signal: impl Into<Number>) -> Result<()> {
        match k.why("what was asked for").pidfd_send_signal(self.as_fd(), signal) {
            Err(failure) if failure.errno() == Errno::ESRCH => Ok(()),
            other => other,
        }
    }

    /// Waits until it has ended, or until `patience` is over. Whether it has ended.
    #[must_use]
    pub fn ends_within(&self, patience: Option<Duration>) -> bool {
        let end = patience.map(|patience| Instant::now() + patience);
        loop {
            let left = end.map_or(PollTimeout::NONE, |end| {
                let left = end.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            });
            match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], left) {
                Ok(0) if end.is_some_and(|end| Instant::now() >= end) => return false,
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// A descriptor of a process is readable once that has ended, waited for or not.
fn ended(pidfd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_number_alone_is_nobody() {
        let me = Owner::me().unwrap();
        assert!(Process::find(&me).is_some());
        assert!(
            Process::find(&Owner { start: me.start + 1, ..me.clone() }).is_none(),
            "another with that number"
        );
        assert!(
            Process::find(&Owner { boot: "before".into(), ..me.clone() }).is_none(),
            "before the machine restarted"
        );
        assert!(Process::find(&Owner { pid: 0, ..me }).is_none());
    }

    #[test]
    fn ch06_a_zombie_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = Owner::of(child.id()).unwrap();
        if let Some(process) = Process::find(&owner) {
            assert!(process.ends_within(Some(Duration::from_secs(10))));
        }
        assert!(Process::find(&owner).is_none());
        child.wait().unwrap();
    }
}
