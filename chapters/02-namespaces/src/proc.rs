//! `/proc` of its own: `ps` reads it, so it has to be the new pid namespace's. proc(5).

use std::os::fd::{AsFd, OwnedFd};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use rustix::mount::MountAttrFlags;

use crate::mounts::attach;

/// A new proc, made while the host's is still visible (a user namespace may make one only then), attached
/// when the new root is in place.
#[derive(Debug)]
pub struct Proc;

impl Mechanism for Proc {
    const NAME: &'static str = "02-namespaces/proc";
    type Opened = OwnedFd;

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<OwnedFd> {
        // ANCHOR: task-proc
        let context = k.why("a proc that shows the pids of this namespace").fsopen("proc")?;
        k.why("made now, while the host's proc is visible").fsconfig_create(context.as_fd())?;
        let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        k.why("attached nowhere yet").fsmount(context.as_fd(), quiet)
        // ANCHOR_END: task-proc
    }
    // ANCHOR_END: open

    fn enter(&self, k: &Kernel, proc: OwnedFd) -> Result<()> {
        attach(k, &proc, "/proc")
    }
}
