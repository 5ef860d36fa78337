//! The person at the keyboard: the flags `--explain` and `--step`, and stopping for them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::error::ErrorKind;
use clap::{Args, Parser};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::exec::Command;
use crate::explain::{Form, Moment, Process, Teller, Told, look};
use crate::failure::{ENGINE, Failure};
use crate::kernel::raw::is_ignored;
use crate::kernel::{Kernel, Listener, Result};
use crate::output;
use crate::script::Script;
use crate::wait::Ended;

/// How the launch is watched. The same on every chapter's `run`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Watch {
    /// Tell each system call of the launch as it happens: what, with which arguments, and why
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub explain: Option<Form>,
    /// Stop before each moment of the launch, for a look around from a second terminal
    #[arg(long)]
    pub step: bool,
}

impl Watch {
    /// The kernel for a launch that is watched like this. What is told is written to `out`.
    ///
    /// # Errors
    /// `--step` without a terminal.
    pub fn kernel(self, out: Box<dyn Write>) -> Result<Kernel> {
        if self.explain.is_none() && !self.step {
            return Ok(Kernel::new(Process::Host, None));
        }
        let keyboard = if self.step { Some(Keyboard::open()?) } else { None };
        let form = self.explain.or(self.step.then_some(Form::Text));
        let script = (form == Some(Form::Sh)).then(Script::default);
        let listener = Host {
            teller: Teller::new(form, out),
            keyboard,
            child: None,
            announced: None,
            script,
            aside: false,
        };
        Ok(Kernel::new(Process::Host, Some(Box::new(listener))))
    }
}

/// The command line of a chapter's binary, or the exit code after clap has said what is wrong with it (or has
/// helped, as asked).
///
/// # Errors
/// Docker's 125 for a command line that can't be understood, 0 for help.
pub fn command_line<C: Parser>() -> std::result::Result<C, u8> {
    C::try_parse().map_err(|error| match error.print() {
        Err(lost) if lost.kind() != io::ErrorKind::BrokenPipe && !error.use_stderr() => {
            let _ = clap::Error::raw(ErrorKind::Io, format!("{}\n", output::lost(&lost))).print();
            output::UNSAID
        }
        _ if error.use_stderr() => ENGINE,
        _ => 0,
    })
}

/// How a launch ended, told to `out` in the name of `program` where there is something to tell. The exit code.
pub fn tell_end(program: &str, ended: Result<Ended>, out: &mut impl Write) -> u8 {
    if let Ok(ended) = &ended {
        for note in &ended.notes {
            let _ = writeln!(out, "{program}: {note}");
        }
    }
    let _ = match &ended {
        Ok(ended) if ended.forced => writeln!(
            out,
            "{program}: got 3 interrupts; the command didn't listen, so it was killed (pid 1 ignores signals that it \
             has no handler for)"
        ),
        Ok(_) => Ok(()),
        Err(failure) => writeln!(out, "{program}: {failure}"),
    };
    ended.map_or_else(|failure| failure.code, |ended| ended.code)
}

/// The host's ear: prints, and stops for the keyboard.
struct Host {
    teller: Teller,
    keyboard: Option<Keyboard>,
    child: Option<Pid>,
    announced: Option<Told>,
    script: Option<Script>,
    /// What is launched now is this program again: a helper, not what was asked for.
    aside: bool,
}

impl Host {
    fn tell(&mut self, told: &Told) {
        if let Some(script) = self.script.as_mut().filter(|_| !self.aside) {
            script.told(told);
        }
        let _ = self.teller.tell(told); // a closed pipe is no reason to end a launch
    }
}

impl Listener for Host {
    fn told(&mut self, told: &Told) {
        match self.announced.take() {
            // The announced exec failed, and this is the same call with its answer.
            Some(announced) if announced.call == told.call => {}
            Some(announced) => self.tell(&announced),
            None => {}
        }
        if told.result == "?" {
            self.announced = Some(told.clone());
        } else {
            self.tell(told);
        }
    }

