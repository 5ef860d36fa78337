//! One attached client, as the monitor's side keeps it; and bytes that somebody will take as soon as they can.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use rustix::event::epoll::EventFlags;

use crate::wire::{Message, Stream};

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: OwnedFd,
    /// It has said that it is here.
    pub(crate) here: bool,
    /// It must have all.
    pub(crate) waits: bool,
    /// What is held is for it, too.
    pub(crate) owed: bool,
    pub(crate) left_out: u64,
    /// For what it is registered.
    pub(crate) interest: EventFlags,
}

#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    pub(crate) from: usize,
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }

    /// What is left of it.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    pub(crate) fn set(&mut self, bytes: &[u8]) {
        (self.bytes, self.from) = (bytes.to_vec(), 0);
    }
}

impl Client {
    pub(crate) fn new(socket: OwnedFd, interest: EventFlags) -> Self {
        Self { socket, here: false, waits: false, owed: false, left_out: 0, interest }
    }

    /// What was left out so far is told before anything else is shown.
    pub(crate) fn show(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Errno> {
        if self.left_out > 0 {
            Message::LeftOut(self.left_out).send(self.socket.as_fd(), MsgFlags::MSG_DONTWAIT)?;
            self.left_out = 0;
        }
        Message::Output(stream, bytes).send(self.socket.as_fd(), MsgFlags::MSG_DONTWAIT)
    }
}
