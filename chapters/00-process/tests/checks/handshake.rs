//! The handshake, seen from outside: while the parent is held, at the child's birth and before each of its own words to
//! the child, the command doesn't run.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use checks::canary::Canary;
use checks::drive::within;
use checks::finding::Finding;
use checks::stage::Stage;
use nix::errno::Errno;
use nix::libc::{SYS_sendmsg, SYS_sendto, SYS_write};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long the parent is held: a child that doesn't wait has run its command many times over.
const HELD: Duration = Duration::from_millis(200);
/// How long the parent may take to its next system call.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn held(stage: &Stage) -> Result<(), Finding> {
    let canary = Canary::new("roll-call", stage)?;
    let effect = canary.scratch.join("ran");
    let inside = canary.facts.scratch.join("ran");
    let dress = ["/bin/sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"].map(String::from);
    let words = ["touch".into(), inside.into_os_string()];
    let mut child = stage.dressed(&dress, &[], &words)?.stderr(Stdio::null()).spawn()?;
    let held = hold(&child).and_then(|parent| word_by_word(parent, &effect));
    let (too_early, code) = match held {
        Ok(held) => held,
        Err(errno) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(match errno {
                Errno::EPERM => {
                    Finding::untried("this machine lets nobody trace a process (ptrace_scope)".into())
                }
                Errno::ECHILD => Finding::seen("childless"),
                errno => Finding::seen("unheld").with("errno", errno.desc().to_lowercase()),
            });
        }
    };
    if !too_early && effect.exists() && code == Some(0) {
        return Ok(());
    }
    Err(Finding::seen("early")
        .with("early", too_early)
        .with("ran", effect.exists())
        .with("code", format!("{code:?}")))
}

/// Lets the stage run up to the birth of its first child, and holds it there; the child runs free.
fn hold(stage: &Child) -> Result<Pid, Errno> {
    let parent = Pid::from_raw(stage.id().cast_signed());
    let state = || std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    within(Duration::from_secs(2), || state().contains(") T "));
    let births = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
    ptrace::seize(parent, births)?;
    kill(parent, Signal::SIGCONT)?;
    loop {
        match waitpid(parent, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceEvent(_, Signal::SIGTRAP, _) => match ptrace::getevent(parent) {
                Ok(child) if child > 0 => {
                    let child = Pid::from_raw(child as i32);
                    // It was seized along with its parent, and stopped: it goes on as if nobody looked.
                    waitpid(child, Some(WaitPidFlag::__WALL))?;
                    ptrace::detach(child, None)?;
                    return Ok(parent);
                }
                _ => ptrace::cont(parent, None)?,
            },
            WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP && signal != Signal::SIGSTOP => {
                ptrace::cont(parent, signal)?;
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Err(Errno::ECHILD),
            _ => ptrace::cont(parent, None)?,
        }
    }
}

/// Lets the parent go from one system call to the next until its end, and holds it before each word that it says: was
/// one of them said after the command had run already? And the exit code, where it ended by itself.
fn word_by_word(parent: Pid, effect: &Path) -> Result<(bool, Option<i32>), Errno> {
    ptrace::setoptions(parent, Options::PTRACE_O_TRACESYSGOOD)?;
    sleep(HELD);
    let mut too_early = effect.exists();
    let mut in_call = true; // the clone that has just returned
    let mut signal = None;
    loop {
        ptrace::syscall(parent, signal.take())?;
        match next_stop(parent)? {
            WaitStatus::PtraceSyscall(_) => {
                in_call = !in_call;
                if in_call && speaks(parent) {
                    sleep(HELD);
                    too_early |= effect.exists();
                }
            }
            WaitStatus::Stopped(_, arrived) => signal = Some(arrived),
            WaitStatus::Exited(_, code) => return Ok((too_early, Some(code))),
            WaitStatus::Signaled(..) => return Ok((too_early, None)),
            _ => {}
        }
    }
}

/// Whether the call that the parent is about to make says something to another process. proc_pid_syscall(5)
fn speaks(parent: Pid) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{parent}/syscall")).unwrap_or_default();
    let mut numbers = call.split_ascii_whitespace();
    let number = numbers.next().and_then(|number| number.parse().ok()).unwrap_or(-1);
    if [SYS_sendmsg, SYS_sendto].contains(&number) {
        return true;
    }
    let fd = numbers.next().and_then(|fd| i32::from_str_radix(fd.trim_start_matches("0x"), 16).ok());
    number == SYS_write && fd.is_some_and(|fd| fd > 2 && is_pipe(parent, fd))
}

/// A pipe or a socket, and no file.
fn is_pipe(parent: Pid, fd: i32) -> bool {
    let link = std::fs::read_link(format!("/proc/{parent}/fd/{fd}")).unwrap_or_default();
    let link = link.to_string_lossy();
    link.starts_with("pipe:") || link.starts_with("socket:")
}

/// Where the parent stops next. One that makes no call in time waits for ever, and is killed.
fn next_stop(parent: Pid) -> Result<WaitStatus, Errno> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match waitpid(parent, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => sleep(Duration::from_micros(100)),
            status => return Ok(status),
        }
    }
    kill(parent, Signal::SIGKILL)?;
    waitpid(parent, Some(WaitPidFlag::__WALL))
}
