//! A hostname of its own. uts_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;

/// The longest hostname that the kernel takes, in bytes (`__NEW_UTS_LEN`).
pub const LONGEST: usize = 64;

/// The name is set inside, after the namespace is the child's own: the host's stays what it is.
#[derive(Debug)]
pub struct Uts {
    /// The name inside.
    pub hostname: String,
}

impl Mechanism for Uts {
    const NAME: &'static str = "02-namespaces/uts";
    type Opened = ();

    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        let length = self.hostname.len();
        if length == 0 || length > LONGEST {
            let cause = format!("it has {length} bytes; the kernel takes 1 to {LONGEST}");
            return Err(k.refuse(format!("--hostname {:?}", self.hostname), cause, "choose a shorter one"));
        }
        birth.needs(CloneFlags::CLONE_NEWUTS);
        Ok(())
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: enter
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        // ANCHOR: task-uts
        k.why("the name is this namespace's, not the machine's").sethostname(&self.hostname)
        // ANCHOR_END: task-uts
    }
    // ANCHOR_END: enter
}
