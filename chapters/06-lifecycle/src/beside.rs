//! An `exec` in two processes: one that launches the command and waits for it, and this one, at the keyboard, which may leave.
//!
//! The kernel lets only a parent wait for its child, so whoever leaves early can't be the parent. With `-t` the other process
//! holds the terminal's master, too, and this one is its first and only attached client; with `-d` it leaves at once.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::gate::Running;
use ch00_process::kernel::raw::exit_now;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch00_process::wait::code_of;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};

use crate::attach::{self, Manner, Over};
use crate::attach_server::{AttachServer, Inside};
use crate::pty::Master;
use crate::terminal::Seat;
use crate::wire::{self, MOST, Message, Stream};

/// Launches in a process of its own. With somebody `attached` stays until it is over, else leaves as soon as the command runs.
///
/// # Errors
/// The step that failed, there or here.
pub fn run<C: Chain, R: Root>(
    launch: Launch<C, R>,
    master: Option<Master>,
    attached: Option<(Seat<'_>, &Manner)>,
    k: &Kernel,
) -> Result<Over> {
    let said = |what: &str, errno: Errno| Failure::said(format!("{what}: {errno}"), "", "");
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| said("socketpair", errno))?;
    let made = k
        .why("one waits for the command as its parent; the other, at the keyboard, may leave")
        .clone3(CloneFlags::empty(), None)?;
    let Some((_, other)) = made else {
        drop(ours);
        let ended = catch_unwind(AssertUnwindSafe(|| wait_there(launch, master, theirs, k)));
        exit_now(ended.map_or(ENGINE, |code| code).into())
    };
    drop((theirs, launch, master));
    let over = match attached {
        Some((seat, manner)) => attach::stay(&ours, seat, manner)
            .map_err(|error| Failure::said(format!("attach: {error}"), "", ""))?,
        None => started(&ours),
    };
    // Who has ended with the command is waited for; who goes on without us is not.
    match over {
        Over::Ended(_) | Over::Failed(_) => drop(k.why("no zombie stays").waitid(other.as_fd())),
        Over::Lost => return Ok(Over::Ended(code_of(k.why("how did it end?").waitid(other.as_fd())?))),
        Over::Detached | Over::Signal(_) | Over::Ignored(_) => {}
    }
    Ok(over)
}

/// Waits until the command runs.
fn started(socket: &OwnedFd) -> Over {
    let _ = Message::Here { waits: false }.send(socket.as_fd(), MsgFlags::empty());
    match wire::receive(socket.as_fd(), MsgFlags::empty(), &mut [0; MOST]) {
        Ok(Some(Message::There { .. })) => Over::Detached,
        Ok(Some(Message::Failed(text))) => Over::failed(text),
        Ok(Some(Message::Ended(code))) => Over::Ended(code),
        _ => Over::Lost,
    }
}

/// The other process: launches, and goes with the command to its end.
fn wait_there<C: Chain, R: Root>(
    launch: Launch<C, R>,
    master: Option<Master>,
    client: OwnedFd,
    k: &Kernel,
) -> u8 {
    let launched = (|| {
        k.why("what the terminal sends to the caller's job is not for us").setsid()?;
        let gate = launch.begin(k)?;
        let master = master.map(Master::receive).transpose()?;
        Ok::<_, Failure>((gate.release(k)?, master))
    })();
    let (running, master) = match launched {
        Ok(both) => both,
        Err(failure) => {
            let _ = Message::Failed(&serde_json::to_vec(&failure).unwrap_or_default())
                .send(client.as_fd(), MsgFlags::empty());
            return failure.code;
        }
    };
    // Whoever reads the caller's output to its end isn't to wait for us.
    let _ = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(|null| k.why("nothing more is said here").make_standard(null.as_fd()));
    accompany(running, master, client, k).unwrap_or(ENGINE)
}

fn accompany<C: Chain>(
    running: Running<C>,
    master: Option<OwnedFd>,
    client: OwnedFd,
    k: &Kernel,
) -> io::Result<u8> {
    let input = master.as_ref().map(OwnedFd::try_clone).transpose()?;
    let terminal = input.is_some();
    let mut server = AttachServer::new(Inside { input, terminal })?;
    server.adopt(client)?;
    server.greet(k, running.pidfd())?;
    relay(&running, master.as_ref(), &mut server, k)?;
    let ended = running.end(k, |_| {});
    let code = ended.map_or_else(|failure| failure.code, |ended| ended.code);
    server.end(code);
    Ok(code)
}

/// Until the command has ended and what it has written is shown.
fn relay<C: Chain>(
    running: &Running<C>,
    master: Option<&OwnedFd>,
    server: &mut AttachServer,
    k: &Kernel,
) -> io::Result<()> {
    let mut buffer = [0; MOST - 1];
    let (mut ended, mut hung_up) = (false, false);
    loop {
        while !server.is_full() && master.is_some_and(|master| show(master, server, &mut buffer)) {}
        if ended && !server.is_full() {
            return Ok(());
        }
        let listens = master.filter(|_| !ended && !hung_up && !server.is_full());
        let mut watched = vec![PollFd::new(server.as_fd(), PollFlags::POLLIN)];
        watched.extend((!ended).then(|| PollFd::new(running.pidfd(), PollFlags::POLLIN)));
        watched.extend(listens.map(|master| PollFd::new(master.as_fd(), PollFlags::POLLIN)));
        // A terminal that nobody has open is looked at again from time to time: somebody may open it.
        let patience = if hung_up { PollTimeout::from(100_u8) } else { PollTimeout::NONE };
        match poll(&mut watched, patience) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let ready = |n: usize| watched.get(n).is_some_and(|one| one.any().unwrap_or(true));
        let serves = ready(0);
        ended |= ready(1);
        hung_up = master.is_some_and(hangs);
        if serves {
            server.serve(k, running.pidfd())?;
        }
    }
}

/// Shows what the command has written, once; false where there is nothing.
fn show(master: &OwnedFd, server: &mut AttachServer, buffer: &mut [u8]) -> bool {
    match nix::unistd::read(master, buffer) {
        Ok(count) if count > 0 => {
            server.output(Stream::Out, &buffer[..count]);
            true
        }
        _ => false,
    }
}

/// Whether nobody has the terminal open any more.
fn hangs(master: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(master.as_fd(), PollFlags::empty())];
    poll(&mut watched, PollTimeout::ZERO)
        .is_ok_and(|_| watched[0].revents().is_some_and(|flags| flags.contains(PollFlags::POLLHUP)))
}
