//! What a container was made from, as it was resolved at `create`: `config.json`. Of the image a start needs the layers
//! alone, so what happens to the image's name or to the caller's environment later changes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ch02_namespaces::only::Rooms;
use ch02_namespaces::run::UserNamespace;
use ch03_cgroups::limits::Limits;
use ch04_images::container::Container;
use ch04_images::overlay::Way;
use ch05_volumes::run::Mounts;
use serde::{Deserialize, Serialize};

use crate::when::When;

/// `config.json`. It begins with what chapter 04 reads of it: image, layers, id and name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// What chapter 04 knows of a container.
    #[serde(flatten)]
    pub container: Container,
    /// When it was made.
    pub created: When,
    /// What is run: ENTRYPOINT and CMD, or what the command line said in their place.
    pub command: Vec<String>,
    /// Its whole environment, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Where the command stands.
    pub workdir: Option<String>,
    /// The user's number inside.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
    /// The user's supplementary groups, by the image's /etc/group.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// The user as it was asked for.
    pub user: String,
    /// The hostname inside.
    pub hostname: String,
    /// Whether there is a user namespace; nothing: an ordinary user has one, root the host's.
    pub userns: Option<UserNamespace>,
    /// Only these namespaces.
    pub only: Option<Rooms>,
    /// Seconds that the machine shall seem to have been up longer.
    pub boottime: u64,
    /// By which calls the layers are stacked.
    pub stack_by: Option<Way>,
    /// A small init before the command.
    pub init: bool,
    /// Nothing of the root can be written.
    pub read_only: bool,
    /// What is mounted where.
    #[serde(default)]
    pub mounts: Mounts,
    /// Where the image wants a volume. Nothing: an older build made it, and the image is asked.
    pub volumes: Option<Vec<String>>,
    /// How much it may use.
    #[serde(default)]
    pub limits: Limits,
    /// The group below which its group is made.
    pub cgroup_parent: Option<PathBuf>,
    /// It has no group of its own.
    pub no_group: bool,
    /// What people note about it.
    pub labels: BTreeMap<String, String>,
    /// What the monitor does at its end.
    pub restart: Restart,
    /// Seconds between the stop signal and SIGKILL; negative: it is never sent.
    pub stop_timeout: i64,
    /// It is removed at its end.
    pub remove: bool,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input can be written to.
    pub interactive: bool,
    /// How much log is kept.
    pub log: LogLimit,
}

impl Config {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.container.name.as_deref().unwrap_or(&self.container.id)
    }

    /// Twelve hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.container.id
    }
}

/// What the monitor does when the command has ended. Docker's four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// Again, where it ended with another code than 0; at most so often.
    OnFailure(Option<u32>),
    /// Again, whatever the code was.
    Always,
    /// The same; without a daemon nobody starts it after a reboot, so it is [`Restart::Always`] by another name.
    UnlessStopped,
}

impl FromStr for Restart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').map_or((text, None), |(word, count)| (word, Some(count))) {
            ("no", None) => Ok(Self::No),
            ("always", None) => Ok(Self::Always),
            ("unless-stopped", None) => Ok(Self::UnlessStopped),
            ("on-failure", None) => Ok(Self::OnFailure(None)),
            ("on-failure", Some(count)) => match count.parse() {
                Ok(count) => Ok(Self::OnFailure((count > 0).then_some(count))),
                Err(_) => Err(format!("invalid restart policy: {count:?} is no number of times")),
            },
            _ => Err(format!("invalid restart policy {text:?}: no, on-failure[:N], always, unless-stopped")),
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => out.write_str("no"),
            Self::OnFailure(None) => out.write_str("on-failure"),
            Self::OnFailure(Some(count)) => write!(out, "on-failure:{count}"),
            Self::Always => out.write_str("always"),
            Self::UnlessStopped => out.write_str("unless-stopped"),
        }
    }
}

/// How much of its output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimit {
    /// The most bytes of one file.
    pub size: u64,
    /// The most files.
    pub files: u32,
}

impl Default for LogLimit {
    /// A container that talks for years fills no disk.
    fn default() -> Self {
        Self { size: 10 << 20, files: 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_restart_policies_are_dockers() {
        for text in ["no", "on-failure", "on-failure:3", "always", "unless-stopped"] {
            assert_eq!(text.parse::<Restart>().unwrap().to_string(), text);
        }
        for wrong in ["", "yes", "always:3", "on-failure:x", "on-failure:-1"] {
            assert!(wrong.parse::<Restart>().is_err(), "{wrong}");
        }
    }
}
