//! A pipe has two ends. The command has the one of each as its standard input, output and error; the monitor the other.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, pipe2};

use crate::config::Config;

/// The monitor's ends.
#[derive(Debug)]
pub struct Ends {
    /// What the command will read, where its input is kept open.
    pub input: Option<OwnedFd>,
    /// What it writes to standard output.
    pub output: OwnedFd,
    /// What it writes to standard error.
    pub error: OwnedFd,
}

/// The command's.
#[derive(Debug)]
pub struct Theirs {
    input: OwnedFd,
    output: OwnedFd,
    error: OwnedFd,
}

impl Ends {
    /// Both sides' ends.
    ///
    /// # Errors
    /// EMFILE: too many open files.
    pub fn pair(config: &Config) -> Result<(Self, Theirs), Errno> {
        let (output, their_output) = pipe2(OFlag::O_CLOEXEC)?;
        let (error, their_error) = pipe2(OFlag::O_CLOEXEC)?;
        let (their_input, input) = if config.interactive {
            let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
            (theirs, Some(ours))
        } else {
            (nothing()?, None)
        };
        Ok((
            Self { input, output, error },
            Theirs { input: their_input, output: their_output, error: their_error },
        ))
    }
}

impl Theirs {
    /// For a moment they are this process's own: the child is born with what its parent has.
    ///
    /// # Errors
    /// EBADF.
    pub fn become_standard(&self) -> Result<(), Errno> {
        dup2_stdin(&self.input)?;
        dup2_stdout(&self.output)?;
        dup2_stderr(&self.error)
    }
}

/// The monitor itself reads and says nothing: an end that it kept would be one too many, and its end-of-file never come.
///
/// # Errors
/// There is no /dev/null.
pub fn silence() -> Result<(), Errno> {
    let nothing = nothing()?;
    dup2_stdin(&nothing)?;
    dup2_stdout(nothing.as_fd())?;
    dup2_stderr(nothing.as_fd())
}

fn nothing() -> Result<OwnedFd, Errno> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map(Into::into).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}
