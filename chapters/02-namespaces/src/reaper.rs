//! Pid 1's duty: who loses its parent becomes a child of pid 1, and stays a zombie until pid 1 waits.
//! pid_namespaces(7). `--init` puts this small init in front of the command, as Docker's does.

use ch00_process::failure::Failure;
use ch00_process::kernel::raw::{exit_now, forget_the_host};
use ch00_process::kernel::{Kernel, Result};
use ch00_process::wait::{End, code_of};
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::{Pid, pipe2, read};
use rustix::process::{WaitOptions, wait};

/// Splits in two: returns in the process that will be the command; the other stays as init.
///
/// # Errors
/// The clone failed.
pub fn stay(k: &Kernel) -> Result<()> {
    // Held back before the command exists, else its end could come before anybody waits for it.
    let all = SigSet::all();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None);
    // The command must not run before init has forgotten the host: it could read it in /proc/1 meanwhile.
    let (forgotten, forgets) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
        Failure::of_call(k.place(), "pipe2(O_CLOEXEC)".into(), errno, "the command waits for init")
    })?;
    let made = k.why("init stays pid 1; the command is its child").clone3(CloneFlags::empty(), None)?;
    let Some((command, _pidfd)) = made else {
        drop(forgets);
        let _ = read(&forgotten, &mut [0]); // end-of-file: init has closed all that it had
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
            Ok(Signal::SIGCHLD) => {
                if let Some(end) = bury(command) {
                    exit_now(code_of(end).into())
                }
            }
            Ok(Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGTSTP) | Err(_) => {}
            // Every other signal is meant for the command.
            Ok(signal) => drop(kill(command, signal)),
        }
    }
}

/// Asks every child that has ended how it did, so that no zombie stays: one SIGCHLD may stand for many of them. How the
/// command ended, where it was among them.
fn bury(command: Pid) -> Option<End> {
    // ANCHOR: task-reap
    let mut commands = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command.as_raw() => {
                commands =
                    status.exit_status().map(End::Exited).or(status.terminating_signal().map(End::Killed));
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {} // an orphan is buried
            Ok(None) | Err(_) => return commands,            // nobody has ended any more, or nobody is left
        }
    }
    // ANCHOR_END: task-reap
}
