//! A tar as this store writes it: ustar headers, PAX records where something doesn't fit. The same files give the
//! same bytes on every machine.

use std::io::{self, Write};

use anyhow::{Result, bail};

use super::entry::{Entry, Kind};
use super::header::field;
use super::{BLOCK, pax};

/// A tar on its way out.
pub struct Writer<W> {
    inner: W,
    content: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Writes to here.
    pub fn new(inner: W) -> Self {
        Self { inner, content: 0, padding: 0 }
    }

    /// Writes what precedes an entry's content. Exactly `entry.size` bytes of [`Writer::content`] have to follow.
    ///
    /// # Errors
    /// The disk is full.
    pub fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.close()?;
        let records = records(entry);
        if !records.is_empty() {
            let mut header = [0; BLOCK];
            text(&mut header, field::NAME, b"PaxHeaders/0");
            self.header(header, b'x', 0o644, (0, 0), records.len() as u64, 0)?;
            self.inner.write_all(&records)?;
            self.fill(records.len() as u64)?;
        }
        let mut header = [0; BLOCK];
        text(&mut header, field::NAME, &entry.path);
        text(&mut header, field::LINK, &entry.link);
        let letter = match entry.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                number(&mut header, field::MAJOR, major.into());
                number(&mut header, field::MINOR, minor.into());
                if matches!(entry.kind, Kind::CharDevice(..)) { b'3' } else { b'4' }
            }
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        let seconds = u64::try_from(entry.modified.seconds).unwrap_or(0);
        self.header(header, letter, entry.mode, (entry.uid, entry.gid), entry.size, seconds)?;
        self.content = entry.size;
        self.padding = usize::try_from(entry.size.wrapping_neg() % BLOCK as u64)?;
        Ok(())
    }

    /// A part of the present entry's content.
    ///
    /// # Errors
    /// More than was announced: the file grew meanwhile. The disk is full.
    pub fn content(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.content {
            bail!("a file grew while it was being packed");
        }
        self.inner.write_all(bytes)?;
        self.content -= bytes.len() as u64;
        Ok(())
    }

    /// The two zero blocks that end an archive.
    ///
    /// # Errors
    /// The last entry lacks content, or the disk is full.
    pub fn finish(mut self) -> Result<W> {
        self.close()?;
        self.inner.write_all(&[0; 2 * BLOCK])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn close(&mut self) -> Result<()> {
        if self.content > 0 {
            bail!("a file shrank while it was being packed");
        }
        self.inner.write_all(&[0; BLOCK][..self.padding])?;
        self.padding = 0;
        Ok(())
    }

    fn fill(&mut self, length: u64) -> io::Result<()> {
        let padding = usize::try_from(length.wrapping_neg() % BLOCK as u64).unwrap_or(0);
        self.inner.write_all(&[0; BLOCK][..padding])
    }

    fn header(
        &mut self,
        mut header: [u8; BLOCK],
        letter: u8,
        mode: u32,
        (uid, gid): (u32, u32),
        size: u64,
        seconds: u64,
    ) -> io::Result<()> {
        number(&mut header, field::MODE, mode.into());
        number(&mut header, field::UID, uid.into());
        number(&mut header, field::GID, gid.into());
        number(&mut header, field::SIZE, size);
        number(&mut header, field::MTIME, seconds);
        header[field::TYPE] = letter;
        let (at, length) = field::MAGIC;
        header[at..at + length].copy_from_slice(b"ustar\x0000");
        let (at, length) = field::CHECKSUM;
        header[at..at + length].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[at..at + length].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.inner.write_all(&header)
    }
}

