//! The handshake, seen from outside: with the parent held at the moment the child is born, the command doesn't run.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use checks::canary::Canary;
use checks::drive::within;
use checks::finding::Finding;
use checks::stage::Stage;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long the parent is held: a child that doesn't wait has run its command many times over.
const HELD: Duration = Duration::from_millis(300);

pub(crate) fn held(stage: &Stage) -> Result<(), Finding> {
    let canary = Canary::new("roll-call", stage)?;
    let effect = canary.scratch.join("ran");
    let inside = canary.facts.scratch.join("ran");
    let dress = ["/bin/sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"].map(String::from);
    let words = ["touch".into(), inside.into_os_string()];
    let mut child = stage.dressed(&dress, &[], &words)?.stderr(Stdio::null()).spawn()?;
    let held = hold(&child).map(|parent| {
        sleep(HELD);
        let too_early = effect.exists();
        let _ = ptrace::detach(parent, None);
        too_early
    });
    let too_early = match held {
        Ok(too_early) => too_early,
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
    let ended = within(Duration::from_secs(5), || matches!(child.try_wait(), Ok(Some(_))));
    if !ended {
        child.kill()?;
    }
    let code = child.wait()?.code();
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
