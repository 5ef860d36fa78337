//! A command that nobody types to, and whose output nobody reads: `/dev/null`, the host's. null(4).

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::fcntl::OFlag;

/// Standard input ends at once; with `all` output goes nowhere, too.
#[derive(Debug)]
pub struct Silence {
    /// Output, too.
    pub all: bool,
}

impl Mechanism for Silence {
    const NAME: &'static str = "06-lifecycle/silence";
    type Opened = OwnedFd;

    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<OwnedFd> {
        k.why("the host's: what is called so inside, root inside may have replaced")
            .open(Path::new("/dev/null"), OFlag::O_RDWR)
    }

    fn enter(&self, k: &Kernel, null: OwnedFd) -> Result<()> {
        if self.all {
            return k.why("nobody waits for what it says").make_standard(null.as_fd());
        }
        k.why("nobody types: what the caller has there is not for the command").make_input(null.as_fd())
    }
}
