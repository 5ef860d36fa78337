//! Where words go: what was asked for, notes beside it, and a bar for long work.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::Work;

/// Written in pieces of this size, bytes.
const PIECE: usize = 128 << 10;

/// The two ends of a command line, and whether somebody looks at them.
pub struct Ends<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// Whether that is a terminal.
    pub out_is_terminal: bool,
    /// What is said beside it.
    pub notes: &'a mut (dyn Write + Send),
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

    /// Writes to a file that is whole or not there, or to standard output. `total` is how much it will be, bytes; zero where
    /// nobody knows before.
    ///
    /// # Errors
    /// A terminal is no place for an archive; or what `write` says.
    pub fn to(
        &mut self,
        output: &Path,
        total: u64,
        write: impl FnOnce(&mut dyn Write, &mut Ends<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut beside_it = Ends { out: &mut io::sink(), notes: &mut *self.notes, ..*self };
        if output == Path::new("-") {
            if self.out_is_terminal {
                bail!(
                    "an archive is nothing for a terminal; name a file (--output FILE), or send it through a pipe"
                );
            }
            let work = Work::at_once("writing", total);
            let mut out = BufWriter::with_capacity(PIECE, work.writing(&mut *self.out));
            write(&mut out, &mut beside_it)?;
            return Ok(out.flush()?);
        }
        let what = || output.display().to_string();
        let beside = output.with_extension(format!("partial-{}", std::process::id()));
        let work = Work::begin("writing", total)?;
        let written = (|| {
            let file = File::create(&beside).with_context(what)?;
            let mut out = BufWriter::with_capacity(PIECE, work.writing(&file));
            write(&mut out, &mut beside_it)?;
            out.into_inner().map_err(|error| error.into_error())?;
            file.sync_all()?;
            std::fs::rename(&beside, output).with_context(what)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        written
    }
}
