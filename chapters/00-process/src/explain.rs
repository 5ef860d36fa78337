//! A launch told while it happens: `--explain` prints each system call, `--step` stops before each moment.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// The moments of a launch, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Host, before clone: which namespaces are needed; what will have to be cleaned is recorded.
    #[default]
    Prepare,
    /// Host: the child is made.
    Clone,
    /// Host, while the child waits: what only the host may do for it.
    Supervise,
    /// Child: ids are mapped, the host's paths still visible; every path becomes a descriptor.
    Open,
    /// Child: the one switch of the root.
    Root,
    /// Child: the new root is in place; attach, set names.
    Enter,
    /// Child: give up groups, ids, descriptors; nothing is mounted after it.
    Seal,
    /// Child: waits until it is released.
    Gate,
    /// Child: becomes the command.
    Exec,
    /// Host: passes signals on and waits for the end.
    Wait,
    /// Host: how it ended and why, read before anything is removed.
    Outcome,
    /// Host: what outlived the command is removed.
    Cleanup,
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Prepare => "prepare",
            Self::Clone => "clone",
            Self::Supervise => "supervise",
            Self::Open => "open",
            Self::Root => "root",
            Self::Enter => "enter",
            Self::Seal => "seal",
            Self::Gate => "gate",
            Self::Exec => "exec",
            Self::Wait => "wait",
            Self::Outcome => "outcome",
            Self::Cleanup => "cleanup",
        })
    }
}

/// Which process this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Process {
    /// The program that was started by the user; it waits outside.
    #[default]
    Host,
    /// The one that clone3 made, on its way to becoming the command.
    Child,
}

/// Where in a launch something happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which process.
    pub process: Process,
    /// When.
    pub moment: Moment,
    /// By which chapter's mechanism.
    pub mechanism: String,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = match self.process {
            Process::Host => "host",
            Process::Child => "child",
        };
        write!(out, "{process} · {} · {}", self.moment, self.mechanism)
    }
}

/// One system call, as it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// Where in the launch.
    #[serde(flatten)]
    pub place: Place,
    /// The call with its arguments.
    pub call: String,
    /// What the kernel answered.
    pub result: String,
    /// One line of why.
    pub why: String,
}

/// In which form a launch is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For a person.
    Text,
    /// One JSON object a line, for tools.
    Json,
    /// A shell script that does the same by plain programs; the launch is made, and then said again
    Sh,
}

/// Writes what is told, in its form. Where it writes to is the binary's choice.
pub struct Teller {
    form: Option<Form>,
    out: Box<dyn Write>,
    last: Option<Place>,
}

impl Teller {
    /// Tells in `form` (or not at all) to `out`.
    pub fn new(form: Option<Form>, out: Box<dyn Write>) -> Self {
        Self { form, out, last: None }
    }

    /// One call. A person gets a heading where the place changes.
    ///
    /// # Errors
    /// `out` can't be written (a closed pipe); the launch goes on without being told.
    pub fn tell(&mut self, told: &Told) -> io::Result<()> {
        match self.form {
            // A script is told as a whole, at the end.
            None | Some(Form::Sh) => Ok(()),
            Some(Form::Json) => writeln!(self.out, "{}", serde_json::to_string(told)?),
            Some(Form::Text) => {
                if self.last.as_ref() != Some(&told.place) {
                    writeln!(self.out, "── {}", told.place)?;
                    self.last = Some(told.place.clone());
                }
                writeln!(self.out, "   {} = {}", told.call, told.result)?;
                writeln!(self.out, "       {}", told.why)
            }
        }
    }

    /// A line for the person at the keyboard that belongs to no call.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }
}

/// What to look at from a second terminal before `moment` happens; `pid` is the child's, seen from the host.
#[must_use]
pub fn look(moment: Moment, pid: Option<i32>) -> String {
    let pid = pid.map_or_else(|| "PID".into(), |pid| pid.to_string());
    match moment {
        Moment::Prepare => "the gym as it is: lsns; ch00-process gym".into(),
        Moment::Clone => {
            format!("one process, still in the host's namespaces: ls -l /proc/{}/ns", std::process::id())
        }
        Moment::Supervise => format!("new namespaces, no ids yet: lsns -p {pid}; cat /proc/{pid}/uid_map"),
        Moment::Open => format!("the ids are mapped: cat /proc/{pid}/uid_map; grep Uid /proc/{pid}/status"),
        Moment::Root => format!(
            "the host's root is still its root: readlink /proc/{pid}/root; wc -l /proc/{pid}/mountinfo"
        ),
        Moment::Enter => format!("another root: ls /proc/{pid}/root; cat /proc/{pid}/mountinfo"),
        Moment::Seal => {
            format!("all is mounted: cat /proc/{pid}/mountinfo; grep -E 'Groups|Cap' /proc/{pid}/status")
        }
        Moment::Gate => format!("who it is by now: grep -E 'Uid|Groups|Cap|Sig' /proc/{pid}/status"),
        Moment::Exec => {
            format!("still our program: readlink /proc/{pid}/exe; tr '\\0' ' ' < /proc/{pid}/cmdline")
        }
        Moment::Wait => {
            format!("the command: readlink /proc/{pid}/exe; ls -l /proc/{pid}/fd; ps -o pid,stat,args {pid}")
        }
        Moment::Outcome => "the command has ended, what was made for it is there: ch03-cgroups tree".into(),
        Moment::Cleanup => "the last look at it: ch03-cgroups tree; ls /run/boxroom/records".into(),
    }
}
