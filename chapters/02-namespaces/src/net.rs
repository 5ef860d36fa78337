//! A network of its own: at first nothing but a loopback interface that is down. network_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;

/// Interfaces, routes, ports and abstract unix sockets of its own.
#[derive(Debug)]
pub struct Net;

/// `lo` is the first interface of every network namespace.
const LOOPBACK: i32 = 1;

impl Mechanism for Net {
    const NAME: &'static str = "02-namespaces/net";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWNET);
        Ok(())
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: enter
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        k.why("a new network begins with its loopback down; 127.0.0.1 should answer").link_up(LOOPBACK)
    }
    // ANCHOR_END: enter
}
