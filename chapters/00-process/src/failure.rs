//! What failed, on which path or name, why, and what to do: one message for the person at the keyboard.

use std::fmt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::explain::Place;
use crate::kernel::{age, errno};

/// The engine itself failed (Docker's code).
pub const ENGINE: u8 = 125;
/// The command is there and can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command isn't there.
pub const NOT_FOUND: u8 = 127;

/// A step of a launch that failed. It travels whole from the child to the host, which alone prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Where in the launch it happened.
    pub place: Place,
    /// The call with its arguments, as strace would show it; or what was tried, in words.
    pub call: String,
    /// The error number, 0 where the kernel wasn't asked.
    pub errno: i32,
    /// What the call was for.
    pub why: String,
    /// The usual cause here.
    pub cause: String,
    /// What to do.
    pub hint: String,
    /// With which code the program ends: [`ENGINE`], [`NOT_EXECUTABLE`] or [`NOT_FOUND`].
    pub code: u8,
}

impl Failure {
    /// A failed system call, with the cause that the table of errnos knows for it.
    #[must_use]
    pub fn of_call(place: Place, call: String, errno: Errno, why: &str) -> Self {
        let name = call.split('(').next().unwrap_or_default();
        let known = errno::meaning(name, errno);
        let (cause, hint) = match age::cause(errno) {
            Some(old) => (old, "a newer kernel; cargo workshop doctor says what works on this one"),
            None => (known.map_or("", |m| m.cause).into(), known.map_or("", |m| m.hint)),
        };
        Self { place, errno: errno as i32, why: why.into(), cause, hint: hint.into(), code: ENGINE, call }
    }

    /// Something that was found wrong before the kernel was asked.
    #[must_use]
    pub fn said(what: impl Into<String>, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            place: Place::default(),
            call: what.into(),
            errno: 0,
            why: String::new(),
            cause: cause.into(),
            hint: hint.into(),
            code: ENGINE,
        }
    }

    /// The same, with a cause that is known better at the place of the call than in the table.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        self.cause = cause.into();
        self.hint = hint.into();
        self
    }

    /// The same, and the program will end with `code`.
    #[must_use]
    pub fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The error number as a type.
    #[must_use]
    pub fn errno(&self) -> Errno {
        Errno::from_raw(self.errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.call)?;
        if self.errno != 0 {
            let errno = self.errno();
            write!(out, " = {errno:?} ({})", errno.desc().to_lowercase())?;
        }
        if !self.why.is_empty() {
            write!(out, "\n  step:  {} ({})", self.why, self.place)?;
        }
        if !self.cause.is_empty() {
            write!(out, "\n  cause: {}", self.cause)?;
        }
        if !self.hint.is_empty() {
            write!(out, "\n  try:   {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
