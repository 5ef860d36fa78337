//! The client's side of an attachment: what is typed goes in, what the command writes comes out, until it ends or the detach
//! keys are typed.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use ch00_process::failure::Failure;
use ch00_process::output;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, connect, socket};

use crate::attach_server::short_name;
use crate::keys::{Keys, Lookout};
use crate::terminal::{Raw, Seat, write_all};
use crate::wire::{self, MOST, Message, Stream};

/// How somebody is attached.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of the command line
pub struct Manner {
    /// What is typed goes in.
    pub input: bool,
    /// What comes out is shown.
    pub output: bool,
    /// Signals are passed on, where the command has no terminal (`--sig-proxy`).
    pub proxy: bool,
    /// All must be seen: the command waits for a slow reader.
    pub waits: bool,
    /// Nobody else will sit at that terminal: where this program is ended, the command is told.
    pub alone: bool,
    /// What is typed to leave.
    pub keys: Keys,
}

/// Why an attachment is over.
#[derive(Debug, Clone)]
pub enum Over {
    /// The command has ended with this exit code.
    Ended(u8),
    /// The detach keys were typed.
    Detached,
    /// The monitor is gone, and has not said how it ended.
    Lost,
    /// A signal ended this program, not the command.
    Signal(u8),
    /// That was the third SIGINT or SIGTERM, and the command, which had them all, goes on.
    Ignored(u8),
    /// The command could not be started.
    Failed(Box<Failure>),
}

impl Over {
    /// From what the monitor says.
    pub(crate) fn failed(text: &[u8]) -> Self {
        serde_json::from_slice(text).map_or(Self::Lost, Self::Failed)
    }
}

/// The socket of a container's monitor.
///
/// # Errors
/// Nobody listens there.
pub fn reach(folder: &Path) -> io::Result<OwnedFd> {
    let held = File::open(folder)?;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &short_name(&held)?)?;
    Ok(socket)
}

/// Stays attached until it is over.
///
/// # Errors
/// The terminal or an output can't be used.
pub fn stay(socket: &OwnedFd, seat: Seat<'_>, manner: &Manner) -> io::Result<Over> {
    let signals = Held::back()?;
    let mut buffer = [0; MOST];
    let gone = |errno: Errno| if errno == Errno::EPIPE { Ok(Over::Lost) } else { Err(errno.into()) };
    if let Err(errno) = (Message::Here { waits: manner.waits }).send(socket.as_fd(), MsgFlags::empty()) {
        return gone(errno);
    }
    let there = match wire::receive(socket.as_fd(), MsgFlags::empty(), &mut buffer) {
        Ok(Some(Message::There { terminal, input })) => (terminal, input),
        Ok(Some(Message::Ended(code))) => return Ok(Over::Ended(code)),
        Ok(Some(Message::Failed(text))) => return Ok(Over::failed(text)),
        Ok(_) => return Ok(Over::Lost),
        Err(errno) => return gone(errno),
    };
    let (terminal, input) = there;
    let stdin = io::stdin();
    // Raw only from here on: whatever fails before that is told on a terminal as it was.
    let raw =
        if terminal && manner.input && stdin.is_terminal() { Some(Raw::enter(seat.input)?) } else { None };
    let mut session = Session {
        socket: socket.as_fd(),
        seat,
        manner,
        raw,
        terminal,
        lookout: Lookout::new(manner.keys.clone()),
        unsent: Vec::new(),
        reads: manner.input && input,
        interrupts: 0,
        left_out: 0,
    };
    session.send_size();
    let over = session.turn(&signals, &mut buffer);
    let left_out = session.left_out;
    drop(session); // the terminal is as it was, before a word is said
    if left_out > 0 {
        let text = format!(
            "\n({left_out} bytes were left out here: this terminal was too slow for them; logs has them)\n"
        );
        write_all(seat.err, text.as_bytes())?;
    }
    over
}

struct Session<'a> {
    socket: BorrowedFd<'a>,
    seat: Seat<'a>,
    manner: &'a Manner,
    raw: Option<Raw>,
    terminal: bool,
    lookout: Lookout,
    /// Typed, and not taken by the monitor yet.
    unsent: Vec<u8>,
    /// Whether there is more to come from standard input.
    reads: bool,
    interrupts: u32,
    left_out: u64,
}

