//! A launch: a process started through a list of mechanisms, moment by moment. This is the host's side.

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::channel::{Channel, FromChild, FromHost};
use crate::child;
use crate::exec::Command;
use crate::explain::Moment;
use crate::failure::Failure;
use crate::kernel::{Kernel, Result};
use crate::mechanism::{Birth, Chain, Child, Mechanism, Root, SameRoot, With};
use crate::wait::{End, Ended, Signals, Woken};

/// Splits the child in two just before the exec: returns in the process that will be the command, and stays as the
/// other.
pub type Init = fn(&Kernel) -> Result<()>;

/// What will be launched: a command, through mechanisms, in a root.
#[derive(Debug)]
pub struct Launch<C = (), R = SameRoot> {
    pub(crate) command: Command,
    pub(crate) init: Option<Init>,
    pub(crate) mechanisms: C,
    pub(crate) root: R,
}

impl Launch {
    /// A plain process: no mechanism, the root that there is.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self { command, init: None, mechanisms: (), root: SameRoot }
    }
}

impl<C: Chain, R: Root> Launch<C, R> {
    /// One mechanism more.
    pub fn with<M: Mechanism>(self, mechanism: M) -> Launch<With<C, M>, R> {
        let Self { command, init, mechanisms, root } = self;
        Launch { command, init, mechanisms: With(mechanisms, mechanism), root }
    }

    /// Another root in place of the one so far.
    pub fn root<S: Root>(self, root: S) -> Launch<C, S> {
        let Self { command, init, mechanisms, .. } = self;
        Launch { command, init, mechanisms, root }
    }

    /// A root made of the one so far.
    pub fn map_root<S: Root>(self, change: impl FnOnce(R) -> S) -> Launch<C, S> {
        let Self { command, init, mechanisms, root } = self;
        Launch { command, init, mechanisms, root: change(root) }
    }

    /// A small init that stays as the first process, with the command as its child (chapter 02's reaper), or none.
    #[must_use]
    pub fn init(mut self, init: Option<Init>) -> Self {
        self.init = init;
        self
    }

    /// Runs the command and waits for its end.
    ///
    /// # Errors
    /// The step that failed, on the host or in the child, with Docker's exit code for it.
    // ANCHOR: run
    pub fn run(mut self, k: &Kernel) -> Result<Ended> {
        let signals = Signals::hold()?;
        let mut birth = Birth::plain();
        let end = self.born(k, &mut birth).and_then(|born| accompany(k, &signals, born));
        concluded(&mut self.mechanisms, k, birth, end, |_| {})
    }

    /// From the first preparation until the child goes its own way.
    pub(crate) fn born(&mut self, k: &Kernel, birth: &mut Birth) -> Result<Born> {
        k.command_is(&self.command);
        k.begin(Moment::Prepare)?;
        self.mechanisms.prepare(k, birth)?;

        k.begin(Moment::Clone)?;
        k.by(SameRoot::NAME);
        let (ours, theirs) = Channel::pair().map_err(|errno| {
            Failure::of_call(
                k.place(),
                "socketpair(AF_UNIX, SOCK_SEQPACKET)".into(),
                errno,
                "host and child talk",
            )
        })?;
        let Some((pid, pidfd)) = bear(k, birth)? else {
            // This is the child now. It may do what the host may, and it never comes back from here.
            drop(ours);
            child::live(self, std::mem::take(&mut birth.doors), theirs, k.is_watched());
        };
        birth.doors.clear(); // the child has its own
        drop(theirs); // else the end of the child would not be the end of the channel

        let born = Born { pid, pidfd, channel: Some(ours), buried: false };
        k.child_is(pid);
        k.begin(Moment::Supervise)?;
        let mut child = Child { pid, pidfd: born.pidfd.as_fd(), handed: Vec::new() };
        self.mechanisms.supervise(k, &mut child)?;
        k.by(R::NAME);
        self.root.supervise(k, &mut child)?;

        let (names, descriptors) = child.handed();
        // Where the child is gone already, hearing from it says why better than this would.
        let _ = born.say(&FromHost::Go(names), &descriptors);
        drop(child);
        Ok(born)
    }
}

