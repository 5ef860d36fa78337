//! The monitor's side of attachments: whoever is attached sees what the command writes, and types to it.
//!
//! For a loop that has other things to do: it polls one descriptor ([`AttachServer::as_fd`]) and calls
//! [`AttachServer::serve`] when that is readable. Nothing here waits, and nothing grows: a client that is too slow for what
//! it is sent gets less of it, and is told how much less. The one exception is a client that says that it must have all
//! (the `run` that started the container): then [`AttachServer::is_full`] says that nothing more may be read from the
//! command, and the command waits, as it would at a pipe.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use ch00_process::kernel::Kernel;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::termios::Winsize;

use crate::attached::{Client, Held};
use crate::wire::{self, MOST, Message, Stream};

/// The socket's name in the container's run folder.
pub const SOCKET: &str = "attach";
/// The most clients at once.
const CLIENTS: usize = 16;
/// What an event is about, where it is no client's number.
const LISTENER: u64 = 100;
const INPUT: u64 = 101;

/// What there is of the command to be attached to.
#[derive(Debug, Default)]
pub struct Inside {
    /// Where its input is written to: the master of its terminal, or the end of a pipe. Set to `O_NONBLOCK`.
    pub input: Option<OwnedFd>,
    /// Whether that is a terminal.
    pub terminal: bool,
}

/// All who are attached.
#[derive(Debug)]
pub struct AttachServer {
    events: OwnedFd,
    listener: Option<UnixListener>,
    clients: [Option<Client>; CLIENTS],
    inside: Inside,
    /// Typed, and not taken by the command yet.
    typed: Held,
    /// Written by the command, and not taken yet by a client that must have all.
    written: Held,
    stream: Stream,
}

impl AsFd for AttachServer {
    /// Readable when [`AttachServer::serve`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl AttachServer {
    /// Nobody is attached, and nobody can be yet.
    ///
    /// # Errors
    /// EMFILE: too many open files.
    pub fn new(inside: Inside) -> io::Result<Self> {
        Ok(Self {
            events: epoll::create(CreateFlags::CLOEXEC)?,
            listener: None,
            clients: [const { None }; CLIENTS],
            inside,
            typed: Held::default(),
            written: Held::default(),
            stream: Stream::Out,
        })
    }

    /// From here on anybody of this user may attach by the socket in the container's run folder.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn listen(&mut self, folder: &Path) -> io::Result<()> {
        let held = fs::File::open(folder)?;
        let _ = fs::remove_file(folder.join(SOCKET)); // of a monitor that was killed
        let listener = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        bind(listener.as_raw_fd(), &short_name(&held)?)?;
        listen(&listener, Backlog::new(16)?)?;
        epoll::add(&self.events, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        self.listener = Some(listener.into()); // std knows streams alone, but accepts as well from this one
        Ok(())
    }

    /// A client that is connected already: the program that started all this.
    ///
    /// # Errors
    /// Too many are attached.
    pub fn adopt(&mut self, socket: OwnedFd) -> io::Result<()> {
        let free = self.clients.iter().position(Option::is_none);
        let Some(free) = free else { return Err(io::Error::other("too many are attached already")) };
        epoll::add(&self.events, &socket, EventData::new_u64(free as u64), EventFlags::IN)?;
        self.clients[free] = Some(Client::new(socket, EventFlags::IN));
        Ok(())
    }

    /// The command is another one, started again: whoever is attached stays.
    pub fn replace(&mut self, inside: Inside) {
        if let Some(old) = self.inside.input.take() {
            let _ = epoll::delete(&self.events, &old);
        }
        self.inside = inside;
        self.typed.set(&[]);
        self.rearm();
    }

