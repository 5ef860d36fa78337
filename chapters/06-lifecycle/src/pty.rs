//! `-t`: a real terminal for the command, made of the container's own `devpts`. pty(7).
//!
//! The child makes it, when it is inside already: so its name, `/dev/pts/0`, means the same terminal to everybody in there.
//! Who shall sit at the keyboard is outside; so the master is sent out, through a socket that both have from before.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch00_process::channel::{Channel, Handed};
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::fcntl::OFlag;
use nix::unistd::Uid;
use rustix::termios::Winsize;

/// The command's standard input, output and error are a terminal.
#[derive(Debug)]
pub struct Console {
    socket: Channel,
    size: Option<(u16, u16)>,
    user: u32,
}

/// What else there is to do. A terminal made elsewhere would be one that nobody in there can open by its name.
const WITHOUT: &str = "the same without -t; ls -l /dev/pts inside shows what is there";

/// Where the master arrives.
#[derive(Debug)]
pub struct Master(Channel);

impl Console {
    /// For a command of `user`, with so many rows and columns where that is known already.
    ///
    /// # Errors
    /// EMFILE: too many open files.
    pub fn new(user: u32, size: Option<(u16, u16)>) -> Result<(Self, Master)> {
        let (ours, socket) = Channel::pair().map_err(|errno| {
            Failure::said(format!("socketpair: {errno}"), "too many open files", "ulimit -n")
        })?;
        Ok((Self { socket, size, user }, Master(ours)))
    }
}

impl Master {
    /// The master; the child has sent it when it waits at the gate.
    ///
    /// # Errors
    /// The child ended before that.
    pub fn receive(self) -> Result<OwnedFd> {
        let heard = self.0.hear::<String>().ok().flatten();
        heard.and_then(|(_, mut files)| files.pop()).ok_or_else(|| {
            Failure::said(
                "the terminal didn't arrive",
                "the child ended before it was made",
                "run it again with --explain",
            )
        })
    }
}

impl Mechanism for Console {
    const NAME: &'static str = "06-lifecycle/pty";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: enter
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        let root = k
            .why("our root, and no way out of it")
            .open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let master = k
            .why("a pair of terminal ends, of the container's own; whoever holds this one sits at the keyboard")
            .open_in_root(root.as_fd(), Path::new("dev/pts/ptmx"), flags)
            .map_err(|failure| failure.because("the container has no devpts at /dev/pts", WITHOUT))?;
        if !k.why("root inside may have put something else there").is_of_devpts(master.as_fd())? {
            return Err(k.refuse("/dev/pts/ptmx is no terminal", "something was put in its place", WITHOUT));
        }
        k.why("the other end may be opened").unlock_terminal(master.as_fd())?;
        let terminal = k.why("the other end itself, by no path").terminal_of(master.as_fd())?;
        if let Some((rows, columns)) = self.size {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            k.why("as large as the one outside").set_terminal_size(terminal.as_fd(), size)?;
        }
        k.why("it belongs to the user of the command, as after a login")
            .give_to(terminal.as_fd(), Uid::from_raw(self.user))?;
        k.why("a session that has no terminal yet: the caller's stays outside").setsid()?;
        k.why("and this becomes its terminal: Ctrl-C goes to the command").take_terminal(terminal.as_fd())?;
        k.why("what the command reads and writes").make_standard(terminal.as_fd())?;
        k.why("the master goes out to whoever sits at the keyboard").send(
            &self.socket,
            "master",
            master.as_fd(),
        )
    }
    // ANCHOR_END: enter
}
