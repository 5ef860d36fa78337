//! The monitor: who stays with a container when whoever started it has gone. Its parent, the writer of its log, the one
//! who sees its end and starts it again where that was asked for. A copy of the engine that never execs: what it needs
//! is in its memory already, and most of that is shared with all other monitors.
//!
//! ```text
//!   shell --- boxroom run -d          monitor (setsid; parent: pid 1) --- the command (pid 1 inside)
//!                 |    a copy ----------^   |  pidfd, output, input          |
//!                 |<--- "it runs" ----------+<-------------------------------+
//!                 ends
//! ```
//!
//! # Layout
//! - [`pump`]: from the command's outputs to the log, until it has ended
//! - [`ends`]: the pipes' ends, before and after the child is born

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Weak;
use std::time::{Duration, Instant};

use ch00_process::explain::Process;
use ch00_process::failure::Failure;
use ch00_process::kernel::raw::{Spare, close_all_but, exit_now};
use ch00_process::kernel::{Kernel, Result};
use ch00_process::record::Record;
use ch04_images::own::failure;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{pipe2, setsid};
use serde::{Deserialize, Serialize};

use crate::attach::{self, Manner, Over};
use crate::attach_server::{AttachServer, Inside};
use crate::containers::Container;
use crate::launch::launch;
use crate::life::Life;
use crate::log::write::Writer;
use crate::monitor::ends::{pipes, silence, terminal};
use crate::monitor::pump::{Ears, until_the_end};
use crate::process::Process as Known;
use crate::pty::Console;
use crate::state::{Move, Status};
use crate::terminal::Seat;

pub mod ends;
mod pump;

/// The first words of a monitor to whoever started it.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Runs,
    Failed(Box<Failure>),
}

/// How a container is started.
#[derive(Debug, Default)]
pub struct How<'a> {
    /// Where `k` tells the launch to, where it does; `k` alone owns it, and with it it is closed.
    pub teller: Weak<File>,
    /// Who sits at it from its first moment; nothing it says is lost to them.
    pub attached: Option<(Seat<'a>, &'a Manner)>,
}

/// Starts the container with a monitor of its own. Returns when its command runs; with somebody attached, when that is
/// over, and why.
///
/// # Errors
/// It is no time for that, or the step of the launch that failed.
pub fn start(life: Life, k: Kernel, how: &How<'_>) -> Result<Option<Over>> {
    let state = life.container.state();
    state.status.after(Move::Start, life.container.name())?;
    let said = |what: &str, errno: Errno| Failure::said(format!("{what}: {errno}"), "", "ulimit -n");
    let (hears, tells) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| said("pipe2", errno))?;
    let pair = || socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (client, theirs) =
        how.attached.map(|_| pair()).transpose().map_err(|errno| said("socketpair", errno))?.unzip();
    let made = k.why("a copy of this program stays with the container").clone3(CloneFlags::empty(), None)?;
    let Some((_, pidfd)) = made else {
        drop((hears, client));
        let size = how.attached.and_then(|(seat, _)| seat.size());
        live(life, First { tells: Some(tells.into()), client: theirs, size }, k, &how.teller);
    };
    drop((tells, theirs));
    // The lock has gone over to the monitor, which opens it when the process is on disk: here it is only forgotten.
    let Life { lock, record, .. } = life;
    std::mem::forget(lock);
    let over = match (&client, how.attached) {
        (Some(client), Some((seat, manner))) => {
            Some(attach::stay(client, seat, manner).map_err(|error| failure(error.into()))?)
        }
        _ => None,
    };
    drop(client);
    if let Some(Over::Ended(_)) = over {
        let _ = k.why("all is written down when the monitor has ended").waitid(pidfd.as_fd());
    }
    let mut text = Vec::new();
    File::from(hears).read_to_end(&mut text).map_err(|error| failure(error.into()))?;
    let said = match serde_json::from_slice(&text) {
        // It is the monitor's to remove from now on, and on record so.
        Ok(Word::Runs) => record.map_or(Ok(()), Record::forget).map(|()| over).map_err(failure),
        Ok(Word::Failed(failure)) => Err(*failure),
        Err(_) => Err(Failure::said(
            "the monitor ended before the command ran, and could not say why",
            "something outside killed it",
            "start it again; dmesg says whether it was for want of memory",
        )),
    };
    if said.is_err() {
        let _ = k.why("it is about to end: no zombie of ours").waitid(pidfd.as_fd());
    }
    said
}

