//! What a failed check says: what was seen, what it means, and where to go from here.

use std::fmt;

/// Why a check failed, for the person who wants to mend it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// What was seen.
    pub seen: String,
    /// What was expected.
    pub expected: &'static str,
    /// Which mechanism is missing.
    pub meaning: &'static str,
    /// How to look at it oneself.
    pub look: &'static str,
    /// The section of the book and the manual page.
    pub read: &'static str,
    /// It is no failure: the attempt could not be made on this machine, and why. Nothing is proven by it.
    pub untried: Option<String>,
    /// It is no failure yet: the learner's task that it proves isn't written, and `seen` says which.
    pub is_not_yet: bool,
}

impl Finding {
    /// A task that isn't written yet; where the chapter is done without it, nothing fails for that.
    #[must_use]
    pub fn not_yet(text: String, optional: bool) -> Self {
        Self { untried: optional.then(|| text.clone()), seen: text, is_not_yet: true, ..Self::default() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_not_yet {
            return out.write_str(&self.seen);
        }
        writeln!(out, "seen:     {}", self.seen)?;
        writeln!(out, "expected: {}", self.expected)?;
        writeln!(out, "meaning:  {}", self.meaning)?;
        writeln!(out, "look:     {}", self.look)?;
        write!(out, "read:     {}", self.read)
    }
}

impl From<anyhow::Error> for Finding {
    fn from(error: anyhow::Error) -> Self {
        Self {
            seen: format!("{error:#}"),
            expected: "a stage that starts and answers the roll call",
            meaning: "the command never ran where it was to run",
            look: "the same command by hand, with --explain",
            read: "book: how to use this book, 'when a check fails'",
            untried: None,
            is_not_yet: false,
        }
    }
}

impl From<std::io::Error> for Finding {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<nix::Error> for Finding {
    fn from(error: nix::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}