impl Session<'_> {
    fn turn(&mut self, signals: &Held, buffer: &mut [u8; MOST]) -> io::Result<Over> {
        let mut ends = false;
        loop {
            let mut to_socket = PollFlags::POLLIN;
            if !self.unsent.is_empty() || ends {
                to_socket |= PollFlags::POLLOUT;
            }
            let mut watched =
                vec![PollFd::new(self.socket, to_socket), PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN)];
            if self.reads && self.unsent.is_empty() && !ends {
                watched.push(PollFd::new(self.seat.input, PollFlags::POLLIN));
            }
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let ready: Vec<_> =
                watched.iter().map(|one| one.revents().unwrap_or(PollFlags::empty())).collect();
            if ready[1].contains(PollFlags::POLLIN)
                && let Some(over) = self.signal(signals)?
            {
                return Ok(over);
            }
            if ready[0].intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
                && let Some(over) = self.show(buffer)?
            {
                return Ok(over);
            }
            if ready[0].contains(PollFlags::POLLOUT) {
                ends = self.pass_on(ends);
            }
            if ready.get(2).is_some_and(|flags| !flags.is_empty()) {
                let count = match nix::unistd::read(self.seat.input, &mut buffer[..MOST - 1]) {
                    Err(Errno::EINTR | Errno::EAGAIN) => continue,
                    Err(_) => 0, // a terminal that is gone has no more to say
                    Ok(count) => count,
                };
                if count == 0 {
                    self.reads = false;
                    ends = true;
                } else if self.raw.is_none() {
                    self.unsent.extend(&buffer[..count]);
                } else if self.lookout.typed(&buffer[..count], &mut self.unsent) {
                    self.pass_on(false);
                    return Ok(Over::Detached);
                }
            }
        }
    }

    /// What was typed, as far as the monitor takes it; then that nothing more will come. Whether that is still to be said.
    fn pass_on(&mut self, ends: bool) -> bool {
        while !self.unsent.is_empty() {
            let part = &self.unsent[..self.unsent.len().min(MOST - 1)];
            match Message::Input(part).send(self.socket, MsgFlags::MSG_DONTWAIT) {
                Ok(()) => drop(self.unsent.drain(..part.len())),
                Err(Errno::EAGAIN) => return ends,
                Err(_) => self.unsent.clear(), // it is gone, as its end of the socket will say
            }
        }
        ends && Message::InputEnds.send(self.socket, MsgFlags::MSG_DONTWAIT) == Err(Errno::EAGAIN)
    }

    fn show(&mut self, buffer: &mut [u8; MOST]) -> io::Result<Option<Over>> {
        match wire::receive(self.socket, MsgFlags::MSG_DONTWAIT, buffer) {
            Err(Errno::EAGAIN) => {}
            Ok(Some(Message::Output(..))) if !self.manner.output => {}
            Ok(Some(Message::Output(Stream::Out, bytes))) => match write_all(self.seat.out, bytes) {
                // Nobody reads any more: gone without a word, with the code of a program that this signal ends.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Some(Over::Signal(Signal::SIGPIPE as u8)));
                }
                other => other.map_err(|error| output::lost(&error))?,
            },
            Ok(Some(Message::Output(Stream::Err, bytes))) => write_all(self.seat.err, bytes)?,
            Ok(Some(Message::LeftOut(count))) => self.left_out += count,
            Ok(Some(Message::Ended(code))) => return Ok(Some(Over::Ended(code))),
            Ok(Some(Message::Failed(text))) => return Ok(Some(Over::failed(text))),
            Ok(_) | Err(_) => return Ok(Some(Over::Lost)),
        }
        Ok(None)
    }

    fn signal(&mut self, signals: &Held) -> io::Result<Option<Over>> {
        let Some(info) = signals.fd.read_signal()? else { return Ok(None) };
        let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed()) else { return Ok(None) };
        let number = signal as u8;
        match signal {
            Signal::SIGWINCH => self.send_size(),
            Signal::SIGTSTP => self.rest()?,
            _ if !self.terminal && self.manner.proxy => {
                let _ = Message::Signal(number).send(self.socket, MsgFlags::empty());
                // Docker's patience, too.
                self.interrupts += u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
                if self.interrupts >= 3 {
                    return Ok(Some(Over::Ignored(number)));
                }
            }
            _ => {
                if self.manner.alone {
                    let _ = Message::Signal(Signal::SIGHUP as u8).send(self.socket, MsgFlags::MSG_DONTWAIT);
                }
                return Ok(Some(Over::Signal(number)));
            }
        }
        Ok(None)
    }

    /// Stopped, as a shell's job is: with the terminal as the shell wants it.
    fn rest(&self) -> io::Result<()> {
        if let Some(raw) = &self.raw {
            raw.leave();
        }
        raise(Signal::SIGSTOP)?;
        if let Some(raw) = &self.raw {
            raw.again()?;
        }
        self.send_size();
        Ok(())
    }

    fn send_size(&self) {
        if let Some((rows, columns)) = self.seat.size().filter(|_| self.terminal) {
            let _ = Message::Size { rows, columns }.send(self.socket, MsgFlags::MSG_DONTWAIT);
        }
    }
}

/// The signals that are looked at in their turn.
struct Held {
    fd: SignalFd,
    before: SigSet,
}

impl Held {
    fn back() -> io::Result<Self> {
        let mut held = SigSet::empty();
        for signal in [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGWINCH,
            Signal::SIGTSTP,
        ] {
            if !ch00_process::kernel::raw::is_ignored(signal) {
                held.add(signal);
            }
        }
        let before = SigSet::thread_get_mask()?;
        held.thread_block()?;
        let fd = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, before })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// `-t` wants a terminal to sit at.
///
/// # Errors
/// Standard input is none; Docker's words.
pub fn wants_terminal(seat: Seat<'_>, input: bool, tty: bool) -> Result<(), Failure> {
    if input && tty && !seat.input.is_terminal() {
        let hint = "leave -t out where standard input is a pipe or a file";
        return Err(Failure::said("the input device is not a TTY", "", hint).code(1));
    }
    Ok(())
}
