//! Which namespaces a launch has: all of them, or those that `--only` names.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::struct_excessive_bools)] // each is the namespace of its name
pub struct Rooms {
    pub mnt: bool,
    pub pid: bool,
    pub uts: bool,
    pub ipc: bool,
    pub net: bool,
    pub user: bool,
    pub cgroup: bool,
    pub time: bool,
}

impl Rooms {
    /// No namespace of its own: a plain process.
    pub const NONE: Self = Self {
        mnt: false,
        pid: false,
        uts: false,
        ipc: false,
        net: false,
        user: false,
        cgroup: false,
        time: false,
    };

    /// A container: all but the user namespace, which depends on who runs it.
    pub const CONTAINER: Self =
        Self { mnt: true, pid: true, uts: true, ipc: true, net: true, user: false, cgroup: true, time: true };
}

impl FromStr for Rooms {
    type Err = String;

    /// `uts,pid`, by the names that `/proc/PID/ns` has (and `mount`, `network`).
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rooms = Self::NONE;
        for name in text.split(',').map(str::trim) {
            *match name {
                "mnt" | "mount" => &mut rooms.mnt,
                "pid" => &mut rooms.pid,
                "uts" => &mut rooms.uts,
                "ipc" => &mut rooms.ipc,
                "net" | "network" => &mut rooms.net,
                "user" => &mut rooms.user,
                "cgroup" => &mut rooms.cgroup,
                "time" => &mut rooms.time,
                other => {
                    return Err(format!(
                        "{other:?} is no namespace; there are mnt, pid, uts, ipc, net, user, cgroup, time"
                    ));
                }
            } = true;
        }
        Ok(rooms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch02_only_names_namespaces() {
        assert_eq!("uts, pid".parse(), Ok(Rooms { uts: true, pid: true, ..Rooms::NONE }));
        assert!("uts,host".parse::<Rooms>().is_err());
        assert!("".parse::<Rooms>().is_err());
    }
}
