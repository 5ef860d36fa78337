//! Who a process is: users, groups. credentials(7).

use nix::unistd::{Gid, Uid};

use crate::kernel::{Call, Result};

impl Call<'_> {
    /// `setgroups`: the supplementary groups, all of them. setgroups(2).
    ///
    /// # Errors
    /// EPERM: no CAP_SETGID, or refused for this user namespace.
    pub fn setgroups(self, groups: &[Gid]) -> Result<()> {
        self.plain(nix::unistd::setgroups(groups), || {
            let shown: Vec<_> = groups.iter().map(ToString::to_string).collect();
            format!("setgroups({}, [{}])", groups.len(), shown.join(", "))
        })
    }

    /// `setresgid`: real, effective and saved group together. setresuid(2).
    ///
    /// # Errors
    /// EINVAL: not mapped in this user namespace. EPERM: no CAP_SETGID.
    pub fn setresgid(self, gid: Gid) -> Result<()> {
        self.plain(nix::unistd::setresgid(gid, gid, gid), || format!("setresgid({gid}, {gid}, {gid})"))
    }

    /// `setresuid`: real, effective and saved user together. setresuid(2).
    ///
    /// # Errors
    /// EINVAL: not mapped in this user namespace. EPERM: no CAP_SETUID.
    pub fn setresuid(self, uid: Uid) -> Result<()> {
        self.plain(nix::unistd::setresuid(uid, uid, uid), || format!("setresuid({uid}, {uid}, {uid})"))
    }
}
