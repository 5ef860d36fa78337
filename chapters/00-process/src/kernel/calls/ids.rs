//! Who a process is: users, groups. credentials(7).

use std::process::Command;

use nix::unistd::{Gid, Uid};

use crate::kernel::{Call, Result};

impl Call<'_> {
    /// Runs one of the setuid programs that may write other people's ids into a map. newuidmap(1).
    ///
    /// # Errors
    /// It isn't installed, or it refuses, with its own words.
    pub fn helper(self, program: &str, words: &[String]) -> Result<()> {
        let call = format!("{program} {}", words.join(" "));
        let said = match Command::new(program).args(words).output() {
            Ok(done) if done.status.success() => {
                self.tell(&call, "exit code 0");
                return Ok(());
            }
            Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_string(),
            Err(error) => error.to_string(),
        };
        self.tell(&call, &said);
        Err(self.kernel.refuse(format!("{call}: {said}"), "", ""))
    }

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