/// How it ended, and why; that is noted, and then what outlives it is removed.
pub(crate) fn concluded<C: Chain>(
    mechanisms: &mut C,
    k: &Kernel,
    birth: Birth,
    mut end: Result<Ended>,
    note: impl FnOnce(&Result<Ended>),
) -> Result<Ended> {
    let outlives = !birth.records.is_empty(); // else there is nothing to look at between these moments
    let step = |moment| if outlives { k.begin(moment) } else { Ok(()) };
    // From here on nothing may end the launch early: what was made has to go.
    let told = step(Moment::Outcome).and(mechanisms.outcome(k, &mut end));
    note(&end);
    let removed = step(Moment::Cleanup).and(C::cleanup(k, birth.records));
    if let Ok(end) = &mut end {
        let failed = [told, removed].into_iter().filter_map(Result::err);
        end.notes.extend(failed.map(|failure| failure.to_string()));
    }
    end
}
// ANCHOR_END: run

/// The child, and our end of the channel to it. Where the host gives up before its end, it must not stay behind.
pub(crate) struct Born {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    channel: Option<Channel>,
    buried: bool,
}

/// The child is born: from here on there are two of us. `None` in the child.
fn bear(k: &Kernel, birth: &Birth) -> Result<Option<(Pid, OwnedFd)>> {
    // ANCHOR: task-clone
    let cgroup = birth.cgroup.as_ref().map(AsFd::as_fd);
    k.why("a copy of this process, and a descriptor that names it for good").clone3(birth.namespaces, cgroup)
    // ANCHOR_END: task-clone
}

/// Goes with the child to its end: tells what it tells, passes signals on, and waits.
fn accompany(k: &Kernel, signals: &Signals, mut born: Born) -> Result<Ended> {
    let mut said = Said::default();
    let mut interrupts = Interrupts::default();
    loop {
        match signals.wait(born.pidfd.as_fd(), born.channel.as_ref().map(AsFd::as_fd))? {
            Woken::Channel => {
                born.hear(k, &mut said);
                if said.at_gate {
                    born.open_gate(&mut said);
                }
                // End-of-file: the child has become the command, or has ended.
                if born.channel.is_none() && said.failed.is_none() {
                    k.begin(Moment::Wait)?;
                }
            }
            Woken::Signal { signal, .. } if born.channel.is_some() && Interrupts::ends(signal) => {
                // Nothing runs yet that could want it: the launch is given up.
                said.failed = Some(given_up(k, signal));
                let why = k.why("the launch is given up");
                let _ = why.pidfd_send_signal(born.pidfd.as_fd(), Signal::SIGKILL);
            }
            Woken::Signal { signal, from_terminal } => {
                let deadly = interrupts.is_third(signal, born.pid);
                let signal = if deadly { Signal::SIGKILL } else { signal };
                // A Ctrl-C reaches the whole foreground process group, so the child has had it already.
                if deadly || !from_terminal {
                    // ESRCH: it has just ended, which the next round will see.
                    let _ = k
                        .why("what was meant for the command is passed on")
                        .pidfd_send_signal(born.pidfd.as_fd(), signal);
                }
            }
            Woken::Ended => {
                while born.channel.is_some() && born.hear(k, &mut said) {}
                let ended = born.bury(k, said, interrupts.killed());
                signals.take_terminal_back();
                return ended;
            }
        }
    }
}

/// What the child has said so far.
#[derive(Default)]
pub(crate) struct Said {
    /// It waits to be released.
    pub(crate) at_gate: bool,
    /// It came as far as the gate.
    pub(crate) ready: bool,
    pub(crate) failed: Option<Failure>,
}

impl Born {
    fn say(&self, message: &FromHost, descriptors: &[RawFd]) -> Result<(), nix::errno::Errno> {
        self.channel.as_ref().map_or(Ok(()), |channel| channel.say(message, descriptors))
    }

    /// The child goes on to become the command.
    pub(crate) fn open_gate(&self, said: &mut Said) {
        said.at_gate = false;
        let _ = self.say(&FromHost::Go(vec![]), &[]);
    }