/// What is only for the first time.
struct First {
    /// Whoever started it wants to know that it runs.
    tells: Option<File>,
    /// And may be attached.
    client: Option<OwnedFd>,
    /// At a terminal of this size.
    size: Option<(u16, u16)>,
}

/// The monitor's life. It never returns to what its memory is a copy of.
fn live(mut life: Life, mut first: First, k: Kernel, teller: &Weak<File>) -> ! {
    std::panic::set_hook(Box::new(|_| {}));
    let container = life.container.clone();
    life.record = None; // the starter's; this process writes its own
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let teller = teller.upgrade();
        let kept = [first.tells.as_ref(), teller.as_deref()].map(|file| file.map(AsFd::as_fd));
        let kept = kept.into_iter().chain([first.client.as_ref().map(AsFd::as_fd)]);
        let kept: Vec<_> = kept.chain([life.lock.as_ref().map(AsFd::as_fd)]).flatten().collect();
        let monitor = Monitor::begin(container, &kept);
        drop(teller);
        monitor.and_then(|mut monitor| monitor.live(life, &mut first, k))
    }));
    let last = match lived {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::said("the monitor panicked", "a bug", "report what you did")),
    };
    if let Some(failure) = last {
        say(&mut first.tells, &Word::Failed(Box::new(failure)));
    }
    exit_now(0)
}

/// Once, and then whoever waits for it need not any more.
fn say(tells: &mut Option<File>, word: &Word) {
    if let Some(mut out) = tells.take() {
        let _ = out.write_all(&serde_json::to_vec(word).unwrap_or_default());
    }
}

struct Monitor {
    container: Container,
    signals: SignalFd,
    log: Writer,
    /// Until the end, which it tells.
    attached: Option<AttachServer>,
    /// As long as it is held, nobody else runs this container, or reads its files from below.
    _hold: Flock<File>,
}

impl Monitor {
    /// Away from the terminal, the folder and the descriptors of whoever started it.
    // ANCHOR: away
    fn begin(container: Container, kept: &[BorrowedFd<'_>]) -> Result<Self> {
        let said = |what: &str, errno| Failure::said(format!("{what}: {errno}"), "", "");
        // ANCHOR: task-monitor
        setsid().map_err(|errno| said("setsid()", errno))?; // the terminal's end, and its Ctrl-C, are not ours
        close_all_but(kept);
        std::env::set_current_dir("/").map_err(|error| failure(error.into()))?; // it can be unmounted, or removed
        // ANCHOR_END: task-monitor
        silence().map_err(|errno| said("dup2(/dev/null)", errno))?;
        let _ = std::fs::write("/proc/self/comm", format!("boxroom {}", container.config.id()));
        let all = SigSet::all();
        all.thread_set_mask().map_err(|errno| said("sigprocmask", errno))?;
        let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|errno| said("signalfd", errno))?;
        let hold = container.hold().map_err(failure)?;
        // Shared from here: chapter 04's launch takes a share of it as well.
        hold.relock(FlockArg::LockShared).map_err(|errno| said("flock", errno))?;
        let log = Writer::open(&container);
        let no_socket =
            |error: std::io::Error| failure(anyhow::Error::from(error).context("the monitor's socket"));
        let mut attached = AttachServer::new(Inside::default()).map_err(no_socket)?;
        attached.listen(&container.run).map_err(no_socket)?;
        Ok(Self { container, signals, log, attached: Some(attached), _hold: hold })
    }
    // ANCHOR_END: away

