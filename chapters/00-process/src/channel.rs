//! The socket pair that joins host and child: go, what was told, what failed. One message is one datagram.
//!
//! Both ends are close-on-exec: so end-of-file on the host's end means that exec succeeded (or that the
//! child is gone), and end-of-file on the child's means that the host is gone.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use serde::{Deserialize, Serialize};

use crate::explain::{Moment, Told};
use crate::failure::Failure;
use crate::kernel::raw::adopt;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromChild {
    /// A call was made.
    Told(Told),
    /// A moment is about to begin; it waits for [`FromHost::Go`].
    Step(Moment),
    /// All is done but the exec; it waits for [`FromHost::Go`].
    Ready,
    /// A step failed; the child ends now.
    Failed(Failure),
    /// Our own code panicked in the child; it ends now.
    Panicked(String),
}

/// What the host says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromHost {
    /// Go on. With the names of the descriptors that travel along.
    Go(Vec<String>),
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// Descriptors that only the host could make, for the mechanisms in the child.
#[derive(Debug, Default)]
pub struct Handed(BTreeMap<String, OwnedFd>);

impl Handed {
    /// Takes the descriptor that the host's side of the same mechanism has handed in under `name`.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        self.0.remove(name)
    }
}

/// A message is one datagram of at most this many bytes; what is told of a command line is cut far below it.
const MOST: usize = 8 * 1024;

impl Channel {
    /// Both ends: the host's and the child's. unix(7), `SOCK_SEQPACKET`.
    ///
    /// # Errors
    /// EMFILE: too many open files.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (host, child) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self(host), Self(child)))
    }

    /// Says something, with descriptors travelling along (`SCM_RIGHTS`, unix(7)).
    ///
    /// # Errors
    /// EPIPE: the other side is gone.
    pub fn say(&self, message: &impl Serialize, descriptors: &[RawFd]) -> Result<(), Errno> {
        let text = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
        let rights = [ControlMessage::ScmRights(descriptors)];
        let control = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&text)], control, flags, None).map(drop)
    }

    /// Waits for a message; `None` is end-of-file.
    ///
    /// # Errors
    /// EBADMSG: not one of ours.
    pub fn hear<M: for<'a> Deserialize<'a>>(&self) -> Result<Option<(M, Vec<OwnedFd>)>, Errno> {
        let mut text = vec![0; MOST];
        let mut space = nix::cmsg_space!([RawFd; 32]);
        let mut descriptors = Vec::new();
        let length = {
            let mut parts = [IoSliceMut::new(&mut text)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let heard = loop {
                match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                    Err(Errno::EINTR) => {}
                    Err(Errno::ECONNRESET) => return Ok(None), // it ended with a message of ours unread
                    other => break other?,
                }
            };
            for control in heard.cmsgs()? {
                if let ControlMessageOwned::ScmRights(numbers) = control {
                    descriptors.extend(numbers.into_iter().map(adopt));
                }
            }
            heard.bytes
        };
        if length == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(&text[..length]).map_err(|_| Errno::EBADMSG)?;
        Ok(Some((message, descriptors)))
    }

    /// The child's side: waits until the host says go.
    ///
    /// # Errors
    /// EPIPE: the host is gone.
    pub fn wait_for_go(&self) -> Result<Handed, Errno> {
        let (FromHost::Go(names), descriptors) = self.hear()?.ok_or(Errno::EPIPE)?;
        Ok(Handed(names.into_iter().zip(descriptors).collect()))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
