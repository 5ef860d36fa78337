//! What an attached client and the monitor say to each other: one message is one datagram (`SOCK_SEQPACKET`, unix(7)), its
//! first byte says what it is.
//!
//! ```text
//! client                                  monitor
//!   H waits?  I am here  --------------->
//!             <--------------------------   Y terminal? input?    what there is
//!   I bytes   typed      --------------->   to the command's input
//!   E         no more    --------------->   that is closed (where it is no terminal)
//!   W rows columns       --------------->   the terminal has another size
//!   S number  a signal   --------------->   to the command
//!             <--------------------------   O bytes, R bytes      standard output, standard error
//!             <--------------------------   L count               so many bytes were left out for you: you were slow
//!             <--------------------------   X code                it has ended
//!             <--------------------------   F failure             it could not be started
//! ```

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, sendmsg};

/// The most bytes of one message, its first included.
pub const MOST: usize = 8 * 1024 + 1;

/// One message, its payload borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// The client is here. Whether what it can't take at once must not be left out: then the command waits for it.
    Here {
        /// It is waited for.
        waits: bool,
    },
    /// What there is inside.
    There {
        /// The command has a terminal.
        terminal: bool,
        /// Its input can be written to.
        input: bool,
    },
    /// What was typed.
    Input(&'a [u8]),
    /// Nothing more will be typed.
    InputEnds,
    /// The terminal's size.
    Size {
        /// Lines.
        rows: u16,
        /// Characters in each.
        columns: u16,
    },
    /// A signal for the command, by its number.
    Signal(u8),
    /// What the command has written.
    Output(Stream, &'a [u8]),
    /// So many bytes were left out for a slow client.
    LeftOut(u64),
    /// The command has ended with this exit code.
    Ended(u8),
    /// The command could not be started: a [`Failure`](ch00_process::failure::Failure) as JSON.
    Failed(&'a [u8]),
}

/// Where a command writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Out,
    /// Standard error.
    Err,
}

impl Message<'_> {
    /// Sends it whole, or not at all.
    ///
    /// # Errors
    /// EAGAIN with `MSG_DONTWAIT`: the other side has not read yet. EPIPE: it is gone.
    pub fn send(self, socket: BorrowedFd<'_>, flags: MsgFlags) -> Result<(), Errno> {
        let mut short = [0_u8; 9];
        let (head, payload): (&[u8], &[u8]) = match self {
            Message::Here { waits } => (pack(&mut short, b'H', &[waits.into()]), &[]),
            Message::There { terminal, input } => {
                (pack(&mut short, b'Y', &[terminal.into(), input.into()]), &[])
            }
            Message::Input(bytes) => (b"I", bytes),
            Message::InputEnds => (b"E", &[]),
            Message::Size { rows, columns } => {
                let [[a, b], [c, d]] = [rows.to_be_bytes(), columns.to_be_bytes()];
                (pack(&mut short, b'W', &[a, b, c, d]), &[])
            }
            Message::Signal(number) => (pack(&mut short, b'S', &[number]), &[]),
            Message::Output(Stream::Out, bytes) => (b"O", bytes),
            Message::Output(Stream::Err, bytes) => (b"R", bytes),
            Message::LeftOut(count) => (pack(&mut short, b'L', &count.to_be_bytes()), &[]),
            Message::Ended(code) => (pack(&mut short, b'X', &[code]), &[]),
            Message::Failed(text) => (b"F", text),
        };
        let parts = [IoSlice::new(head), IoSlice::new(payload)];
        loop {
            match sendmsg::<()>(socket.as_raw_fd(), &parts, &[], flags | MsgFlags::MSG_NOSIGNAL, None) {
                Err(Errno::EINTR) => {}
                other => return other.map(drop),
            }
        }
    }
}

/// Waits for a message (with `MSG_DONTWAIT`: doesn't wait); `None`: the other side has hung up.
///
/// # Errors
/// EAGAIN: nothing yet. EBADMSG: none of ours.
pub fn receive<'b>(
    socket: BorrowedFd<'_>,
    flags: MsgFlags,
    buffer: &'b mut [u8; MOST],
) -> Result<Option<Message<'b>>, Errno> {
    let length = loop {
        match recv(socket.as_raw_fd(), buffer, flags) {
            // It has hung up with a message of ours unread; what it said before that is still to be had.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Ok(0) => return Ok(None),
            other => break other?,
        }
    };
    parse(&buffer[..length]).ok_or(Errno::EBADMSG).map(Some)
}

fn pack<'s>(short: &'s mut [u8; 9], kind: u8, rest: &[u8]) -> &'s [u8] {
    short[0] = kind;
    short[1..=rest.len()].copy_from_slice(rest);
    &short[..=rest.len()]
}

fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let (kind, rest) = bytes.split_first()?;
    Some(match (kind, rest) {
        (b'H', [waits]) => Message::Here { waits: *waits != 0 },
        (b'Y', [terminal, input]) => Message::There { terminal: *terminal != 0, input: *input != 0 },
        (b'I', bytes) => Message::Input(bytes),
        (b'E', []) => Message::InputEnds,
        (b'W', &[a, b, c, d]) => {
            Message::Size { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) }
        }
        (b'S', [number]) => Message::Signal(*number),
        (b'O', bytes) => Message::Output(Stream::Out, bytes),
        (b'R', bytes) => Message::Output(Stream::Err, bytes),
        (b'L', bytes) => Message::LeftOut(u64::from_be_bytes(bytes.try_into().ok()?)),
        (b'X', [code]) => Message::Ended(*code),
        (b'F', text) => Message::Failed(text),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::os::fd::AsFd;

    #[test]
    fn ch06_what_is_sent_arrives() {
        let (a, b) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let long = [7_u8; MOST - 1];
        for message in [
            Message::Here { waits: true },
            Message::There { terminal: false, input: true },
            Message::Input(&long),
            Message::InputEnds,
            Message::Size { rows: 24, columns: 300 },
            Message::Signal(15),
            Message::Output(Stream::Out, b"\0\xff"),
            Message::Output(Stream::Err, b""),
            Message::LeftOut(u64::MAX),
            Message::Ended(137),
            Message::Failed(b"{}"),
        ] {
            message.send(a.as_fd(), MsgFlags::empty()).unwrap();
            let mut buffer = [0; MOST];
            assert_eq!(receive(b.as_fd(), MsgFlags::empty(), &mut buffer).unwrap(), Some(message));
        }
        drop(a);
        assert_eq!(receive(b.as_fd(), MsgFlags::empty(), &mut [0; MOST]).unwrap(), None);
    }

    #[test]
    fn ch06_what_is_no_message_is_refused() {
        for wrong in [&b"Q"[..], b"W123", b"X", b"L1", b"Exx", b"H"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
