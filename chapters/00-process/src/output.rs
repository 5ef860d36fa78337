//! What a program says goes to somebody who may have read enough, or to a disk without room. The first is no failure and no
//! noise; the second is never silent: words that were asked for and are lost are an error, whatever else went well.
//!
//! Each binary writes to one [`Output`] and ends by [`Output::end`], so that no verb has to think of it.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Error;

use crate::failure::{ENGINE, Failure};

/// The exit code of who could not say what it should have said.
pub(crate) const UNSAID: u8 = 1;

/// A program's standard output. It knows at the end whether all of it was taken.
#[derive(Debug)]
pub struct Output<W: Write> {
    to: W,
    lost: Option<Lost>,
}

/// Why it was not taken.
#[derive(Debug, Clone)]
pub struct Lost {
    kind: io::ErrorKind,
    why: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "standard output: {}", self.why)
    }
}

impl std::error::Error for Lost {}

/// An error of standard output, where it is written to by its descriptor.
#[must_use]
pub fn lost(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), Lost { kind: error.kind(), why: error.to_string() })
}

/// Where an error comes from standard output.
fn cause(error: &Error) -> Option<&Lost> {
    let of = |error: &'_ io::Error| error.get_ref().is_some_and(|inner| inner.is::<Lost>());
    let found = error.chain().filter_map(|one| one.downcast_ref::<io::Error>()).find(|one| of(one))?;
    found.get_ref()?.downcast_ref()
}

/// Whether an error comes from standard output: it is told at the end.
#[must_use]
pub fn is_lost(error: &Error) -> bool {
    cause(error).is_some()
}

impl<W: Write> Output<W> {
    /// Written to `to`.
    pub fn new(to: W) -> Self {
        Self { to, lost: None }
    }

    fn noted<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error; // it is tried again
            }
            let error = lost(&error);
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Lost>());
            self.lost = self.lost.take().or_else(|| inner.cloned());
            error
        })
    }

    /// The end of `program`: what went wrong is told to `err`, and so is that words were lost, unless whoever read them
    /// went away. The exit code.
    pub fn end(mut self, program: &str, done: Result<u8, Error>, err: &mut impl Write) -> u8 {
        let _ = self.flush();
        let lost = self.lost.or_else(|| done.as_ref().err().and_then(cause).cloned());
        match (lost, done) {
            (None, Ok(code)) => code,
            (None, Err(error)) => {
                let _ = writeln!(err, "{program}: {error:#}");
                error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code)
            }
            (Some(Lost { kind: io::ErrorKind::BrokenPipe, .. }), done) => done.unwrap_or(0),
            (Some(lost), done) => {
                let _ = writeln!(err, "{program}: {lost}");
                done.map_or(UNSAID, |code| code.max(UNSAID))
            }
        }
    }
}

impl<W: Write + AsFd> AsFd for Output<W> {
    /// Whoever asks how wide a terminal it is.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.to.write(bytes);
        self.noted(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.to.flush();
        self.noted(done)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use nix::errno::Errno;

    use super::*;

    /// Takes nothing.
    struct Deaf(Errno);

    impl Write for Deaf {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Code and words of a program that says something, as whoever ends it sees it.
    fn ended(errno: Errno, verb: impl FnOnce(&mut dyn Write) -> Result<u8, Error>) -> (u8, String) {
        let (mut output, mut err) = (Output::new(Deaf(errno)), Vec::new());
        let done = verb(&mut output);
        let code = output.end("p", done, &mut err);
        (code, String::from_utf8(err).unwrap())
    }

    #[test]
    fn ch00_who_has_read_enough_hears_no_more() {
        assert_eq!(ended(Errno::EPIPE, |out| Ok(writeln!(out, "x").map(|()| 0)?)), (0, String::new()));
        let swallowed = |out: &mut dyn Write| {
            let _ = writeln!(out, "x");
            Ok(3)
        };
        assert_eq!(ended(Errno::EPIPE, swallowed), (3, String::new()));
    }

    #[test]
    fn ch00_words_that_are_lost_are_an_error() {
        let full = "p: standard output: No space left on device (os error 28)\n";
        assert_eq!(ended(Errno::ENOSPC, |out| Ok(writeln!(out, "x").map(|()| 0)?)), (1, full.into()));
        let swallowed = |out: &mut dyn Write| {
            let _ = writeln!(out, "x");
            Ok(0)
        };
        assert_eq!(ended(Errno::ENOSPC, swallowed), (1, full.into()));
        let around = |_: &mut dyn Write| Err::<u8, _>(lost(&Errno::ENOSPC.into())).context("the picture");
        assert_eq!(ended(Errno::ENOSPC, around), (1, full.into()));
    }

    #[test]
    fn ch00_another_failure_is_told_as_it_is() {
        let failed = |_: &mut dyn Write| Err(Failure::said("no", "", "").code(7).into());
        assert_eq!(ended(Errno::EPIPE, failed), (7, "p: no\n".into()));
        let broken = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        assert_eq!(ended(Errno::EPIPE, broken).0, ENGINE, "not standard output's");
    }
}
