//! Who is who: ids inside stand for other ids outside. user_namespaces(7), newuidmap(1).

use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Child, Mechanism};
use ch01_chroot::borrow::map_one_id;
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid, getegid, geteuid};

use crate::subid::{self, Range};

/// How the ids inside come to be others outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// Root inside is the caller outside; there is nobody else.
    OneId,
    /// Root inside is the caller, the others are from the ranges that the machine lends (by newuidmap).
    Lent {
        /// From /etc/subuid.
        uids: Range,
        /// From /etc/subgid.
        gids: Range,
    },
    /// The caller is root: all ids inside are ones that nobody has outside.
    Shifted(Range),
}

impl Map {
    /// What this user may have on this machine.
    #[must_use]
    pub fn best() -> Self {
        let (uids, gids) = (Path::new("/etc/subuid"), Path::new("/etc/subgid"));
        let me = geteuid();
        if me.is_root() {
            let start = subid::first_free(uids).max(subid::first_free(gids));
            return Self::Shifted(Range { start, count: 65_536 });
        }
        match (subid::of_user(uids, me), subid::of_user(gids, me)) {
            (Some(uids), Some(gids)) if is_in_path("newuidmap") && is_in_path("newgidmap") => {
                Self::Lent { uids, gids }
            }
            _ => Self::OneId,
        }
    }

    /// Whether this id exists inside.
    #[must_use]
    pub fn has(self, id: u32) -> bool {
        match self {
            Self::OneId => id == 0,
            Self::Lent { uids, gids } => id <= uids.count.min(gids.count),
            Self::Shifted(range) => id < range.count,
        }
    }
}

/// A user namespace of its own.
#[derive(Debug)]
pub struct Users {
    /// Its ids.
    pub map: Map,
}

impl Mechanism for Users {
    const NAME: &'static str = "02-namespaces/user";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWUSER);
        Ok(())
    }

    // ANCHOR: supervise
    /// The kernel lets nobody write these maps from inside with more than one id: the host does it.
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        // ANCHOR: task-users
        match self.map {
            Map::OneId => map_one_id(k, child),
            Map::Lent { uids, gids } => {
                let (uids, gids) =
                    (words(child, geteuid().as_raw(), uids), words(child, getegid().as_raw(), gids));
                k.why("root inside is this user, the others are from the range that is lent; only root may write that")
                    .helper("newuidmap", &uids)
                    .map_err(not_lent)?;
                k.why("groups alike").helper("newgidmap", &gids).map_err(not_lent)
            }
            Map::Shifted(Range { start, count }) => {
                let file = |name: &str| PathBuf::from(format!("/proc/{}/{name}", child.pid));
                let map = format!("0 {start} {count}");
                k.why("root inside is an id outside that owns nothing").write(&file("uid_map"), &map)?;
                k.why("groups alike").write(&file("gid_map"), &map)
            }
        }
        // ANCHOR_END: task-users
    }
    // ANCHOR_END: supervise

    // ANCHOR: open
    /// Who was root outside is nobody inside until it takes an id that is mapped.
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        if let Map::Shifted(_) = self.map {
            k.why("the host's groups stay outside").setgroups(&[])?;
            k.why("root's group inside").setresgid(Gid::from_raw(0))?;
            k.why("root inside, with all capabilities over what belongs to this namespace")
                .setresuid(Uid::from_raw(0))?;
        }
        Ok(())
    }
    // ANCHOR_END: open
}

/// The arguments that newuidmap and newgidmap take: which process, then the caller's own id as root, then the range.
fn words(child: &Child<'_>, me: u32, Range { start, count }: Range) -> Vec<String> {
    [
        child.pid.as_raw().to_string(),
        "0".into(),
        me.to_string(),
        "1".into(),
        "1".into(),
        start.to_string(),
        count.to_string(),
    ]
    .to_vec()
}

fn not_lent(failure: Failure) -> Failure {
    failure.because(
        "it is not setuid root (or without capabilities), this file system is nosuid, or /etc/subuid and /etc/subgid \
         don't lend that range",
        "ls -l $(which newuidmap newgidmap); cargo workshop doctor",
    )
}

fn is_in_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