/// What the header can't hold.
fn records(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    let binary = |bytes: &[u8]| std::str::from_utf8(bytes).is_err();
    let long = |bytes: &[u8]| bytes.len() > field::NAME.1;
    if long(&entry.path) && binary(&entry.path) || long(&entry.link) && binary(&entry.link) {
        pax::write(&mut out, b"hdrcharset", b"BINARY");
    }
    if long(&entry.path) {
        pax::write(&mut out, b"path", &entry.path);
    }
    if long(&entry.link) {
        pax::write(&mut out, b"linkpath", &entry.link);
    }
    for (key, value, width) in [
        (&b"size"[..], entry.size, field::SIZE.1),
        (b"uid", entry.uid.into(), field::UID.1),
        (b"gid", entry.gid.into(), field::GID.1),
    ] {
        if !fits(value, width) {
            pax::write(&mut out, key, value.to_string().as_bytes());
        }
    }
    let time = entry.modified;
    if time.nanoseconds > 0 || !u64::try_from(time.seconds).is_ok_and(|seconds| fits(seconds, field::MTIME.1))
    {
        pax::write(&mut out, b"mtime", pax::time_text(time).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        pax::write(&mut out, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    out
}

fn fits(value: u64, width: usize) -> bool {
    value < 1 << (3 * (width - 1))
}

/// Text in its field, cut where it is longer: then a PAX record has all of it.
fn text(header: &mut [u8; BLOCK], (at, length): (usize, usize), bytes: &[u8]) {
    let length = length.min(bytes.len());
    header[at..at + length].copy_from_slice(&bytes[..length]);
}

/// Octal digits and a NUL; zero where it doesn't fit and a PAX record has it.
fn number(header: &mut [u8; BLOCK], (at, length): (usize, usize), value: u64) {
    let value = if fits(value, length) { value } else { 0 };
    let digits = format!("{value:0width$o}\0", width = length - 1);
    header[at..at + length].copy_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::entry::Time;
    use super::super::reader::Reader;
    use super::*;

    fn entry(path: &[u8], kind: Kind, size: u64) -> Entry {
        let modified = Time { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
        Entry {
            path: path.to_vec(),
            kind,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            modified,
            size,
            link: vec![],
            xattrs: vec![],
        }
    }

    #[test]
    fn ch04_what_is_written_is_read() {
        let long = [b"d/".repeat(200), b"\xff\xfe".to_vec()].concat();
        let mut entries = vec![
            entry(b"plain", Kind::File, 3),
            entry(&long, Kind::File, 0),
            entry(b"dir/", Kind::Directory, 0),
            Entry { link: vec![b'x'; 300], ..entry(b"ln", Kind::Symlink, 0) },
            entry(b"null", Kind::CharDevice(1, 3), 0),
            Entry { uid: 4_000_000_000, ..entry(b"far", Kind::Fifo, 0) },
        ];
        entries[0].xattrs = vec![(b"user.a".to_vec(), b"\0\xff=\n".to_vec())];
        entries[2].modified = Time { seconds: -2, nanoseconds: 750_000_000 };
        let mut writer = Writer::new(Vec::new());
        for entry in &entries {
            writer.entry(entry).unwrap();
            writer.content(&b"abc"[..usize::try_from(entry.size).unwrap()]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let mut reader = Reader::new(bytes.as_slice());
        for entry in &entries {
            assert_eq!(reader.next_entry().unwrap().as_ref(), Some(entry));
        }
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn ch04_an_end_inside_content_is_refused_and_a_missing_end_is_not() {
        let mut writer = Writer::new(Vec::new());
        writer.entry(&entry(b"a", Kind::File, 600)).unwrap();
        writer.content(&[7; 600]).unwrap();
        let whole = writer.finish().unwrap();
        let all = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            while reader.next_entry()?.is_some() {}
            anyhow::Ok(())
        };
        let begin = whole.len() - 1024 - 1024; // the content with its padding, and the end
        let lengths = [(whole.len(), true), (begin + 600, true), (begin + 1024, true), (begin + 599, false)];
        for (length, good) in lengths.into_iter().chain([(begin - 100, false)]) {
            assert_eq!(all(&whole[..length]).is_ok(), good, "{length}");
        }
        let mut trailing = whole.clone();
        trailing.push(b'x');
        assert!(all(&trailing).is_err());
        let mut damaged = whole;
        damaged[0] ^= 1;
        assert!(all(&damaged).is_err());
    }
}
