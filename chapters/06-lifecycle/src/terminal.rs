//! The terminal that the caller sits at: its size, and raw while what is typed is meant for another one. termios(3).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// As long as it lives the terminal passes on each key as it is: no line is edited, no Ctrl-C is a signal. Dropped, on
/// whatever way, it is as it was.
#[derive(Debug)]
pub struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    /// From here on.
    ///
    /// # Errors
    /// It is no terminal.
    // ANCHOR: raw
    pub fn enter(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        let terminal = terminal.try_clone_to_owned()?;
        let raw = Self { before: tcgetattr(&terminal)?, terminal };
        raw.again()?;
        Ok(raw)
    }
    // ANCHOR_END: raw

    /// As it was, for a while: this program is about to be stopped.
    pub fn leave(&self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }

    /// Raw once more.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn again(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        Ok(tcsetattr(&self.terminal, OptionalActions::Drain, &raw)?)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Where the caller sits: a terminal, or pipes and files, as it was given to this program.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// Standard input.
    pub input: BorrowedFd<'a>,
    /// Standard output.
    pub out: BorrowedFd<'a>,
    /// Standard error.
    pub err: BorrowedFd<'a>,
}

impl Seat<'_> {
    /// Rows and columns of the first of them that is a terminal with a size.
    #[must_use]
    pub fn size(&self) -> Option<(u16, u16)> {
        let of = |file: BorrowedFd<'_>| {
            tcgetwinsize(file).ok().map(|size| (size.ws_row, size.ws_col)).filter(|size| *size != (0, 0))
        };
        of(self.out).or_else(|| of(self.input)).or_else(|| of(self.err))
    }
}

/// Writes all of it, bytes as they are. A terminal that somebody has set not to wait is waited for.
///
/// # Errors
/// EPIPE: nobody reads any more.
pub fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => drop(poll(&mut [PollFd::new(to, PollFlags::POLLOUT)], PollTimeout::NONE)?),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
