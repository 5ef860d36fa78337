//! Pid 1's duty: who loses its parent becomes a child of pid 1, and stays a zombie until pid 1 waits.
//! pid_namespaces(7). `--init` puts this small init in front of the command, as Docker's does.

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::failure::ENGINE;
use crate::kernel::raw::{exit_now, forget_the_host};
use crate::kernel::{Kernel, Result};
use crate::wait::code_of;

/// Splits in two: returns in the process that will be the command; the other stays as init.
///
/// # Errors
/// The clone failed.
pub(crate) fn stay(k: &Kernel) -> Result<()> {
    // Held back before the command exists, else its end could come before anybody waits for it.
    let all = SigSet::all();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None);
    let made = k.why("init stays pid 1; the command is its child").clone3(CloneFlags::empty(), None)?;
    let Some((command, _pidfd)) = made else {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
        return k.why("if init is killed, the command ends too").set_pdeathsig(Signal::SIGKILL);
    };
    // Init is a copy of the engine and never execs: what an exec would have closed and replaced can be seen in
    // /proc/1 by everybody inside. The channel's end is closed too: its end-of-file means that the command runs.
    forget_the_host();
    reap_until_end_of(command, &all)
}

fn reap_until_end_of(command: Pid, held: &SigSet) -> ! {
    loop {
        match held.wait() {
            Ok(Signal::SIGCHLD) => loop {
                match waitpid(Pid::from_raw(-1), Some(nix::sys::wait::WaitPidFlag::WNOHANG)) {
                    Ok(status) if status.pid() == Some(command) => {
                        if let WaitStatus::Exited(..) | WaitStatus::Signaled(..) = status {
                            exit_now(code_of(status).into())
                        }
                    }
                    Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(_) => exit_now(ENGINE.into()),
                }
            },
            Ok(Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGTSTP) | Err(_) => {}
            // Every other signal is meant for the command.
            Ok(signal) => drop(kill(command, signal)),
        }
    }
}
