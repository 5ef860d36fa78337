//! From the command's outputs to the log, until the command has ended and all that it said is there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::read;

use crate::log::Stream;
use crate::log::write::Writer;
use crate::monitor::ends::Ends;

/// What a pipe holds, at most; more at once can't come.
const PIECE: usize = 16 << 10;

/// Returns when the process has ended.
pub(super) fn until_the_end(pidfd: BorrowedFd<'_>, ends: Ends, signals: &SignalFd, log: &mut Writer) {
    let Ends { input: _input, output, error } = ends;
    let mut outputs = [(Stream::Out, Some(output)), (Stream::Err, Some(error))];
    let mut piece = [0; PIECE];
    loop {
        let mut watched =
            vec![PollFd::new(pidfd, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let open = outputs.iter().filter_map(|(_, end)| end.as_ref());
        watched.extend(open.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
        match poll(&mut watched, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        let ready: Vec<bool> = watched.iter().map(|one| one.any().unwrap_or(true)).collect();
        drop(watched);
        if ready[1] {
            let _ = signals.read_signal(); // nothing that is said to the monitor is meant for the command
        }
        let mut n = 2;
        for (stream, end) in &mut outputs {
            if end.is_some() {
                if ready[n] {
                    hear(*stream, end, log, &mut piece);
                }
                n += 1;
            }
        }
        if ready[0] {
            break;
        }
    }
    // It has ended. What it said is in the pipes still; who outlives it there (without pids of its own) is not waited for.
    for (stream, end) in &mut outputs {
        while end.as_ref().is_some_and(|end| is_ready(end.as_fd(), PollTimeout::ZERO)) {
            hear(*stream, end, log, &mut piece);
        }
    }
    log.ended();
}

/// One piece; at end-of-file the end is closed.
fn hear(stream: Stream, end: &mut Option<OwnedFd>, log: &mut Writer, piece: &mut [u8]) {
    let Some(open) = end else { return };
    match read(open, piece) {
        Ok(0) => *end = None,
        Ok(length) => log.heard(stream, &piece[..length]),
        Err(Errno::EINTR | Errno::EAGAIN) => {}
        Err(_) => *end = None,
    }
}

fn is_ready(end: BorrowedFd<'_>, patience: PollTimeout) -> bool {
    poll(&mut [PollFd::new(end, PollFlags::POLLIN)], patience).is_ok_and(|ready| ready > 0)
}

/// Sleeps, until somebody says something to the monitor.
pub(super) fn sleep(signals: &SignalFd, patience: Duration) {
    let patience = PollTimeout::try_from(patience + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    if is_ready(signals.as_fd(), patience) {
        let _ = signals.read_signal();
    }
}