    /// From start to end, and again where the policy says so.
    fn live(&mut self, life: Life, first: &mut First, k: Kernel) -> Result<()> {
        let (mut life, mut k, mut wait) = (life, k, FIRST_WAIT);
        loop {
            let (restarts, began) = (life.restarts, Instant::now());
            let code = self.once(life, first, k)?;
            k = Kernel::new(Process::Host, None);
            wait = if began.elapsed() > LONG_ENOUGH { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            if !self.is_to_start_again(wait)? {
                if let Some(attached) = self.attached.take() {
                    attached.end(code);
                }
                return Ok(());
            }
            life =
                Life { container: self.container.clone(), restarts: restarts + 1, lock: None, record: None };
            life.lock = Some(self.container.lock().map_err(failure)?);
        }
    }

    /// Once; the exit code.
    // ANCHOR: once
    fn once(&mut self, life: Life, first: &mut First, k: Kernel) -> Result<u8> {
        let said = |errno| Failure::said(format!("the command's pipes: {errno}"), "", "ulimit -n");
        let config = self.container.config.clone();
        let Some(attached) = &mut self.attached else { return Ok(0) };
        let console = config.tty.then(|| Console::new(config.uid, first.size)).transpose()?;
        let (console, master) = console.unzip();
        let (mut outputs, mut inside, theirs) = pipes(&config).map_err(said)?;
        let launch = launch(life, console, false, &k)?;
        theirs.become_standard().map_err(said)?;
        let begun = launch.begin(&k);
        silence().map_err(said)?;
        drop(theirs);
        let at_gate = begun?;
        if let Some(master) = master {
            (outputs, inside) = terminal(master.receive()?).map_err(said)?;
        }
        attached.replace(inside);
        if let Some(client) = first.client.take() {
            // All that is said from the first moment on is for them.
            let greeted = attached.adopt(client).and_then(|()| attached.greet(&k, at_gate.pidfd()));
            greeted.map_err(|error| failure(error.into()))?;
        }
        let running = at_gate.release(&k)?;
        // It is told: where that went to is whoever's who started it, and is closed with what told it.
        drop(k);
        say(&mut first.tells, &Word::Runs);
        // The command line's words, the launch's code: nothing of it is needed for a long time.
        let spare = Spare::find();
        let k = &Kernel::new(Process::Host, None);
        let mut ears = Ears { container: &self.container, log: &mut self.log, attached };
        until_the_end(k, running.pidfd(), outputs, &self.signals, &mut ears, &spare);
        running.end(k, |_| {}).map(|ended| ended.code)
    }
    // ANCHOR_END: once

    /// Waits for a moment where it is to be started again; false where it isn't, or somebody has said stop meanwhile.
    fn is_to_start_again(&self, wait: Duration) -> Result<bool> {
        let end = Instant::now() + wait;
        loop {
            if self.container.state().status != Status::Restarting {
                return Ok(false);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            pump::sleep(&self.signals, left);
        }
    }
}

/// Doubled from restart to restart, up to the longest; as Docker's.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Who has run so long has recovered.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// Tells the monitor to look at the state again: it may be waiting to start a container that shall not start any more.
pub fn wake(container: &Container, k: &Kernel) {
    if let Some(monitor) = container.state().monitor.as_ref().and_then(Known::find) {
        let _ = monitor.signal(k, Signal::SIGTERM);
    }
}

/// Waits until the container's monitor has ended: all is written down and removed then.
pub fn wait_for_end(container: &Container, patience: Option<Duration>) -> bool {
    container
        .state()
        .monitor
        .as_ref()
        .and_then(Known::find)
        .is_none_or(|monitor| monitor.ends_within(patience))
}
