//! From the command's outputs to the log and to whoever is attached, until the command has ended and all that it said is
//! there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ch00_process::kernel::Kernel;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::read;

use crate::attach_server::AttachServer;
use crate::containers::Container;
use crate::log::write::Writer;
use crate::monitor::ends::Outputs;
use crate::wire::{MOST, Stream};

/// Who hears what the command says.
pub(super) struct Ears<'a> {
    pub(super) container: &'a Container,
    pub(super) log: &'a mut Writer,
    pub(super) attached: &'a mut AttachServer,
}

/// How often a terminal that nobody has open is looked at: somebody may open it again.
const LOOK_AGAIN: u8 = 100; // milliseconds

/// Returns when the process has ended.
pub(super) fn until_the_end(
    k: &Kernel,
    command: BorrowedFd<'_>,
    outputs: Outputs,
    signals: &SignalFd,
    ears: &mut Ears<'_>,
) {
    let mut ends = [End::new(Stream::Out, outputs.out), End::new(Stream::Err, outputs.err)];
    let mut ended = false;
    loop {
        // Somebody who must have all is behind: the command waits, as it would at a pipe.
        let full = ears.attached.is_full();
        let mut watched = vec![
            PollFd::new(ears.attached.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        watched.extend((!ended).then(|| PollFd::new(command, PollFlags::POLLIN)));
        let listens = |end: &&End| !full && !end.hangs;
        let open = ends.iter().filter(listens).filter_map(|end| end.file.as_ref());
        watched.extend(open.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN)));
        let patience = match (ended, full) {
            (true, false) => PollTimeout::ZERO, // what it said is there already, or never comes
            _ if ends.iter().any(|end| end.hangs) => LOOK_AGAIN.into(),
            _ => PollTimeout::NONE,
        };
        let count = match poll(&mut watched, patience) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(count) => count,
        };
        let mut ready = watched.iter().map(|one| one.any().unwrap_or(true)).collect::<Vec<_>>().into_iter();
        drop(watched);
        if ready.next() == Some(true) {
            let _ = ears.attached.serve(k, command);
        }
        if ready.next() == Some(true) {
            let _ = signals.read_signal(); // nothing that is said to the monitor is meant for the command
        }
        if ended && !full && count == 0 {
            break;
        }
        ended |= !ended && ready.next() == Some(true);
        for end in &mut ends {
            let polled = !full && !end.hangs && end.file.is_some();
            end.hangs = false;
            if polled && ready.next() == Some(true) {
                end.hear(ears);
            }
        }
        if ended && ends.iter().all(|end| end.file.is_none() || end.hangs) && !ears.attached.is_full() {
            break;
        }
    }
    ears.log.ended();
    ears.log.admit(ears.container, true);
}

/// One of the command's outputs.
struct End {
    stream: Stream,
    file: Option<OwnedFd>,
    /// Nobody has the terminal open.
    hangs: bool,
}

impl End {
    fn new(stream: Stream, file: Option<OwnedFd>) -> Self {
        Self { stream, file, hangs: false }
    }

    /// One piece; at end-of-file it is closed.
    fn hear(&mut self, ears: &mut Ears<'_>) {
        if ears.attached.is_full() {
            return; // since this round began
        }
        let Some(file) = &self.file else { return };
        let mut piece = [0; MOST - 1];
        match read(file, &mut piece) {
            Ok(0) => self.file = None,
            Ok(length) => {
                ears.log.heard(self.stream, &piece[..length]);
                ears.log.admit(ears.container, false);
                ears.attached.output(self.stream, &piece[..length]);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(Errno::EIO) => self.hangs = true,
            Err(_) => self.file = None,
        }
    }
}

/// Sleeps, until somebody says something to the monitor.
pub(super) fn sleep(signals: &SignalFd, patience: Duration) {
    let patience = PollTimeout::try_from(patience + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    if poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], patience).is_ok_and(|ready| ready > 0) {
        let _ = signals.read_signal();
    }
}
