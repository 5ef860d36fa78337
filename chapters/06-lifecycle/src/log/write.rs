//! The monitor's side of the log. A full disk costs lines, and never the container; and that they are lost is told: at
//! once by the container's state, and in the log itself as soon as there is room.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::mem::take;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::{Entry, file};
use crate::config::LogLimit;
use crate::containers::Container;
use crate::state::State;
use crate::when::When;
use crate::wire::Stream;

/// Who writes a log.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    limit: LogLimit,
    file: Option<File>,
    written: u64,
    /// Since when there is no room.
    full: Option<When>,
    /// What the container's state says of that.
    admitted: Option<When>,
    /// What has no line break yet, of each output.
    begun: [Vec<u8>; 2],
}

/// A longer line is written in parts.
const LONGEST: usize = 16 << 10;

impl Writer {
    /// The log of the container; what it said before stays.
    #[must_use]
    pub fn open(container: &Container) -> Self {
        let full = container.state().log_full; // of a run before this one
        let mut writer = Self {
            folder: container.folder.clone(),
            limit: container.config.log,
            file: None,
            written: 0,
            full,
            admitted: full,
            begun: [Vec::new(), Vec::new()],
        };
        writer.reopen();
        writer
    }

    fn reopen(&mut self) {
        let path = file(&self.folder, 0);
        self.file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok();
        self.written = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |seen| seen.len());
    }

    /// Writes what the command said.
    pub fn heard(&mut self, stream: Stream, bytes: &[u8]) {
        let begun = &mut self.begun[stream as usize];
        let (when, mut text) = (When::now(), Vec::with_capacity(bytes.len() + 128));
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            begun.extend(part);
            let whole = begun.ends_with(b"\n");
            if whole || begun.len() >= LONGEST {
                let content = begun.strip_suffix(b"\n").unwrap_or(begun);
                Entry { when, stream, whole, content }.put(&mut text);
                begun.clear();
            }
        }
        self.put(&text);
    }

    /// The command has ended: what had no line break yet is written without one.
    pub fn ended(&mut self) {
        let mut text = Vec::new();
        for stream in [Stream::Out, Stream::Err] {
            let content = take(&mut self.begun[stream as usize]);
            if !content.is_empty() {
                Entry { when: When::now(), stream, whole: false, content: &content }.put(&mut text);
            }
        }
        self.put(&text);
    }

    /// Whether the container's state doesn't say yet what it has to of the log.
    #[must_use]
    pub fn has_to_admit(&self) -> bool {
        self.full != self.admitted
    }

    /// Writes into the container's state since when its log has no room, where that has changed. `waits` for whoever
    /// changes the state at this moment; else it is left for the next time, and the command doesn't wait.
    pub fn admit(&mut self, container: &Container, waits: bool) {
        if !self.has_to_admit() {
            return;
        }
        let lock = if waits { container.lock().ok() } else { container.try_lock() };
        let Some(_lock) = lock else { return };
        let state = State { log_full: self.full, ..container.state() };
        if container.write_state(&state, false).is_ok() {
            self.admitted = self.full;
        }
    }

    fn put(&mut self, text: &[u8]) {
        if text.is_empty() && self.full.is_none() {
            return;
        }
        if self.file.is_none() {
            self.reopen(); // there may be room by now
        }
        if self.written > 0 && self.written + text.len() as u64 > self.limit.size {
            self.rotate();
        }
        let now = When::now();
        let note = self.full.map(|since| {
            let mut note = Vec::new();
            let content =
                format!("[boxroom: what it said since {since} is lost: the disk of its log was full]");
            Entry { when: now, stream: Stream::Err, whole: true, content: content.as_bytes() }.put(&mut note);
            note
        });
        let Some(out) = &mut self.file else {
            self.full = self.full.or(Some(now));
            return;
        };
        let before = self.written;
        let written = note.iter().map(Vec::as_slice).chain([text]).try_for_each(|text| {
            out.write_all(text)?;
            self.written += text.len() as u64;
            std::io::Result::Ok(())
        });
        if written.is_err() {
            // Half an entry would spoil the next one: back to where it was whole.
            let _ = out.set_len(before);
            self.written = before;
            self.full = self.full.or(Some(now));
        } else {
            self.full = None;
        }
    }

    /// The oldest goes, each other one grows older. Names alone change, so a reader keeps what it has open.
    fn rotate(&mut self) {
        for age in (0..self.limit.files).rev() {
            let this = file(&self.folder, age);
            let _ = if age + 1 >= self.limit.files {
                fs::remove_file(this)
            } else {
                fs::rename(this, file(&self.folder, age + 1))
            };
        }
        self.reopen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_log_that_could_not_be_made_is_made_later() {
        let folder = std::env::temp_dir().join(format!("ch06-writer-{}", std::process::id()));
        let limit = LogLimit::default();
        let begun = [Vec::new(), Vec::new()];
        let mut writer = Writer {
            folder: folder.clone(),
            limit,
            file: None,
            written: 0,
            full: None,
            admitted: None,
            begun,
        };
        writer.heard(Stream::Out, b"lost\n");
        assert!(writer.full.is_some());
        fs::create_dir(&folder).unwrap();
        writer.heard(Stream::Out, b"kept\n");
        assert!(writer.full.is_none());
        let text = fs::read_to_string(file(&folder, 0)).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().contains(" stderr F [boxroom: what it said since "));
        assert!(lines.next().unwrap().ends_with(" stdout F kept"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
