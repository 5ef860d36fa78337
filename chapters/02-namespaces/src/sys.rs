//! `/sys`, read-only: it shows the devices of the machine, and the interfaces of the network namespace. sysfs(5).

use std::os::fd::{AsFd, OwnedFd};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use rustix::mount::MountAttrFlags;

use crate::mounts::attach;

/// A sysfs that can be read and not written.
#[derive(Debug)]
pub struct Sys;

impl Mechanism for Sys {
    const NAME: &'static str = "02-namespaces/sys";
    type Opened = OwnedFd;

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<OwnedFd> {
        let context = k.why("a sysfs that shows this network namespace").fsopen("sysfs")?;
        k.why("the machine's devices are the host's: nothing here may be written")
            .fsconfig_flag(context.as_fd(), "ro")?;
        k.why("made now, while the host's is visible").fsconfig_create(context.as_fd())?;
        let quiet = MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        k.why("attached nowhere yet").fsmount(context.as_fd(), quiet)
    }
    // ANCHOR_END: open

    fn enter(&self, k: &Kernel, sys: OwnedFd) -> Result<()> {
        attach(k, &sys, "/sys")
    }
}
