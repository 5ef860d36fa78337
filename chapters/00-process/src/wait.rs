//! The wait: signals that arrive are passed on, the end is awaited, the terminal taken back.

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use crate::explain::Place;
use crate::failure::Failure;
use crate::kernel::Result;
use crate::kernel::raw::is_ignored;

/// What Docker passes on, too: all that a person or a service manager sends. (Not SIGCHLD, which is about
/// us, nor what the terminal uses to stop us.)
// ANCHOR: passed_on
const PASSED_ON: [Signal; 10] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
];
// ANCHOR_END: passed_on

/// How a command ended.
#[derive(Debug, Clone)]
#[must_use]
pub struct Ended {
    /// Its number in the host's pid namespace.
    pub pid: Pid,
    /// The exit code: the command's own, or 128+n where signal n killed it.
    pub code: u8,
    /// It was killed because it didn't listen to three interrupts.
    pub forced: bool,
    /// A process of it was killed for want of memory.
    pub oom: bool,
    /// What is to be told about it: why it was killed, where a mechanism knows; what could not be removed.
    pub notes: Vec<String>,
}

impl Ended {
    pub(crate) fn new(pid: Pid, end: End, forced: bool) -> Self {
        Self { pid, code: code_of(end), forced, oom: false, notes: Vec::new() }
    }
}

/// How a process ended, in the kernel's numbers: a real-time signal has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Docker's exit code for how a process ended.
// ANCHOR: code_of
#[must_use]
pub fn code_of(end: End) -> u8 {
    // ANCHOR: task-code
    match end {
        // The kernel keeps the low eight bits of an exit code, so it fits.
        End::Exited(code) => code as u8,
        End::Killed(signal) => 128 + signal as u8,
    }
    // ANCHOR_END: task-code
}
// ANCHOR_END: code_of

/// Why the wait is over.
#[derive(Debug)]
pub(crate) enum Woken {
    Channel,
    Signal { signal: Signal, from_terminal: bool },
    Ended,
}

/// The signals of this process, held back so that they can be read in their turn. signalfd(2).
pub(crate) struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    pub(crate) fn hold() -> Result<Self> {
        let failed = |errno| {
            Failure::of_call(
                Place::default(),
                "signalfd(-1, [HUP, INT, ...])".into(),
                errno,
                "signals are read in their turn",
            )
        };
        let mut held = SigSet::empty();
        for signal in PASSED_ON {
            // nohup, or a shell that starts us with &: what was to be ignored is.
            if !is_ignored(signal) {
                held.add(signal);
            }
        }
        let before = SigSet::thread_get_mask().map_err(failed)?;
        held.thread_block().map_err(failed)?;
        let fd =
            SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)?;
        Ok(Self { fd, before })
    }

    /// What the child says comes first: its last words must be heard before its end is seen.
    pub(crate) fn wait(&self, pidfd: BorrowedFd<'_>, channel: Option<BorrowedFd<'_>>) -> Result<Woken> {
        let failed = |errno| {
            Failure::of_call(
                Place::default(),
                "poll(channel, signals, pidfd)".into(),
                errno,
                "what happens first",
            )
        };
        loop {
            let mut watched =
                vec![PollFd::new(pidfd, PollFlags::POLLIN), PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            watched.extend(channel.map(|channel| PollFd::new(channel, PollFlags::POLLIN)));
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(failed)?,
            };
            let is_ready = |n: usize| watched.get(n).is_some_and(|one| one.any().unwrap_or(true));
            if is_ready(2) {
                return Ok(Woken::Channel);
            }
            if is_ready(0) {
                return Ok(Woken::Ended);
            }
            if let Some(info) = self.fd.read_signal().map_err(failed)? {
                const SI_KERNEL: i32 = 0x80; // asm-generic/siginfo.h: from the kernel, here its terminal
                if let Ok(signal) = Signal::try_from(info.ssi_signo as i32) {
                    return Ok(Woken::Signal { signal, from_terminal: info.ssi_code == SI_KERNEL });
                }
            }
        }
    }

    /// A shell inside makes its own process group the terminal's; when it has ended, that group is empty
    /// and nobody could type any more. tcsetpgrp(3).
    pub(crate) fn take_terminal_back(&self) {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp()) {
            return;
        }
        // From the background this would stop us (SIGTTOU); blocked, it is allowed.
        let mut ttou = SigSet::empty();
        ttou.add(Signal::SIGTTOU);
        if ttou.thread_block().is_ok() {
            let _ = tcsetpgrp(&stdin, getpgrp());
            let _ = ttou.thread_unblock();
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}
