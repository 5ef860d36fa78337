//! Long work: how far it is, for who looks at a terminal, and a way to stop it that leaves nothing behind.
//!
//! Whatever reads or writes much passes its bytes by here. Ctrl-C waits at the door ([`Patience`]) until what was begun
//! is removed: the next read or write fails, what is half done goes as after any error, and then the process dies of the
//! signal as it would have.

use std::io::{self, IsTerminal, Read, Stderr, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use ch01_chroot::base::patience::Patience;

use crate::show;

/// Work that is done sooner has no bar, and no bar is drawn more often.
const PACE: Duration = Duration::from_millis(80);
/// Parts of a bar.
const PARTS: u64 = 30;

/// Where bars are drawn. Not a descriptor of our own: a monitor that goes on would keep the caller's terminal open.
static SEAT: OnceLock<fn() -> Stderr> = OnceLock::new();

/// Lets bars be drawn, where that is a terminal. A binary's root module says so, since only that prints; until then, and
/// in every test, long work is silent.
pub fn draw_on(seat: fn() -> Stderr) {
    let _ = SEAT.set(seat); // a second time says the same
}

/// Work that goes on as long as this lives.
pub struct Work {
    what: &'static str,
    /// Bytes; zero where nobody knows before.
    total: u64,
    done: AtomicU64,
    /// When the line was drawn last, and whether it was at all.
    line: Mutex<(Instant, bool)>,
    seat: Option<fn() -> Stderr>,
    patience: Option<Patience>,
}

impl Work {
    /// Begins it. `total` is in bytes, zero where it isn't known. Signals that ask for an end wait for that of the work.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn begin(what: &'static str, total: u64) -> Result<Self> {
        let mut work = Self::at_once(what, total);
        work.patience = Some(Patience::begin()?);
        Ok(work)
    }

    /// Work that has nothing to remove: a signal ends it at once, also while it waits for a reader.
    #[must_use]
    pub fn at_once(what: &'static str, total: u64) -> Self {
        let seat = SEAT.get().copied().filter(|seat| seat().is_terminal());
        let line = Mutex::new((Instant::now(), false));
        Self { what, total, done: AtomicU64::new(0), line, seat, patience: None }
    }

    /// What is read from `inner` counts. Where that is a pipe, a signal ends the wait for it.
    pub fn reading<'w, R: Read + AsFd>(&'w self, inner: R) -> Counted<'w, R> {
        Counted { inner, work: self }
    }

    /// What is written to `inner` counts.
    pub fn writing<W: Write>(&self, inner: W) -> Counted<'_, W> {
        Counted { inner, work: self }
    }

    /// So many bytes more.
    fn advance(&self, bytes: usize) -> io::Result<()> {
        let done = self.done.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if self.patience.as_ref().is_some_and(Patience::asked_to_stop) {
            return Err(stopped());
        }
        let (Some(seat), Ok(mut line)) = (self.seat, self.line.try_lock()) else { return Ok(()) };
        if line.0.elapsed() >= PACE {
            *line = (Instant::now(), true);
            let _ = write!(seat(), "\r\x1b[K{}", self.told(done)); // a terminal that is gone stops no work
        }
        Ok(())
    }

    fn told(&self, done: u64) -> String {
        let size = show::size(done);
        match (done * PARTS).checked_div(self.total) {
            Some(parts) => {
                let bar: String = (0..PARTS).map(|part| if part < parts { '█' } else { '░' }).collect();
                format!("{} {bar} {size} of {}", self.what, show::size(self.total))
            }
            None => format!("{} {size}", self.what),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let drawn = self.line.get_mut().is_ok_and(|line| line.1);
        if let (true, Some(seat)) = (drawn, self.seat) {
            let _ = write!(seat(), "\r\x1b[K"); // the line is free again
        }
        // With the patience goes the wait of the signals.
    }
}

/// Not `Interrupted`: whoever reads would only try again.
fn stopped() -> io::Error {
    io::Error::other("stopped by a signal")
}

/// What passes by.
pub struct Counted<'w, T> {
    inner: T,
    work: &'w Work,
}

impl<R: Read + AsFd> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.work.patience.as_ref().is_some_and(|patience| !patience.waits_for(self.inner.as_fd())) {
            return Err(stopped());
        }
        let length = self.inner.read(buffer)?;
        self.work.advance(length)?;
        Ok(length)
    }
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.work.advance(length)?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_a_bar_says_how_much_of_how_much() {
        let full = Work::at_once("unpacking", 60 << 20);
        assert_eq!(full.told(30 << 20).matches('█').count(), 15);
        assert_eq!(full.told(90 << 20).matches('░').count(), 0);
        let unknown = Work::at_once("packing", 0).told(5_000_000);
        assert!(unknown.starts_with("packing 5"), "{unknown}");
    }

    #[test]
    fn ch04_work_passes_bytes_on_as_they_are() {
        let work = Work::begin("writing", 0).unwrap();
        let mut out = Vec::new();
        work.writing(&mut out).write_all(b"as they are").unwrap();
        assert_eq!((out.as_slice(), work.done.load(Ordering::Relaxed)), (&b"as they are"[..], 11));
    }
}