    fn step(&mut self, moment: Moment) -> Result<()> {
        let Some(keyboard) = &mut self.keyboard else { return Ok(()) };
        if moment == Moment::Wait || keyboard.over {
            return Ok(()); // the command runs already, and what is typed from here on is meant for it
        }
        let place = self.child.map_or_else(String::new, |pid| format!(" (child {pid})"));
        let _ =
            self.teller.say(&format!("\n▶ {moment}{place}. Enter goes on; meanwhile, in a second terminal:"));
        let _ = self.teller.say(&format!("    {}", look(moment, self.child.map(Pid::as_raw))));
        keyboard.wait_for_enter()
    }

    fn command_is(&mut self, command: &Command) {
        self.aside = command.is_ourselves();
        if let Some(script) = self.script.as_mut().filter(|_| !self.aside) {
            script.command(command);
        }
    }

    fn child_is(&mut self, pid: Pid) {
        self.child = Some(pid);
    }

    fn completed(&mut self, well: bool) {
        if let Some(mut announced) = self.announced.take()
            && well
        {
            announced.result = "0".into();
            self.tell(&announced);
        }
        if !self.aside
            && let Some(script) = self.script.take().filter(|_| well)
        {
            let _ = self.teller.say(script.whole().trim_end());
        }
    }
}

/// Asks before something that can't be taken back; Docker's words after the `warning`. Where nobody answers, nobody has
/// said yes.
///
/// # Errors
/// Standard input can't be read.
pub fn agrees(warning: &str, tells: &mut dyn Write) -> io::Result<bool> {
    let input = io::stdin();
    write!(tells, "WARNING! {warning}\nAre you sure you want to continue? [y/N] ")?;
    tells.flush()?;
    let agreed = says_yes(&mut input.lock())?;
    if !input.is_terminal() {
        writeln!(tells)?; // nobody has pressed Enter here
    }
    Ok(agreed)
}

fn says_yes(input: &mut dyn BufRead) -> io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The terminal itself, whatever the command's stdin is, and the signals that give the launch up. tty(4), signalfd(2).
struct Keyboard {
    tty: BufReader<File>,
    signals: SignalFd,
    /// Given up: what was made is removed without another stop.
    over: bool,
}

impl Keyboard {
    fn open() -> Result<Self> {
        let tty = File::open("/dev/tty").map_err(|error| {
            Failure::said(
                format!("--step: /dev/tty: {error}"),
                "this process has no terminal to read Enter from",
                "run it in a terminal, or use --explain",
            )
        })?;
        // The launch holds them back, so they are there to be read while a step waits.
        let ending = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];
        let signals = SigSet::from_iter(ending.into_iter().filter(|signal| !is_ignored(*signal)));
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|errno| Failure::said(format!("--step: signalfd: {errno}"), "", ""))?;
        Ok(Self { tty: BufReader::new(tty), signals, over: false })
    }

    /// Ctrl-C here gives the whole launch up: the child is killed, and what was made for it removed.
    fn wait_for_enter(&mut self) -> Result<()> {
        if self.over {
            return Ok(());
        }
        let answer = self.enter_or_signal();
        self.over = answer.is_err();
        answer
    }

    fn enter_or_signal(&mut self) -> Result<()> {
        if self.tty.buffer().is_empty() {
            let of = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut watched = [of(self.signals.as_fd()), of(self.tty.get_ref().as_fd())];
            while poll(&mut watched, PollTimeout::NONE) == Err(Errno::EINTR) {}
        }
        if let Ok(Some(info)) = self.signals.read_signal()
            && let Ok(signal) = Signal::try_from(info.ssi_signo as i32)
        {
            let failure = Failure::said(format!("--step: {signal}"), "the launch was given up", "");
            return Err(failure.code(128 + signal as u8));
        }
        match self.tty.read_line(&mut String::new()) {
            Ok(length) if length > 0 => Ok(()),
            _ => Err(Failure::said("--step: the terminal was closed", "", "run it again")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_only_a_yes_is_a_yes() {
        let answers = |text: &str| says_yes(&mut text.as_bytes()).unwrap();
        assert!(answers("y\n") && answers("Y\n") && answers("yes\n"));
        assert!(!answers("") && !answers("\n") && !answers("n\n") && !answers("yesterday\n"));
    }
}
