//! A view of its own on the cgroups: inside, the own group is `/`. cgroup_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::sched::CloneFlags;

/// The group that the process is in at this moment becomes the root of its view. So this is done after it
/// has been put into its group (chapter 03), not at birth: on cgroup v1 the inside would see `/../../name`.
#[derive(Debug)]
pub struct CgroupView;

impl Mechanism for CgroupView {
    const NAME: &'static str = "02-namespaces/cgroup";
    type Opened = ();

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        k.why("the host's path of our group is nobody's business inside").unshare(CloneFlags::CLONE_NEWCGROUP)
    }
    // ANCHOR_END: open
}
