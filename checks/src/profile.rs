//! As whom the checks run: what a container can keep apart depends on it.

use std::env;
use std::fs;

use nix::unistd::{User, geteuid, getuid};

/// Who starts the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The superuser.
    Root,
    /// An ordinary user with a range of ids (/etc/subuid, newuidmap).
    Range,
    /// An ordinary user with nothing but the own id.
    OneId,
}

impl Profile {
    /// Who this is.
    #[must_use]
    pub fn here() -> Self {
        if geteuid().is_root() {
            Self::Root
        } else if has_range() {
            Self::Range
        } else {
            Self::OneId
        }
    }

    /// Its name, as the snapshots' files have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Range => "rootless-range",
            Self::OneId => "rootless-one-id",
        }
    }

    /// In words, for a heading.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Root => "as root",
            Self::Range => "as an ordinary user with a range of ids",
            Self::OneId => "as an ordinary user with one id",
        }
    }
}

/// subuid(5): `name-or-uid:first:count`; both files and both helpers are needed.
fn has_range() -> bool {
    let uid = getuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
    let listed = |path: &str| {
        fs::read_to_string(path).unwrap_or_default().lines().any(|line| {
            let who = line.split(':').next().unwrap_or_default();
            !who.is_empty() && (who == name || who == uid.to_string())
        })
    };
    let installed = |tool: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join(tool).is_file())
    };
    listed("/etc/subuid") && listed("/etc/subgid") && installed("newuidmap") && installed("newgidmap")
}
