//! System V IPC and POSIX message queues of its own. ipc_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;

/// Nothing more than the flag: the namespace begins empty.
#[derive(Debug)]
pub struct Ipc;

impl Mechanism for Ipc {
    const NAME: &'static str = "02-namespaces/ipc";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWIPC);
        Ok(())
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }
}
