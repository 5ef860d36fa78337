//! A launch in three parts, for who has other things to do meanwhile than to wait: up to the gate, through it, the end.
//!
//! At the gate all is made, entered and given up, and the command doesn't run yet. Whoever holds the launch can tell
//! others which process it will be, and let any of them say when.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::explain::Moment;
use crate::kernel::{Kernel, Result};
use crate::launch::{Born, Launch, Said, concluded};
use crate::mechanism::{Birth, Chain, Root};
use crate::wait::Ended;

/// A launch whose child waits at the gate. Dropped, the child is killed; [`AtGate::give_up`] removes what it had, too.
#[must_use = "the child waits"]
pub struct AtGate<C: Chain>(Held<C>);

/// A launch whose child is the command.
#[must_use = "somebody has to wait for its end"]
pub struct Running<C: Chain>(Held<C>);

struct Held<C> {
    born: Born,
    said: Said,
    mechanisms: C,
    birth: Birth,
}

impl<C: Chain, R: Root> Launch<C, R> {
    /// As far as the gate.
    ///
    /// # Errors
    /// The step that failed; what was made is removed again.
    #[inline(never)] // as part of its caller it would keep its frame as long as that waits
    pub fn begin(mut self, k: &Kernel) -> Result<AtGate<C>> {
        let (mut birth, mut said) = (Birth::plain(), Said::default());
        let born = self.born(k, &mut birth).and_then(|mut born| {
            while !said.at_gate && born.hear(k, &mut said) {}
            if said.at_gate { Ok(born) } else { Err(unborn(born, k, std::mem::take(&mut said))) }
        });
        match born {
            Ok(born) => Ok(AtGate(Held { born, said, mechanisms: self.mechanisms, birth })),
            Err(failure) => Err(concluded(&mut self.mechanisms, k, birth, Err(failure), |_| {})
                .err()
                .unwrap_or_else(vanished)),
        }
    }
}

impl<C: Chain> AtGate<C> {
    /// Its number in the host's pid namespace.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.born.pid
    }

    /// The process itself.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.0.born.pidfd.as_fd()
    }

    /// Through the gate: returns when the child has become the command.
    ///
    /// # Errors
    /// It could not: 126, 127. What was made is removed again.
    #[inline(never)]
    pub fn release(self, k: &Kernel) -> Result<Running<C>> {
        let Held { mut born, mut said, mut mechanisms, birth } = self.0;
        born.open_gate(&mut said);
        while born.hear(k, &mut said) {}
        if said.failed.is_some() {
            let failure = unborn(born, k, said);
            return Err(concluded(&mut mechanisms, k, birth, Err(failure), |_| {})
                .err()
                .unwrap_or_else(vanished));
        }
        k.begin(Moment::Wait)?;
        Ok(Running(Held { born, said, mechanisms, birth }))
    }

    /// It shall not run after all.
    pub fn give_up(self, k: &Kernel) {
        let Held { born, mut mechanisms, birth, .. } = self.0;
        let why = k.why("the launch is given up");
        let _ = why.pidfd_send_signal(born.pidfd.as_fd(), Signal::SIGKILL);
        let end = born.bury(k, Said::default(), false);
        let _ = concluded(&mut mechanisms, k, birth, end, |_| {});
    }
}

impl<C: Chain> Running<C> {
    /// Its number in the host's pid namespace.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0.born.pid
    }

    /// Readable once it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.0.born.pidfd.as_fd()
    }

    /// Waits for its end, asks why it ended, lets `note` write that down, and only then removes what outlives it.
    ///
    /// # Errors
    /// It can't be waited for.
    pub fn end(self, k: &Kernel, note: impl FnOnce(&Result<Ended>)) -> Result<Ended> {
        let Held { born, said, mut mechanisms, birth } = self.0;
        let end = born.bury(k, said, false);
        concluded(&mut mechanisms, k, birth, end, note)
    }
}

/// It never became the command; its end says why, where it could not.
fn unborn(born: Born, k: &Kernel, said: Said) -> crate::failure::Failure {
    born.bury(k, said, false).err().unwrap_or_else(vanished)
}

fn vanished() -> crate::failure::Failure {
    crate::failure::Failure::said(
        "the child ended at the gate",
        "something outside killed it",
        "run it again",
    )
}
