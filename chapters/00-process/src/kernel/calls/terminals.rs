//! Pseudo-terminals: a pair of descriptors. Programs see the one end as their terminal; whoever has the other, the master,
//! is the person at its keyboard. pty(7), ioctl_tty(2).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Uid;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::channel::Channel;
use crate::kernel::{Call, Result, errno};

/// linux/magic.h: the file system that terminals live in.
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

impl Call<'_> {
    /// Whether a descriptor is of a `devpts`, and not of whatever somebody has put in its place. `fstatfs`. statfs(2).
    ///
    /// # Errors
    /// None that is known.
    pub fn is_of_devpts(self, file: BorrowedFd<'_>) -> Result<bool> {
        let answer = rustix::fs::fstatfs(file).map_err(errno);
        #[allow(clippy::useless_conversion)] // its type is another one on other machines
        let answer = answer.map(|seen| i64::from(seen.f_type) == DEVPTS_SUPER_MAGIC);
        self.done(
            answer,
            |yes| if *yes { "devpts".into() } else { "another".into() },
            || format!("fstatfs({})", super::fd(file)),
        )
    }

    /// `ioctl(TIOCSPTLCK, 0)`: the other end may be opened. TIOCSPTLCK(2const).
    ///
    /// # Errors
    /// ENOTTY: no master of a terminal.
    pub fn unlock_terminal(self, master: BorrowedFd<'_>) -> Result<()> {
        let answer = rustix::pty::unlockpt(master).map_err(errno);
        self.plain(answer, || format!("ioctl({}, TIOCSPTLCK, [0])", super::fd(master)))
    }

    /// `ioctl(TIOCGPTPEER)`: the other end, without a path that could lead elsewhere. TIOCGPTPEER(2const), 4.13.
    ///
    /// # Errors
    /// ENOTTY: no master of a terminal.
    pub fn terminal_of(self, master: BorrowedFd<'_>) -> Result<OwnedFd> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let answer = rustix::pty::ioctl_tiocgptpeer(master, flags).map_err(errno);
        self.number(
            answer,
            |fd| fd.as_raw_fd().into(),
            || format!("ioctl({}, TIOCGPTPEER, O_RDWR|O_NOCTTY)", super::fd(master)),
        )
    }

    /// `ioctl(TIOCSWINSZ)`: how many rows and columns; who reads there gets a SIGWINCH. TIOCSWINSZ(2const).
    ///
    /// # Errors
    /// ENOTTY: no terminal.
    pub fn set_terminal_size(self, terminal: BorrowedFd<'_>, size: Winsize) -> Result<()> {
        let answer = rustix::termios::tcsetwinsize(terminal, size).map_err(errno);
        self.plain(answer, || {
            let (rows, columns) = (size.ws_row, size.ws_col);
            format!("ioctl({}, TIOCSWINSZ, {{ws_row={rows}, ws_col={columns}}})", super::fd(terminal))
        })
    }

    /// `fchown`: another owner, the same group. chown(2).
    ///
    /// # Errors
    /// EPERM: no CAP_CHOWN. EINVAL: not mapped in this user namespace.
    pub fn give_to(self, file: BorrowedFd<'_>, user: Uid) -> Result<()> {
        self.plain(nix::unistd::fchown(file, Some(user), None), || {
            format!("fchown({}, {user}, -1)", super::fd(file))
        })
    }

    /// `setsid`: a session of its own, without a terminal so far. setsid(2).
    ///
    /// # Errors
    /// EPERM: it leads a process group already.
    pub fn setsid(self) -> Result<()> {
        self.number(nix::unistd::setsid(), |id| id.as_raw().into(), || "setsid()".into()).map(drop)
    }

    /// `ioctl(TIOCSCTTY)`: the terminal of this session: Ctrl-C there reaches it, and its end is a SIGHUP. TIOCSCTTY(2const).
    ///
    /// # Errors
    /// EPERM: the session has one already, or the terminal has another session.
    pub fn take_terminal(self, terminal: BorrowedFd<'_>) -> Result<()> {
        let answer = rustix::process::ioctl_tiocsctty(terminal).map_err(errno);
        self.plain(answer, || format!("ioctl({}, TIOCSCTTY, 0)", super::fd(terminal)))
    }

    /// `dup2` onto standard input, output and error. dup(2).
    ///
    /// # Errors
    /// EBADF: no descriptor.
    pub fn make_standard(self, file: BorrowedFd<'_>) -> Result<()> {
        let answer = nix::unistd::dup2_stdin(file)
            .and_then(|()| nix::unistd::dup2_stdout(file))
            .and_then(|()| nix::unistd::dup2_stderr(file));
        self.plain(answer, || format!("dup2({}, 0..=2)", super::fd(file)))
    }

    /// `dup2` onto standard input alone. dup(2).
    ///
    /// # Errors
    /// EBADF: no descriptor.
    pub fn make_input(self, file: BorrowedFd<'_>) -> Result<()> {
        self.plain(nix::unistd::dup2_stdin(file), || format!("dup2({}, 0)", super::fd(file)))
    }

    /// Sends a descriptor to the other end of a channel. `SCM_RIGHTS`, unix(7).
    ///
    /// # Errors
    /// EPIPE: the other side is gone.
    pub fn send(self, channel: &Channel, name: &str, file: BorrowedFd<'_>) -> Result<()> {
        let answer: Result<(), Errno> = channel.say(&name, &[file.as_raw_fd()]);
        self.plain(answer, || {
            use std::os::fd::AsFd;
            format!("sendmsg({}, {{{name:?}, SCM_RIGHTS [{}]}})", super::fd(channel.as_fd()), super::fd(file))
        })
    }
}
