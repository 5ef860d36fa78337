//! `logs`: what a container said, all or the end of it, and on while it speaks.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::Result;

use super::{Entry, file};
use crate::containers::Container;
use crate::when::When;
use crate::wire::Stream;

/// What is to be shown of a log.
#[derive(Debug, Clone, Default)]
pub struct Show {
    /// Go on while the container lives.
    pub follow: bool,
    /// Only so many lines, the last ones.
    pub tail: Option<usize>,
    /// Nothing older.
    pub since: Option<When>,
    /// Nothing newer.
    pub until: Option<When>,
    /// The moment before each line.
    pub timestamps: bool,
}

/// Writes the log of a container, each output to its own writer.
///
/// # Errors
/// A writer is gone, or the log can't be read.
pub fn show(container: &Container, show: &Show, out: &mut impl Write, err: &mut impl Write) -> Result<()> {
    let mut put = |line: &[u8]| -> io::Result<()> {
        let Some(entry) = Entry::parse(line) else { return Ok(()) }; // damaged by a power cut
        if show.since.is_some_and(|since| entry.when < since)
            || show.until.is_some_and(|until| entry.when > until)
        {
            return Ok(());
        }
        let to: &mut dyn Write = if entry.stream == Stream::Out { out } else { err };
        if show.timestamps {
            write!(to, "{} ", entry.when)?;
        }
        to.write_all(entry.content)?;
        if entry.whole { to.write_all(b"\n") } else { Ok(()) }
    };
    let newest = File::open(file(&container.folder, 0)).ok();
    let mut newest = newest.map(Reader::new).transpose()?;
    let mut last = VecDeque::new();
    let mut old: Vec<Reader> = (1..=container.config.log.files)
        .rev()
        .filter_map(|age| File::open(file(&container.folder, age)).ok())
        .map(Reader::new)
        .collect::<io::Result<_>>()?;
    for reader in old.iter_mut().chain(&mut newest) {
        while let Some(line) = reader.line()? {
            match show.tail {
                None => put(line)?,
                Some(most) => {
                    last.push_back(line.to_vec());
                    if last.len() > most {
                        last.pop_front();
                    }
                }
            }
        }
    }
    last.iter().try_for_each(|line| put(line))?;
    if !show.follow {
        return Ok(());
    }
    loop {
        // Asked before reading: what it said until its end is in the file then.
        let lives = container.lives();
        loop {
            while let Some(reader) = &mut newest
                && let Some(line) = reader.line()?
            {
                put(line)?;
            }
            let Some(next) = rotated(container, newest.as_ref())? else { break };
            newest = Some(next);
        }
        if !lives || show.until.is_some_and(|until| When::now() > until) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The newest file, where it isn't the one that is being read any more.
fn rotated(container: &Container, reader: Option<&Reader>) -> io::Result<Option<Reader>> {
    let Ok(file) = File::open(file(&container.folder, 0)) else { return Ok(None) };
    let inode = file.metadata()?.ino();
    if reader.is_some_and(|reader| reader.inode == inode) {
        return Ok(None);
    }
    Reader::new(file).map(Some)
}

/// Lines that are whole; the beginning of one is kept until its end is written.
struct Reader {
    inode: u64,
    file: BufReader<File>,
    line: Vec<u8>,
    given: bool,
}

impl Reader {
    fn new(file: File) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        Ok(Self { inode, file: BufReader::new(file), line: Vec::new(), given: false })
    }

    fn line(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.given) {
            self.line.clear();
        }
        self.file.read_until(b'\n', &mut self.line)?;
        self.given = self.line.ends_with(b"\n");
        Ok(self.line.strip_suffix(b"\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_half_a_line_is_waited_for() {
        let path = std::env::temp_dir().join(format!("ch06-log-{}", std::process::id()));
        std::fs::write(&path, "one\ntw").unwrap();
        let mut reader = Reader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.line().unwrap(), Some(&b"one"[..]));
        assert_eq!(reader.line().unwrap(), None);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(reader.line().unwrap(), Some(&b"two"[..]));
        std::fs::remove_file(&path).unwrap();
    }
}
