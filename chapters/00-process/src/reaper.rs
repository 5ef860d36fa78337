//! Pid 1's duty: who loses its parent becomes a child of pid 1, and stays a zombie until pid 1 waits.
//! pid_namespaces(7). `--init` puts this small init in front of the command, as Docker's does.

use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};

use crate::kernel::raw::{exit_now, forget_the_host};
use crate::kernel::{Kernel, Result};
use crate::wait::{End, code_of};

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
                match wait(WaitOptions::NOHANG) {
                    Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command.as_raw() => {
                        let killed = status.terminating_signal().map(End::Killed);
                        if let Some(end) = status.exit_status().map(End::Exited).or(killed) {
                            exit_now(code_of(end).into())
                        }
                    }
                    Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {} // an orphan is buried
                    Ok(None) | Err(_) => break,
                }
            },
            Ok(Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGTSTP) | Err(_) => {}
            // Every other signal is meant for the command.
            Ok(signal) => drop(kill(command, signal)),
        }
    }
}
