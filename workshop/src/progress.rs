//! What is going on, from the first second: one line that is written over on a terminal, plain lines elsewhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::ink::Ink;

/// The line, and where it is written to (stderr: a result that is piped stays clean).
pub struct Progress<W: Write> {
    out: W,
    ink: Ink,
    terminal: bool,
    began: Instant,
    step: Instant,
    name: String,
    last: Option<Instant>,
}

/// How often the line is written over: more often than this nobody reads.
const PACE: Duration = Duration::from_millis(80);

impl<W: Write> Progress<W> {
    /// Writes to `out`; `terminal`: a line there can be written over.
    pub fn new(out: W, ink: Ink, terminal: bool) -> Self {
        let now = Instant::now();
        Self { out, ink, terminal, began: now, step: now, name: String::new(), last: None }
    }

    /// A step begins: `building the stages`.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn begin(&mut self, name: &str) -> io::Result<()> {
        self.step = Instant::now();
        self.last = None;
        self.name = name.into();
        if self.terminal { self.over(&format!("{name} ...")) } else { writeln!(self.out, "{name} ...") }
    }

    /// The step goes on: `12 of 27, kill-canary`. Only a terminal is told.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn at(&mut self, where_: &str) -> io::Result<()> {
        if !self.terminal || self.last.is_some_and(|last| last.elapsed() < PACE) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let line = format!("{}: {where_}", self.name);
        self.over(&line)
    }

    /// The step has ended; `what` came of it.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn end(&mut self, what: &str) -> io::Result<()> {
        let took = format!("{:5.1} s", self.step.elapsed().as_secs_f64());
        if self.terminal {
            write!(self.out, "\r\x1b[K")?;
        }
        // What stands in parentheses was for whoever waits.
        let name = self.name.split(" (").next().unwrap_or_default();
        writeln!(self.out, "{}  {name}: {what}", self.ink.dim(&took))
    }

    /// Since the beginning.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.began.elapsed()
    }

    fn over(&mut self, line: &str) -> io::Result<()> {
        // Longer than the terminal is wide, it could not be written over.
        let line: String = line.chars().take(78).collect();
        write!(self.out, "\r\x1b[K{}", self.ink.dim(&line))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_plain_lines_only() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, Ink::PLAIN, false);
        progress.begin("building").unwrap();
        progress.at("1 of 2").unwrap();
        progress.end("done").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\r') && !text.contains('\x1b'), "{text:?}");
        assert!(text.ends_with("s  building: done\n") && text.lines().count() == 2, "{text:?}");
    }
}
