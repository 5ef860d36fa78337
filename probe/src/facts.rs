//! What the outside hands to an attempt, and what the attempt hands back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What an attempt is told: where things are, never the secrets that it would find there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// The unix socket of whoever asks, as a path that is valid inside, or `-` where it is the standard input. Without
    /// it, nobody asks.
    pub socket: Option<PathBuf>,
    /// What to say there, so that two attempts aren't confused.
    pub nonce: String,
    /// A file of the host, by its path on the host.
    pub file: PathBuf,
    /// A folder inside that may be written to.
    pub scratch: PathBuf,
    /// A process of the host that is there to be attacked.
    pub victim: i32,
    /// The name that a host must not get.
    pub name: String,
    /// An abstract unix socket of the host, without its leading zero byte.
    pub abstract_socket: String,
    /// A port on the host's loopback.
    pub port: u16,
    /// A System V key of the host.
    pub shm_key: i32,
    /// A POSIX message queue of the host.
    pub queue: String,
    /// A key in the session keyring of the host.
    pub key: String,
    /// A setting of the kernel, below /proc/sys.
    pub sysctl: Option<Knob>,
    /// A setting of the kernel, below /sys.
    pub sysfs: Option<Knob>,
    /// A block device of this machine: major and minor number.
    pub block: Option<(u64, u64)>,
    /// A control group of the host, by its name.
    pub group: String,
    /// A hierarchy of cgroup version 1, by the name that it is mounted with.
    pub hierarchy: String,
    /// A file of the root file system, by its path inside: others are started from it, or have left it there.
    pub mould: PathBuf,
    /// A folder that the host has given to be read, by its path inside; `below` in it is another file system.
    pub given: PathBuf,
}

/// A setting that does no harm, and what to set it to for a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Knob {
    /// Its path below the mount, `fs/lease-break-time`.
    pub path: String,
    /// What to write.
    pub value: String,
}

/// What an attempt hands back: things seen, for the outside to compare with what only the host can know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was found, read or met.
    pub found: Vec<String>,
    /// What was done, step by step, each with the answer.
    pub told: Vec<String>,
}

impl Evidence {
    /// Notes one step and its answer, and gives the answer back where it is a yes.
    pub fn step<T, E: std::fmt::Display>(
        &mut self,
        what: impl Into<String>,
        answer: Result<T, E>,
    ) -> Option<T> {
        let what = what.into();
        match answer {
            Ok(value) => {
                self.told.push(format!("{what}: done"));
                Some(value)
            }
            Err(error) => {
                self.told.push(format!("{what}: {error}"));
                None
            }
        }
    }

    /// Something was found.
    pub fn find(&mut self, what: impl Into<String>) {
        self.found.push(what.into());
    }
}
