//! Ctrl-C while a base is being made: the signal waits until what was begun is removed, then it does what it
//! always does.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// While it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT wait at the door of this thread. When it goes, the
/// mask is as before and the kernel delivers what waited: the process dies of it, as the shell expects.
pub struct Patience {
    before: SigSet,
    door: SignalFd,
}

impl Patience {
    /// Blocks them.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn begin() -> Result<Self> {
        let held: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
        let door = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("could not make a signalfd")?;
        let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("could not hold back signals")?;
        Ok(Self { before, door })
    }

    /// Whether one is waiting. It is only looked at: read from the door it would be gone.
    #[must_use]
    pub fn asked_to_stop(&self) -> bool {
        let mut door = [PollFd::new(self.door.as_fd(), PollFlags::POLLIN)];
        poll(&mut door, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Waits until there is something to read, or nobody who would write any more. Whether it came before a signal did.
    #[must_use]
    pub fn waits_for(&self, from: BorrowedFd<'_>) -> bool {
        let wanted = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut doors = [wanted(self.door.as_fd()), wanted(from)];
        // What can't be waited for is read: that says why.
        let _ = poll(&mut doors, PollTimeout::NONE);
        !doors[0].any().unwrap_or(false)
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        // It fails for an invalid argument alone, and this is the mask that the kernel gave.
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch01_patience_ends_with_the_mask_as_it_was() {
        let before = SigSet::thread_get_mask().unwrap();
        let patience = Patience::begin().unwrap();
        assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGINT));
        assert!(!patience.asked_to_stop());
        drop(patience);
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
