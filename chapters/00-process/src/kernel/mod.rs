//! The kernel, as a launch asks it: every system call goes through here, with the reason for it.
//!
//! `k.why("old and new change places").pivot_root(".", ".")?` makes the call; the same line feeds
//! `--explain` and the error message. A call without a reason doesn't compile.
//!
//! # Layout
//! - [`calls`]: the calls, by what they are about
//! - [`errno`]: what an error number usually means here
//! - [`raw`]: the calls that neither nix nor rustix has; the only unsafe code of the house

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::exec::Command;
use crate::explain::{Moment, Place, Process, Told};
use crate::failure::Failure;

pub mod age;
pub mod calls;
pub mod errno;
pub mod raw;

/// What a system call of a launch gives back.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Whoever listens to a launch: the host prints, the child sends to the host.
pub trait Listener {
    /// A call was made.
    fn told(&mut self, told: &Told);
    /// A moment is about to begin; returns when it may.
    ///
    /// # Errors
    /// The person at the keyboard gave up, or is gone.
    fn step(&mut self, moment: Moment) -> Result<()>;
    /// What will be run, before anything is done for it.
    fn command_is(&mut self, _command: &Command) {}
    /// The child is born; its number in the host's pid namespace.
    fn child_is(&mut self, _pid: Pid) {}
    /// The child has become the command (or has failed to): what was announced can be completed.
    fn completed(&mut self, _well: bool) {}
}

/// The one place through which the system calls of a launch go.
pub struct Kernel {
    process: Process,
    moment: Cell<Moment>,
    mechanism: Cell<&'static str>,
    listener: Option<RefCell<Box<dyn Listener>>>,
}

impl Kernel {
    /// The kernel as `process` sees it, with somebody listening or nobody.
    #[must_use]
    pub fn new(process: Process, listener: Option<Box<dyn Listener>>) -> Self {
        Self {
            process,
            moment: Cell::default(),
            mechanism: Cell::new("00-process"),
            listener: listener.map(RefCell::new),
        }
    }

    /// The next call, and what it is for.
    pub fn why(&self, why: &'static str) -> Call<'_> {
        Call { kernel: self, why }
    }

    /// A moment begins. With `--step`, returns when the person at the keyboard says so.
    ///
    /// # Errors
    /// They said no.
    pub fn begin(&self, moment: Moment) -> Result<()> {
        if let Some(listener) = &self.listener {
            self.moment.set(moment);
            listener.borrow_mut().step(moment)?;
        }
        self.moment.set(moment);
        Ok(())
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.listener.is_some()
    }

    /// Tells what the child has told.
    pub(crate) fn relay(&self, told: &Told) {
        if let Some(listener) = &self.listener {
            listener.borrow_mut().told(told);
        }
    }

    /// Stops before a moment of the child's.
    pub(crate) fn step(&self, moment: Moment) -> Result<()> {
        self.listener.as_ref().map_or(Ok(()), |listener| listener.borrow_mut().step(moment))
    }

    pub(crate) fn command_is(&self, command: &Command) {
        if let Some(listener) = &self.listener {
            listener.borrow_mut().command_is(command);
        }
    }

    pub(crate) fn child_is(&self, pid: Pid) {
        if let Some(listener) = &self.listener {
            listener.borrow_mut().child_is(pid);
        }
    }

    pub(crate) fn completed(&self, well: bool) {
        if let Some(listener) = &self.listener {
            listener.borrow_mut().completed(well);
        }
    }

    /// From here on it is this mechanism that calls.
    pub fn by(&self, mechanism: &'static str) {
        self.mechanism.set(mechanism);
    }

    /// Where in the launch we are.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { process: self.process, moment: self.moment.get(), mechanism: self.mechanism.get().into() }
    }

    /// A failure that no system call reported.
    #[must_use]
    pub fn refuse(
        &self,
        what: impl Into<String>,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Failure {
        Failure { place: self.place(), ..Failure::said(what, cause, hint) }
    }
}

/// A call that has its reason and waits for its name.
#[must_use = "this is the reason alone; name the call"]
pub struct Call<'k> {
    kernel: &'k Kernel,
    why: &'static str,
}

impl Call<'_> {
    /// Tells the call and turns its errno into a [`Failure`]. The text is made only where somebody needs it.
    fn done<T>(
        &self,
        answer: Result<T, Errno>,
        shown: impl FnOnce(&T) -> String,
        call: impl FnOnce() -> String,
    ) -> Result<T> {
        let answer = match answer {
            Ok(value) if self.kernel.listener.is_none() => return Ok(value),
            other => other,
        };
        let call = shortened(call());
        self.tell(
            &call,
            match &answer {
                Ok(value) => shown(value),
                Err(errno) => format!("-1 {errno:?} ({})", errno.desc()),
            },
        );
        answer.map_err(|errno| Failure::of_call(self.kernel.place(), call, errno, self.why))
    }

    /// [`Call::done`] for a call that answers nothing but yes.
    fn plain(&self, answer: Result<(), Errno>, call: impl FnOnce() -> String) -> Result<()> {
        self.done(answer, |()| "0".into(), call)
    }

    /// [`Call::done`] for a call that answers a descriptor or a number.
    fn number<T>(
        &self,
        answer: Result<T, Errno>,
        n: impl FnOnce(&T) -> i64,
        call: impl FnOnce() -> String,
    ) -> Result<T> {
        self.done(answer, |value| n(value).to_string(), call)
    }

    fn tell(&self, call: &str, result: impl Display) {
        if let Some(listener) = &self.kernel.listener {
            listener.borrow_mut().told(&Told {
                place: self.kernel.place(),
                call: call.into(),
                result: result.to_string(),
                why: self.why.into(),
            });
        }
    }
}

/// A call as text, not longer than a message between child and host may be: a path may have 4096 bytes, and
/// each of them may need ten to be shown.
fn shortened(mut call: String) -> String {
    const LONGEST: usize = 3000;
    if call.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| call.is_char_boundary(end)).unwrap_or(0);
        call.truncate(end);
        call.push_str("...");
    }
    call
}

/// rustix has an errno type of its own; ours is nix's.
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