    /// One message more; false where there are none any more: it has become the command, or has ended.
    pub(crate) fn hear(&mut self, k: &Kernel, said: &mut Said) -> bool {
        let heard = self.channel.as_ref().map_or(Ok(false), |channel| hear(k, channel, said));
        let open = heard.unwrap_or_else(|failure| {
            // No word of it can be trusted any more, and it may be waiting for an answer.
            let why = k.why("the child speaks no language of ours");
            let _ = why.pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
            said.failed = Some(failure);
            false
        });
        if !open {
            self.channel = None;
            k.completed(said.failed.is_none());
            k.by(SameRoot::NAME);
        }
        open
    }

    /// How it ended.
    pub(crate) fn bury(mut self, k: &Kernel, said: Said, forced: bool) -> Result<Ended> {
        let status = bury(k, &self.pidfd)?;
        self.buried = true;
        match said.failed {
            Some(failure) => Err(failure),
            None if !said.ready => Err(k.refuse(
                "the child ended before the command ran, and could not say why",
                "something outside killed it (the kernel, for want of memory?)",
                "look at dmesg; run it again with --explain",
            )),
            None => Ok(Ended::new(self.pid, status, forced)),
        }
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        if !self.buried {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
            let _ = waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED);
        }
    }
}

/// An ended child stays in the table of processes until its parent has asked how it ended.
fn bury(k: &Kernel, pidfd: &OwnedFd) -> Result<End> {
    // ANCHOR: task-wait
    k.why("how did it end? no zombie stays").waitid(pidfd.as_fd())
    // ANCHOR_END: task-wait
}

/// One message; false at end-of-file.
fn hear(k: &Kernel, channel: &Channel, said: &mut Said) -> Result<bool> {
    let heard = channel.hear::<FromChild>().map_err(|errno| {
        Failure::of_call(k.place(), "recvmsg(channel)".into(), errno, "what the child says")
    })?;
    let Some((message, _)) = heard else { return Ok(false) };
    match message {
        FromChild::Told(told) => k.relay(&told),
        FromChild::Step(moment) => {
            k.step(moment)?;
            let _ = channel.say(&FromHost::Go(vec![]), &[]);
        }
        FromChild::Ready => (said.at_gate, said.ready) = (true, true),
        FromChild::Failed(failure) => said.failed = Some(failure),
        FromChild::Panicked(text) => {
            let hint =
                "this is a mistake in our own code; run it again with --explain and report what it shows";
            said.failed = Some(k.refuse(format!("the child panicked: {text}"), "a bug", hint));
        }
    }
    Ok(true)
}

/// The user wanted it to end before it began.
fn given_up(k: &Kernel, signal: Signal) -> Failure {
    let failure = k.refuse(format!("{signal} came before the command ran"), "the launch was given up", "");
    failure.code(128 + signal as u8)
}

/// Docker's rule for a command that doesn't listen: the third Ctrl-C kills it. One that has a handler listens,
/// and three that are far apart are no impatience.
#[derive(Default)]
struct Interrupts {
    seen: u32,
    last: Option<Instant>,
}

impl Interrupts {
    fn ends(signal: Signal) -> bool {
        matches!(signal, Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT)
    }

    fn is_third(&mut self, signal: Signal, pid: Pid) -> bool {
        const IMPATIENCE: Duration = Duration::from_secs(5);
        if !matches!(signal, Signal::SIGINT | Signal::SIGTERM) || has_handler(pid, signal) {
            return false;
        }
        if self.last.is_some_and(|last| last.elapsed() > IMPATIENCE) {
            self.seen = 0;
        }
        self.last = Some(Instant::now());
        self.seen += 1;
        self.seen >= 3
    }

    fn killed(&self) -> bool {
        self.seen >= 3
    }
}

/// `SigCgt` in `/proc/PID/status`: a mask of the signals that the process has a handler for. proc_pid_status(5).
fn has_handler(pid: Pid, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as u32 - 1) & 1 == 1
}
