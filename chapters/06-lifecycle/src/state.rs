//! The states of a container, and which move leads from one to another. OCI runtime-spec, runtime.md, and `paused`.
//!
//! ```text
//!               create              start               end, stop, kill
//!   (nothing) ---------> created ---------> running ---------------------> stopped
//!                           |              |       ^                        |  |  ^
//!                           |        pause v       | unpause                |  |  | stop, kill, end
//!                           |              paused -+------------------------|--|--+
//!                           |                        start again <----------+  |
//!                           +--------------------> rm -------------------------+
//! ```
//! Four things more, for which there was no room:
//! - `restarting` is one that has ended, and its monitor waits before it starts it again. That is `Retry`, to `running`; so is
//!   a `Start` by somebody who doesn't wait; and stop, kill and end lead to `stopped`.
//! - `Exec` and `Attach` are for `running` alone, which stays as it is.
//! - `Remove` (`rm`) takes the container away, and leaves its state as it was.
//! - `Discard` (`rm --force`) is made from everywhere, and leads to `stopped`.

use ch00_process::failure::Failure;
use ch00_process::record::Owner;
use serde::{Deserialize, Serialize};

use crate::when::When;

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is on disk; nothing of it has run.
    #[default]
    Created,
    /// Its command runs.
    Running,
    /// Its processes are frozen where they were.
    Paused,
    /// It has ended, and its monitor will start it again in a moment.
    Restarting,
    /// It has ended. Its files are still there.
    Stopped,
}

/// What somebody wants with a container, or what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the verbs of the command line
pub enum Move {
    Start,
    Stop,
    Kill,
    Pause,
    Unpause,
    Exec,
    Attach,
    /// The command has ended by itself, or was made to.
    End,
    /// The monitor starts it again, by the restart policy.
    Retry,
    Remove,
    /// `rm --force`.
    Discard,
}

/// `state.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where in its life it is. Without it the file is none: it says nothing that could be held against what is seen.
    pub status: Status,
    /// Its first process.
    pub process: Option<Owner>,
    /// Who waits for that process.
    pub monitor: Option<Owner>,
    /// When its command began, the last time.
    pub started: Option<When>,
    /// When that ended.
    pub finished: Option<When>,
    /// The exit code of that.
    #[serde(default)]
    pub code: u8,
    /// Whether a process of it was killed for want of memory.
    #[serde(default)]
    pub oom: bool,
    /// Why it could not be started, or what is to be told of its end.
    #[serde(default)]
    pub error: String,
    /// How often the monitor has started it again.
    #[serde(default)]
    pub restarts: u32,
    /// Somebody has asked it to end: the restart policy is silent.
    #[serde(default)]
    pub stop_asked: bool,
    /// Since when what it says is not in its log, for want of room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_full: Option<When>,
}

impl State {
    /// That its log lacks what it says, as long as the log itself can't say it.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.log_full.map(|since| format!("what it says since {since} is lost: the disk of its log is full"))
    }
}

impl Status {
    /// The status after a move, or why that move can't be made, in Docker's words. `called`: the container's name.
    ///
    /// # Errors
    /// From here no such move leads anywhere.
    pub fn after(self, step: Move, called: &str) -> Result<Self, Failure> {
        // ANCHOR: task-states
        use {Move as M, Status as S};
        match (self, step) {
            (S::Created | S::Stopped, M::Start) => Ok(S::Running),
            (S::Restarting, M::Start | M::Retry) => Ok(S::Running),
            (S::Running, M::Pause) => Ok(S::Paused),
            (S::Paused, M::Unpause) => Ok(S::Running),
            (S::Running, M::Exec | M::Attach) => Ok(S::Running),
            (S::Running | S::Paused | S::Restarting, M::Stop | M::Kill | M::End) => Ok(S::Stopped),
            (S::Created | S::Stopped, M::Remove) => Ok(self),
            (_, M::Discard) => Ok(S::Stopped),
            _ => Err(self.refusal(step, called)),
        }
        // ANCHOR_END: task-states
    }

