//! Where words go: what was asked for, notes beside it, and a bar for long work.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::show;

/// The two ends of a command line, and whether somebody looks at them.
pub struct Ends<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// Whether that is a terminal.
    pub out_is_terminal: bool,
    /// What is said beside it.
    pub notes: &'a mut (dyn Write + Send),
    /// Whether that is a terminal.
    pub notes_is_terminal: bool,
    /// What the program is called.
    pub name: &'static str,
}

impl Ends<'_> {
    /// Says what was asked for.
    ///
    /// # Errors
    /// The writer's; that nobody reads any more is none.
    pub fn say(&mut self, text: &str) -> Result<()> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            // Whoever reads has had enough (`| head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Says something beside it.
    pub fn note(&mut self, line: &str) {
        let _ = writeln!(self.notes, "{}: {line}", self.name);
    }

    /// What no tar can hold.
    pub fn sockets(&mut self, left_out: &[Vec<u8>]) {
        for path in left_out {
            let path = String::from_utf8_lossy(path).into_owned();
            self.note(&format!("left out: {path:?} is a socket, which no tar can hold"));
        }
    }

    /// What `cp` doesn't copy.
    pub fn left_out(&mut self, paths: &[PathBuf]) {
        for path in paths {
            self.note(&format!("left out: {path:?} is neither a file nor a folder nor a symlink"));
        }
    }

    /// Writes to a file that is whole or not there, or to standard output.
    ///
    /// # Errors
    /// A terminal is no place for an archive; or what `write` says.
    pub fn to(
        &mut self,
        output: &Path,
        write: impl FnOnce(&mut dyn Write, &mut Ends<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut beside_it = Ends { out: &mut io::sink(), notes: &mut *self.notes, ..*self };
        if output == Path::new("-") {
            if self.out_is_terminal {
                bail!(
                    "an archive is nothing for a terminal; name a file (--output FILE), or send it through a pipe"
                );
            }
            let mut out = BufWriter::new(&mut *self.out);
            write(&mut out, &mut beside_it)?;
            return Ok(out.flush()?);
        }
        let what = || output.display().to_string();
        let beside = output.with_extension(format!("partial-{}", std::process::id()));
        let written = (|| {
            let mut out = BufWriter::new(File::create(&beside).with_context(what)?);
            write(&mut out, &mut beside_it)?;
            out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            std::fs::rename(&beside, output).with_context(what)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }
}

/// How far long work is; nothing where nobody looks.
pub struct Bar<'e> {
    terminal: bool,
    state: Mutex<(Instant, &'e mut (dyn Write + Send))>,
}

impl<'e> Bar<'e> {
    /// On the notes' end.
    pub fn new(ends: &'e mut Ends<'_>) -> Self {
        Self { terminal: ends.notes_is_terminal, state: Mutex::new((Instant::now(), &mut *ends.notes)) }
    }

    /// So far.
    pub fn at(&self, what: &str, done: u64, total: u64) {
        let Ok(mut state) = self.state.lock() else { return };
        if !self.terminal || state.0.elapsed() < Duration::from_millis(80) {
            return;
        }
        state.0 = Instant::now();
        let parts = (done * 30).checked_div(total).unwrap_or(0).min(30);
        let bar: String = (0..30).map(|part| if part < parts { '█' } else { '░' }).collect();
        let (done, total) = (show::size(done), show::size(total));
        let _ = write!(state.1, "\r\x1b[K{what} {bar} {done} of {total}");
    }

    /// Done: the line is free again.
    pub fn end(self) {
        if let (true, Ok(mut state)) = (self.terminal, self.state.lock()) {
            let _ = write!(state.1, "\r\x1b[K");
        }
    }
}
