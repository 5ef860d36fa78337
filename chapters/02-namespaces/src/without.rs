//! A launch with one mechanism taken out, to see which cells of the ladder are its own. `cargo workshop ladder --without`.

use std::str::FromStr;

/// A mechanism that a launch can do without, badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// Mounts of the host's go on arriving: propagation is cut one way only.
    Mnt,
    /// No pid namespace.
    Pid,
    /// No uts namespace.
    Uts,
    /// No ipc namespace.
    Ipc,
    /// No network namespace.
    Net,
    /// No cgroup namespace.
    Cgroup,
    /// chroot in place of pivot_root.
    Pivot,
    /// Groups, descriptors and keys are kept.
    Seal,
    /// The starter's environment is kept.
    Env,
}

impl Without {
    /// All of them, in the order of a launch.
    pub const ALL: [(&'static str, Self); 9] = [
        ("mnt", Self::Mnt),
        ("pid", Self::Pid),
        ("uts", Self::Uts),
        ("ipc", Self::Ipc),
        ("net", Self::Net),
        ("cgroup", Self::Cgroup),
        ("pivot", Self::Pivot),
        ("seal", Self::Seal),
        ("env", Self::Env),
    ];
}

impl FromStr for Without {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, without)| *without);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!("a launch can't be without {text:?}; there are {}", names.join(", "))
        })
    }
}