    /// Docker's words for a move that can't be made, and the way out.
    fn refusal(self, step: Move, called: &str) -> Failure {
        use {Move as M, Status as S};
        let (what, hint) = match (self, step) {
            (S::Paused, M::Start) => {
                (format!("cannot start a paused container, try unpause instead: {called}"), "unpause")
            }
            (_, M::Start) => (format!("container {called} is already running"), "restart, or exec"),
            (S::Paused, M::Pause) => (format!("container {called} is already paused"), "unpause"),
            (S::Running, M::Unpause) => {
                let what = format!("container {called} is not paused");
                return Failure::said(what, "it runs", format!("boxroom top {called} shows what in it"))
                    .code(1);
            }
            (S::Restarting, M::Unpause) => (format!("container {called} is not paused"), "logs"),
            (_, M::Unpause) => (format!("container {called} is not paused"), "start"),
            (S::Paused, M::Exec) => {
                (format!("container {called} is paused, unpause the container before exec"), "unpause")
            }
            (S::Paused, M::Attach) => {
                (format!("you cannot attach to a paused container, unpause it first: {called}"), "unpause")
            }
            (_, M::Attach) => {
                (format!("you cannot attach to a stopped container, start it first: {called}"), "start")
            }
            (S::Restarting, M::Exec) => {
                (format!("container {called} is restarting, wait until the container is running"), "logs")
            }
            (S::Paused, M::Remove) => (
                format!("cannot remove container {called:?}: container is paused and must be unpaused first"),
                "rm --force",
            ),
            (_, M::Remove) => (
                format!(
                    "cannot remove container {called:?}: container is {}: stop the container before removing or \
                     force remove",
                    self.shown()
                ),
                "rm --force",
            ),
            (_, M::Kill) => {
                (format!("cannot kill container: {called}: container {called} is not running"), "start")
            }
            _ => (format!("container {called} is not running"), "start"),
        };
        Failure::said(what, "", format!("boxroom {hint} {called}")).code(1)
    }

    /// Docker's word: what OCI calls stopped, it calls exited.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Stopped => "exited",
        }
    }

    /// Whether there is a process, running or frozen.
    #[must_use]
    pub fn lives(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Status; 5] =
        [Status::Created, Status::Running, Status::Paused, Status::Restarting, Status::Stopped];

    #[test]
    fn ch06_only_these_moves_are_legal() {
        let legal = |step| -> Vec<_> {
            ALL.into_iter().filter(|status| status.after(step, "web").is_ok()).map(Status::shown).collect()
        };
        assert_eq!(legal(Move::Start), ["created", "restarting", "exited"]);
        assert_eq!(legal(Move::Stop), ["running", "paused", "restarting"]);
        assert_eq!(legal(Move::Kill), ["running", "paused", "restarting"]);
        assert_eq!(legal(Move::Pause), ["running"]);
        assert_eq!(legal(Move::Unpause), ["paused"]);
        assert_eq!(legal(Move::Exec), ["running"]);
        assert_eq!(legal(Move::Attach), ["running"]);
        assert_eq!(legal(Move::Retry), ["restarting"]);
        assert_eq!(legal(Move::Remove), ["created", "exited"]);
        assert_eq!(legal(Move::Discard).len(), ALL.len());
    }

    #[test]
    fn ch06_a_refusal_names_the_container_and_the_way_out() {
        for status in ALL {
            for step in
                [Move::Start, Move::Stop, Move::Kill, Move::Pause, Move::Unpause, Move::Exec, Move::Remove]
            {
                if let Err(refusal) = status.after(step, "web") {
                    assert!(refusal.call.contains("web") && refusal.hint.contains("web"), "{refusal}");
                    assert_eq!(refusal.code, 1);
                }
            }
        }
    }

    #[test]
    fn ch06_a_state_that_lacks_fields_is_read() {
        let state: State = serde_json::from_str(r#"{"status":"running"}"#).unwrap();
        assert_eq!((state.status, state.process), (Status::Running, None));
        assert!(serde_json::from_str::<State>(r#"{"status":"asleep"}"#).is_err());
        for nothing in ["{}", "[]", "null", r#"{"code":0}"#] {
            assert!(serde_json::from_str::<State>(nothing).is_err(), "{nothing}");
        }
    }
}
