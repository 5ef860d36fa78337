//! A user namespace of one id, for whoever isn't root: chroot(2) asks for CAP_SYS_CHROOT, and in a user
//! namespace of one's own one has it. Chapter 02 makes this a mechanism of the lesson; here it is borrowed.

use std::path::PathBuf;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Child, Mechanism};
use nix::sched::CloneFlags;
use nix::unistd::{getegid, geteuid};

/// One id: root inside is the caller outside, and nobody else is anybody. user_namespaces(7).
#[derive(Debug)]
pub struct OneId;

impl Mechanism for OneId {
    const NAME: &'static str = "01-chroot/borrowed-user";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWUSER);
        Ok(())
    }

    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        map_one_id(k, child)
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }
}

/// Writes the maps that need no privilege: one id each, the writer's own.
///
/// # Errors
/// EPERM: somebody else's id, or written already.
// ANCHOR: one_id
pub fn map_one_id(k: &Kernel, child: &Child<'_>) -> Result<()> {
    let file = |name: &str| PathBuf::from(format!("/proc/{}/{name}", child.pid));
    let (uid, gid) = (geteuid(), getegid());
    k.why("without privilege a group map is taken only once setgroups is given up (CVE-2014-8989)")
        .write(&file("setgroups"), "deny")?;
    k.why("root inside is this user outside").write(&file("uid_map"), &format!("0 {uid} 1"))?;
    k.why("and so is its group").write(&file("gid_map"), &format!("0 {gid} 1"))
}
// ANCHOR_END: one_id
