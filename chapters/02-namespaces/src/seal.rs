//! What the command doesn't get: the host's groups, descriptors, keyring; and the user that it gets.

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

/// Comes last: as another user the calls before it would be refused.
#[derive(Debug)]
pub struct Seal {
    /// User and group of the command.
    pub user: User,
    /// Its supplementary groups: an image's /etc/group names them (chapter 04).
    pub groups: Vec<u32>,
    /// Whether groups can be given up; with one id the kernel refuses it for good.
    pub has_groups: bool,
}

/// A user by number, and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
}

impl Mechanism for Seal {
    const NAME: &'static str = "02-namespaces/seal";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: seal
    fn seal(&self, k: &Kernel) -> Result<()> {
        match k.why("a session keyring of its own: the caller's keys stay outside").join_session_keyring() {
            // A kernel without keys has none to leak.
            Err(failure) if failure.errno() == Errno::ENOSYS => {}
            other => other?,
        }
        k.why("a descriptor of the host left open is a way out").close_range_on_exec()?;
        k.why("files that it makes may be written by their owner alone, as after a login").umask(0o022);
        if self.has_groups {
            let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
            k.why("the caller's supplementary groups would open the host's files").setgroups(&groups)?;
        }
        let User { uid, gid } = self.user;
        k.why("the group first: without root it could not be changed any more")
            .setresgid(Gid::from_raw(gid))?;
        k.why("the user of the command; who isn't root loses all capabilities here")
            .setresuid(Uid::from_raw(uid))
    }
    // ANCHOR_END: seal
}

/// `UID` or `UID:GID`.
///
/// # Errors
/// A name, or no number.
pub fn parse_user(text: &str) -> Result<User, String> {
    let number = |part: &str| {
        if part == "4294967295" {
            return Err(
                "4294967295 is -1, which means \"as it is\" to setresuid(2), and is nobody's id".into()
            );
        }
        part.parse::<u32>()
            .map_err(|_| format!("{part:?} is no number (names come with the images of chapter 04)"))
    };
    match text.split_once(':') {
        None => Ok(User { uid: number(text)?, gid: 0 }),
        Some((uid, gid)) => Ok(User { uid: number(uid)?, gid: number(gid)? }),
    }
}
