//! Pids of its own: the command is number 1, and can't name a process outside. pid_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;

/// The child is born as pid 1; unshare(2) would only number its children, which is why a fork is forgotten so often.
#[derive(Debug)]
pub struct Pids;

impl Mechanism for Pids {
    const NAME: &'static str = "02-namespaces/pid";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        // ANCHOR: task-pid
        birth.needs(CloneFlags::CLONE_NEWPID);
        Ok(())
        // ANCHOR_END: task-pid
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }
}
