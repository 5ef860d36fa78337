//! The monitor's side of the log. A full disk costs lines, and never the container.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::mem::take;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Entry, file};
use crate::config::LogLimit;
use crate::when::When;
use crate::wire::Stream;

/// Who writes a log.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    limit: LogLimit,
    file: Option<File>,
    written: u64,
    lost: u64,
    /// What has no line break yet, of each output.
    begun: [Vec<u8>; 2],
}

/// A longer line is written in parts.
const LONGEST: usize = 16 << 10;

impl Writer {
    /// The log of the container in `folder`; what it said before stays.
    #[must_use]
    pub fn open(folder: &Path, limit: LogLimit) -> Self {
        let mut writer = Self {
            folder: folder.into(),
            limit,
            file: None,
            written: 0,
            lost: 0,
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

    fn put(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.written > 0 && self.written + text.len() as u64 > self.limit.size {
            self.rotate();
        }
        let note = (self.lost > 0).then(|| {
            let mut note = Vec::new();
            let content = format!("[boxroom: {} bytes of the log are lost: its disk was full]", self.lost);
            Entry { when: When::now(), stream: Stream::Err, whole: true, content: content.as_bytes() }
                .put(&mut note);
            note
        });
        let Some(out) = &mut self.file else { return self.lose(text.len()) };
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
            self.lose(text.len());
        } else {
            self.lost = 0;
        }
    }

    fn lose(&mut self, bytes: usize) {
        self.lost += bytes as u64;
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
