//! From the command's outputs to the log and to whoever is attached, until the command has ended and all that it said is
//! there.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use ch00_process::kernel::Kernel;
use ch00_process::kernel::raw::Spare;
use nix::errno::Errno;
use nix::sys::signalfd::SignalFd;
use nix::unistd::read;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

/// How often a terminal that nobody has open is looked at (somebody may open it again), and a lock that was taken.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// After so long without a word, what was needed for the last one is given back: most monitors have nothing to do for
/// most of their time, and there may be a thousand of them.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const NONE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Returns when the process has ended.
pub(super) fn until_the_end(
    k: &Kernel,
    command: BorrowedFd<'_>,
    outputs: Outputs,
    signals: &SignalFd,
    ears: &mut Ears<'_>,
    spare: &Spare,
) {
    let mut ends = [End::new(Stream::Out, outputs.out), End::new(Stream::Err, outputs.err)];
    let mut ended = false;
    loop {
        // Somebody who must have all is behind: the command waits, as it would at a pipe.
        let full = ears.attached.is_full();
        let mut watched =
            vec![PollFd::new(ears.attached, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        watched.extend((!ended).then(|| PollFd::new(&command, PollFlags::IN)));
        let listens = |end: &&End| !full && !end.hangs;
        let open = ends.iter().filter(listens).filter_map(|end| end.file.as_ref());
        watched.extend(open.map(|file| PollFd::new(file, PollFlags::IN)));
        // Somebody changed the state when it was to say that the log has no room: it is tried again.
        ears.log.admit(ears.container, false);
        let looks_again = ends.iter().any(|end| end.hangs) || ears.log.has_to_admit();
        let may_rest = !(ended || looks_again || full);
        let patience = match (ended, full) {
            (true, false) => Some(NONE), // what it said is there already, or never comes
            _ if looks_again => Some(LOOK_AGAIN),
            _ if may_rest => Some(QUIET),
            _ => None,
        };
        let mut count = poll(&mut watched, patience.as_ref());
        if may_rest && count == Ok(0) {
            spare.give_back();
            // Nothing but this call before it sleeps: whatever else is called would be read again from the file.
            count = poll(&mut watched, None);
        }
        let count = match count {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(count) => count,
        };
        let mut ready = watched.iter().map(|one| !one.revents().is_empty()).collect::<Vec<_>>().into_iter();
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

    /// One piece; at end-of-file it is closed. A function of its own for the sake of its memory: as a part of the loop it
    /// would be held while nothing is heard.
    #[inline(never)]
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
    let patience = Timespec::try_from(patience).ok();
    if poll(&mut [PollFd::new(signals, PollFlags::IN)], patience.as_ref()).is_ok_and(|ready| ready > 0) {
        let _ = signals.read_signal();
    }
}
