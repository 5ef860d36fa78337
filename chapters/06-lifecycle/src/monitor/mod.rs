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
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ch00_process::failure::Failure;
use ch00_process::kernel::raw::{close_all_but, exit_now};
use ch00_process::kernel::{Kernel, Result};
use ch04_images::own::failure;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{pipe2, setsid};
use serde::{Deserialize, Serialize};

use crate::containers::Container;
use crate::launch::launch;
use crate::life::Life;
use crate::log::write::Writer;
use crate::monitor::ends::Ends;
use crate::process::Process;
use crate::state::{Move, Status};

pub mod ends;
mod pump;

/// The first words of a monitor to whoever started it.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Runs,
    Failed(Box<Failure>),
}

/// Starts the container with a monitor of its own; returns when its command runs. `k` may tell what happens to `teller`.
///
/// # Errors
/// It is no time for that, or the step of the launch that failed.
pub fn start(life: Life, k: Kernel, teller: Option<&File>) -> Result<()> {
    let state = life.container.state();
    state.status.after(Move::Start, life.container.name())?;
    let (hears, tells) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
        Failure::of_call(k.place(), "pipe2(O_CLOEXEC)".into(), errno, "the monitor's first words")
    })?;
    let made = k.why("a copy of this program stays with the container").clone3(CloneFlags::empty(), None)?;
    let Some((_, pidfd)) = made else {
        drop(hears);
        live(life, tells, k, teller);
    };
    drop(tells);
    // The lock has gone over to the monitor, which opens it when the process is on disk: here it is only forgotten.
    let Life { lock, record, .. } = life;
    std::mem::forget(lock);
    let mut text = Vec::new();
    File::from(hears).read_to_end(&mut text).map_err(|error| failure(error.into()))?;
    let said = match serde_json::from_slice(&text) {
        Ok(Word::Runs) => {
            // It is the monitor's to remove from now on, and on record so.
            record.map_or(Ok(()), |record| record.forget().map_err(failure))
        }
        Ok(Word::Failed(failure)) => Err(*failure),
        Err(_) => Err(Failure::said(
            "the monitor ended before the command ran, and could not say why",
            "something outside killed it",
            "start it again; dmesg says whether it was for want of memory",
        )),
    };
    if said.is_err() {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let _ = waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED); // it is about to end: no zombie of ours
    }
    said
}

/// The monitor's life. It never returns to what its memory is a copy of.
fn live(mut life: Life, tells: OwnedFd, k: Kernel, teller: Option<&File>) -> ! {
    std::panic::set_hook(Box::new(|_| {}));
    let container = life.container.clone();
    life.record = None; // the starter's; this process writes its own
    let mut tells = Some(File::from(tells));
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let kept = [tells.as_ref(), teller];
        Monitor::begin(container, &life, kept).and_then(|mut monitor| monitor.live(life, &mut tells, k))
    }));
    let last = match lived {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::said("the monitor panicked", "a bug", "report what you did")),
    };
    if let Some(failure) = last {
        say(&mut tells, &Word::Failed(Box::new(failure)));
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
    /// As long as it is held, nobody else runs this container, or reads its files from below.
    _hold: Flock<File>,
}

impl Monitor {
    /// Away from the terminal, the folder and the descriptors of whoever started it.
    // ANCHOR: away
    fn begin(container: Container, life: &Life, kept: [Option<&File>; 2]) -> Result<Self> {
        // ANCHOR: task-monitor
        let said = |what: &str, errno| Failure::said(format!("{what}: {errno}"), "", "");
        setsid().map_err(|errno| said("setsid()", errno))?; // the terminal's end, and its Ctrl-C, are not ours
        let kept = kept.into_iter().flatten().map(AsFd::as_fd).chain(life.lock.as_ref().map(AsFd::as_fd));
        close_all_but(&kept.collect::<Vec<_>>());
        std::env::set_current_dir("/").map_err(|error| failure(error.into()))?; // it can be unmounted, or removed
        // ANCHOR_END: task-monitor
        ends::silence().map_err(|errno| said("dup2(/dev/null)", errno))?;
        let _ = std::fs::write("/proc/self/comm", format!("boxroom {}", container.config.id()));
        let all = SigSet::all();
        all.thread_set_mask().map_err(|errno| said("sigprocmask", errno))?;
        let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|errno| said("signalfd", errno))?;
        let hold = container.hold().map_err(failure)?;
        // Shared from here: chapter 04's launch takes a share of it as well.
        hold.relock(FlockArg::LockShared).map_err(|errno| said("flock", errno))?;
        let log = Writer::open(&container.folder, container.config.log);
        Ok(Self { container, signals, log, _hold: hold })
    }
    // ANCHOR_END: away

    /// From start to end, and again where the policy says so.
    fn live(&mut self, life: Life, tells: &mut Option<File>, k: Kernel) -> Result<()> {
        let mut life = life;
        let mut wait = FIRST_WAIT;
        let mut k = k;
        loop {
            let (restarts, began) = (life.restarts, Instant::now());
            self.once(life, tells, &k)?;
            k = Kernel::new(ch00_process::explain::Process::Host, None);
            wait = if began.elapsed() > LONG_ENOUGH { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            if !self.is_to_start_again(wait)? {
                return Ok(());
            }
            life =
                Life { container: self.container.clone(), restarts: restarts + 1, lock: None, record: None };
            life.lock = Some(self.container.lock().map_err(failure)?);
        }
    }

    fn once(&mut self, life: Life, tells: &mut Option<File>, k: &Kernel) -> Result<()> {
        let said = |errno| Failure::said(format!("pipe2: {errno}"), "", "ulimit -n");
        let (ours, theirs) = Ends::pair(&self.container.config).map_err(said)?;
        let launch = launch(life, k)?;
        theirs.become_standard().map_err(said)?;
        let begun = launch.begin(k);
        ends::silence().map_err(said)?;
        drop(theirs);
        let running = begun?.release(k)?;
        say(tells, &Word::Runs);
        pump::until_the_end(running.pidfd(), ours, &self.signals, &mut self.log);
        running.end(k, |_| {}).map(drop)
    }

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
    if let Some(monitor) = container.state().monitor.as_ref().and_then(Process::find) {
        let _ = monitor.signal(k, Signal::SIGTERM);
    }
}

/// Waits until the container's monitor has ended: all is written down and removed then.
pub fn wait_for_end(container: &Container, patience: Option<Duration>) -> bool {
    container
        .state()
        .monitor
        .as_ref()
        .and_then(Process::find)
        .is_none_or(|monitor| monitor.ends_within(patience))
}
