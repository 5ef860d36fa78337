//! What the command reads and writes has two ends. The one of each is its standard input, output or error; the other is
//! the monitor's: pipes, or the two sides of a terminal.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, pipe2};

use crate::attach_server::Inside;
use crate::config::Config;

/// What the monitor listens to.
#[derive(Debug)]
pub struct Outputs {
    /// Standard output; with a terminal, all.
    pub out: Option<OwnedFd>,
    /// Standard error.
    pub err: Option<OwnedFd>,
}

/// The command's.
#[derive(Debug)]
pub struct Theirs {
    input: OwnedFd,
    out: OwnedFd,
    err: OwnedFd,
}

/// Both sides of a container without a terminal.
///
/// # Errors
/// EMFILE: too many open files.
pub fn pipes(config: &Config) -> Result<(Outputs, Inside, Theirs), Errno> {
    let (out, their_out) = pipe2(OFlag::O_CLOEXEC)?;
    let (err, their_err) = pipe2(OFlag::O_CLOEXEC)?;
    let (their_input, input) = if config.interactive {
        let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
        no_waiting(&ours)?;
        (theirs, Some(ours))
    } else {
        (nothing()?, None)
    };
    let outputs = Outputs { out: Some(out), err: Some(err) };
    Ok((
        outputs,
        Inside { input, terminal: false },
        Theirs { input: their_input, out: their_out, err: their_err },
    ))
}

/// The monitor's side of a terminal, whose master has arrived.
///
/// # Errors
/// EMFILE: too many open files.
pub fn terminal(master: OwnedFd) -> Result<(Outputs, Inside), Errno> {
    no_waiting(&master)?;
    let input =
        master.try_clone().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok((Outputs { out: Some(master), err: None }, Inside { input: Some(input), terminal: true }))
}

/// One who doesn't read what is typed makes nobody wait but who types.
fn no_waiting(end: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(end, FcntlArg::F_GETFL)?);
    fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

impl Theirs {
    /// For a moment they are this process's own: the child is born with what its parent has.
    ///
    /// # Errors
    /// EBADF.
    pub fn become_standard(&self) -> Result<(), Errno> {
        dup2_stdin(&self.input)?;
        dup2_stdout(&self.out)?;
        dup2_stderr(&self.err)
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