    /// Whether nothing more may be read from the command: somebody who must have all is behind.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.written.is_empty()
    }

    /// Whether anybody is attached.
    #[must_use]
    pub fn has_clients(&self) -> bool {
        self.clients.iter().flatten().any(|client| client.here)
    }

    /// Shows everybody what the command has written: at most [`MOST`] - 1 bytes, and nothing while it [is
    /// full](Self::is_full).
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut owed = false;
        for n in 0..CLIENTS {
            let Some(client) = self.clients[n].as_mut().filter(|client| client.here) else { continue };
            match client.show(stream, bytes) {
                Ok(()) => {}
                Err(Errno::EAGAIN) if client.waits => {
                    client.owed = true;
                    owed = true;
                }
                Err(Errno::EAGAIN) => client.left_out += bytes.len() as u64,
                Err(_) => self.dismiss(n),
            }
        }
        if owed {
            self.stream = stream;
            self.written.set(bytes);
            self.rearm();
        }
    }

    /// Does what is to be done, without waiting. Signals go to `command`.
    ///
    /// # Errors
    /// The events can't be read.
    pub fn serve(&mut self, k: &Kernel, command: BorrowedFd<'_>) -> io::Result<()> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 8];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let count = match epoll::wait(&self.events, &mut events[..], Some(&now)) {
            Err(rustix::io::Errno::INTR) => 0,
            other => other?,
        };
        for event in &events[..count] {
            match event.data.u64() {
                LISTENER => self.accept(),
                INPUT => self.type_on(),
                n => self.attend(n as usize, event.flags, k, command),
            }
        }
        self.rearm();
        Ok(())
    }

    /// Waits until each client that is connected has said that it is here (or is gone): what the command writes before
    /// that it would not be shown.
    ///
    /// # Errors
    /// The events can't be read.
    pub fn greet(&mut self, k: &Kernel, command: BorrowedFd<'_>) -> io::Result<()> {
        while self.clients.iter().flatten().any(|client| !client.here) {
            match poll(&mut [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                other => drop(other?),
            }
            self.serve(k, command)?;
        }
        Ok(())
    }

    /// Tells everybody how it ended and lets them go. Who must have all is waited for; nobody else for long.
    pub fn end(mut self, code: u8) {
        let enough = Instant::now() + Duration::from_millis(200);
        for client in self.clients.iter_mut().flatten().filter(|client| client.here) {
            let patient = |message: Message<'_>| loop {
                let left = enough.saturating_duration_since(Instant::now());
                match message.send(client.socket.as_fd(), MsgFlags::MSG_DONTWAIT) {
                    Err(Errno::EAGAIN) if client.waits || !left.is_zero() => {
                        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
                        let patience = if client.waits { PollTimeout::NONE } else { left };
                        let _ = poll(&mut [PollFd::new(client.socket.as_fd(), PollFlags::POLLOUT)], patience);
                    }
                    other => break other,
                }
            };
            if client.owed {
                let _ = patient(Message::Output(self.stream, self.written.rest()));
            }
            if client.left_out > 0 {
                let _ = patient(Message::LeftOut(client.left_out));
            }
            let _ = patient(Message::Ended(code));
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        if let Ok((socket, _)) = listener.accept() {
            let _ = self.adopt(socket.into()); // too many: its connection ends
        }
    }

    /// One message of a client.
    fn attend(&mut self, n: usize, flags: EventFlags, k: &Kernel, command: BorrowedFd<'_>) {
        let Some(client) = self.clients.get_mut(n).and_then(Option::as_mut) else { return };
        if flags.contains(EventFlags::OUT) && client.owed {
            let held = self.written.rest();
            match client.show(self.stream, held) {
                Err(Errno::EAGAIN) => {}
                Err(_) => return self.dismiss(n),
                Ok(()) => {
                    client.owed = false;
                    self.settle();
                }
            }
        }
        let Some(client) = self.clients.get_mut(n).and_then(Option::as_mut) else { return };
        if client.owed && flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            return self.dismiss(n);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) || !self.typed.is_empty() {
            return;
        }
        let mut buffer = [0; MOST];
        match wire::receive(client.socket.as_fd(), MsgFlags::MSG_DONTWAIT, &mut buffer) {
            Err(Errno::EAGAIN) => {}
            Ok(Some(Message::Here { waits })) => {
                client.waits = waits;
                let (terminal, input) = (self.inside.terminal, self.inside.input.is_some());
                client.here = Message::There { terminal, input }
                    .send(client.socket.as_fd(), MsgFlags::MSG_DONTWAIT)
                    .is_ok();
            }
            Ok(Some(Message::Input(bytes))) => {
                if self.inside.input.is_some() {
                    self.typed.set(bytes);
                    self.type_on();
                }
            }
            // A terminal's input has no end of its own: Ctrl-D is typed.
            Ok(Some(Message::InputEnds)) => {
                if !self.inside.terminal {
                    self.inside.input = None;
                }
            }
            Ok(Some(Message::Size { rows, columns })) => {
                if let Some(master) = self.inside.input.as_ref().filter(|_| self.inside.terminal) {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    let _ = rustix::termios::tcsetwinsize(master, size);
                }
            }
            Ok(Some(Message::Signal(number))) => {
                if let Ok(signal) = Signal::try_from(i32::from(number)) {
                    let _ = k
                        .why("what reached the attached program is passed on")
                        .pidfd_send_signal(command, signal);
                }
            }
            Ok(_) | Err(_) => self.dismiss(n),
        }
    }

    /// Types on what is held, as far as the command takes it.
    fn type_on(&mut self) {
        let Some(input) = &self.inside.input else { return self.typed.set(&[]) };
        while !self.typed.is_empty() {
            match nix::unistd::write(input, self.typed.rest()) {
                Ok(count) => self.typed.from += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    // It reads no more. Whoever types doesn't hear of that, as in a shell's pipe.
                    let _ = epoll::delete(&self.events, input);
                    self.inside.input = self.inside.input.take().filter(|_| self.inside.terminal);
                    self.typed.set(&[]);
                    return;
                }
            }
        }
    }

    fn dismiss(&mut self, n: usize) {
        if let Some(client) = self.clients[n].take() {
            let _ = epoll::delete(&self.events, &client.socket);
        }
        self.settle();
    }

    /// Nobody is owed what is held: it may be forgotten.
    fn settle(&mut self) {
        if !self.clients.iter().flatten().any(|client| client.owed) {
            self.written.set(&[]);
        }
    }

    /// Each is registered for what can be done for it now, and for nothing else: else its event would come again and again.
    fn rearm(&mut self) {
        let idle = self.typed.is_empty();
        for (n, client) in self.clients.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            let mut wanted = if idle { EventFlags::IN } else { EventFlags::empty() };
            if client.owed {
                wanted |= EventFlags::OUT;
            }
            if wanted != client.interest {
                let data = EventData::new_u64(n as u64);
                let _ = match (client.interest.is_empty(), wanted.is_empty()) {
                    (true, _) => epoll::add(&self.events, &client.socket, data, wanted),
                    (_, true) => epoll::delete(&self.events, &client.socket),
                    _ => epoll::modify(&self.events, &client.socket, data, wanted),
                };
                client.interest = wanted;
            }
        }
        if let Some(input) = &self.inside.input {
            let _ = if idle {
                epoll::delete(&self.events, input)
            } else {
                epoll::add(&self.events, input, EventData::new_u64(INPUT), EventFlags::OUT)
            };
        }
    }
}

/// The socket's address by way of an open folder: the kernel takes at most 108 bytes, and a folder's name may have more.
pub(crate) fn short_name(folder: &fs::File) -> nix::Result<UnixAddr> {
    UnixAddr::new(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()).as_str())
}

#[cfg(test)]
mod tests;
