//! What a container said. A file of lines, in the form that Kubernetes' CRI has: text that `cat` and `grep` can read,
//! and every byte of the command's as it was (Docker's JSON can hold text only).
//!
//! ```text
//! 2026-03-01T12:00:00.000000001Z stdout F a whole line
//! 2026-03-01T12:00:00.000000002Z stderr P the beginning of a line, or its end without a line break
//! ```
//!
//! # Layout
//! - [`write`]: the monitor's side, with rotation: `log`, then `log.1`, `log.2`
//! - [`read`]: the side of who asks for it, on and on where they like

use std::path::{Path, PathBuf};

use crate::when::When;
use crate::wire::Stream;

pub mod read;
pub mod write;

fn word(stream: Stream) -> &'static str {
    if stream == Stream::Out { "stdout" } else { "stderr" }
}

/// The newest file, or one that is so many rotations old.
pub(crate) fn file(folder: &Path, age: u32) -> PathBuf {
    if age == 0 { folder.join("log") } else { folder.join(format!("log.{age}")) }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the monitor had it.
    pub when: When,
    /// Which output.
    pub stream: Stream,
    /// Whether a line break follows.
    pub whole: bool,
    /// The bytes.
    pub content: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A line of the file without its line break. `None`: it is damaged.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = line.splitn(4, |&byte| byte == b' ');
        let when = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        let stream = match words.next()? {
            b"stdout" => Stream::Out,
            b"stderr" => Stream::Err,
            _ => return None,
        };
        let whole = match words.next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        Some(Self { when, stream, whole, content: words.next()? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        let mark = if self.whole { 'F' } else { 'P' };
        out.extend(format!("{} {} {mark} ", self.when, word(self.stream)).as_bytes());
        out.extend(self.content);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_an_entry_is_read_as_it_is_written() {
        let entry = Entry { when: When(1), stream: Stream::Err, whole: false, content: b"a b\x00\xff" };
        let mut line = Vec::new();
        entry.put(&mut line);
        assert_eq!(Entry::parse(line.strip_suffix(b"\n").unwrap()), Some(entry));
        for wrong in
            [&b""[..], b"x stdout F y", b"1970-01-01T00:00:00Z stdin F y", b"1970-01-01T00:00:00Z stdout F"]
        {
            assert_eq!(Entry::parse(wrong), None, "{wrong:?}");
        }
    }
}
