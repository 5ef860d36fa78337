//! A tar, read once from front to back. What it says is not believed: sizes are bounds, never allocations.

use std::io::{self, Read};

use anyhow::{Context, Result, bail};

use super::BLOCK;
use super::entry::{Entry, Kind, Time};
use super::header::{Header, field};
use super::pax::Records;
use super::sparse::{self, Holes, Said};

/// The longest name, link or set of records before one entry, bytes. Linux takes names of 4096, xattrs of 64 KiB.
const LONGEST_EXTRA: u64 = 1 << 20;

/// A tar archive, entry by entry.
pub struct Reader<R> {
    inner: R,
    /// Of the present entry's content, what hasn't been read yet.
    content: u64,
    /// Zero bytes after it, up to a whole block.
    padding: u64,
    /// Where the present entry's content has holes.
    holes: Option<Holes>,
    /// What global PAX records said: it holds for all that follow.
    global: Records,
}

impl<R: Read> Reader<R> {
    /// Reads from here.
    pub fn new(inner: R) -> Self {
        Self { inner, content: 0, padding: 0, holes: None, global: Records::default() }
    }

    /// The next entry; what is left of the present one's content is skipped. None at the end, behind which nothing
    /// but zeroes may come.
    ///
    /// # Errors
    /// It ends inside an entry, or says what no tar says.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut records = self.global.clone();
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else {
                self.nothing_but_zeroes()?;
                return Ok(None);
            };
            let size = u64::try_from(header.number(field::SIZE)?).ok().context("a file of negative size")?;
            match header.letter() {
                b'x' => {
                    let extra = self.extra(size)?;
                    records.read(&extra)?;
                }
                b'g' => {
                    let extra = self.extra(size)?;
                    self.global.read(&extra)?;
                    records.read(&extra)?;
                }
                b'L' => records.path = Some(text(self.extra(size)?)),
                b'K' => records.link = Some(text(self.extra(size)?)),
                _ => return self.entry(&header, size, records).map(Some),
            }
        }
    }

    fn entry(&mut self, header: &Header, size: u64, mut records: Records) -> Result<Entry> {
        let path = records.path.take().unwrap_or_else(|| header.path());
        let path = records.sparse.name.take().unwrap_or(path);
        let shown = String::from_utf8_lossy(&path).into_owned();
        let device = || -> Result<(u32, u32)> {
            Ok((header.number(field::MAJOR)?.try_into()?, header.number(field::MINOR)?.try_into()?))
        };
        let kind = match header.letter() {
            // Before there were directories' letters, a slash at the end said it.
            b'0' | 0 if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
            b'4' => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => {
                records.sparse = sparse::old_map(&header.0, &mut self.inner)?;
                Kind::File
            }
            other => bail!("{shown:?} is of a type that isn't known: {:?}", char::from(other)),
        };
        if path.contains(&0) {
            bail!("{shown:?} has a NUL byte in its name");
        }
        let size = records.size.unwrap_or(size);
        // Only files have content; old writers gave hard links a size all the same.
        let size = if kind == Kind::File { size } else { 0 };
        self.content = size;
        self.padding = padding(size);
        let size = self.with_holes(kind, size, records.sparse).with_context(|| shown.clone())?;
        let id = |record: Option<u32>, at| -> Result<u32> {
            match record {
                Some(id) => Ok(id),
                None => Ok(header.number(at)?.try_into()?),
            }
        };
        Ok(Entry {
            kind,
            mode: u32::try_from(header.number(field::MODE)? & 0o7777)?,
            uid: id(records.uid, field::UID).with_context(|| format!("owner of {shown:?}"))?,
            gid: id(records.gid, field::GID).with_context(|| format!("group of {shown:?}"))?,
            modified: match records.modified {
                Some(time) => time,
                None => Time { seconds: header.number(field::MTIME)?, nanoseconds: 0 },
            },
            size,
            link: records.link.unwrap_or_else(|| header.text(field::LINK).to_vec()),
            xattrs: records.xattrs,
            path,
        })
    }

    /// The length of the present entry's content as it is meant, the holes with it.
    fn with_holes(&mut self, kind: Kind, stored: u64, mut said: Said) -> Result<u64> {
        self.holes = None;
        if kind != Kind::File || !said.is_sparse() {
            return Ok(stored);
        }
        if said.map_is_in_content {
            self.content -= sparse::map_before(&mut said, &mut self.inner, stored)?;
        }
        let holes = Holes::new(said, self.content)?;
        let length = holes.length();
        self.holes = Some(holes);
        Ok(length)
    }

    /// Reads on from the content of the present entry; 0 at its end.
    ///
    /// # Errors
    /// The archive ends inside it.
    pub fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut holes) = self.holes.take() else { return self.read_stored(buffer) };
        let read = holes.read(buffer, |part| self.read_stored(part));
        self.holes = Some(holes);
        read
    }

    fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let length = self.inner.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends inside a file's content: it is truncated",
            ));
        }
        self.content -= length as u64;
        Ok(length)
    }

    /// The reader behind this one.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn skip_content(&mut self) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        while self.read_stored(&mut buffer)? > 0 {}
        while self.padding > 0 {
            let most = buffer.len().min(usize::try_from(self.padding)?);
            match self.inner.read(&mut buffer[..most])? {
                // umoci 0.4.7 leaves out the last file's padding and the end; the content was whole.
                0 => self.padding = 0,
                length => self.padding -= length as u64,
            }
        }
        Ok(())
    }

    /// The next header; none at the end, with the two zero blocks that should be there or without.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut bytes = [0; BLOCK];
        let mut have = 0;
        while have < BLOCK {
            match self.inner.read(&mut bytes[have..])? {
                0 if have == 0 => return Ok(None),
                0 => bail!("the archive ends inside a header: it is truncated"),
                length => have += length,
            }
        }
        Header::parse(bytes)
    }

    fn extra(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > LONGEST_EXTRA {
            bail!("{size} bytes of names and attributes for one file; more than {LONGEST_EXTRA} are refused");
        }
        let mut bytes = Vec::new();
        let with_padding = size + padding(size);
        (&mut self.inner).take(with_padding).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != with_padding {
            bail!("the archive ends inside the name of a file: it is truncated");
        }
        bytes.truncate(usize::try_from(size)?);
        Ok(bytes)
    }

    /// What came after the end would be seen by some programs and not by others.
    fn nothing_but_zeroes(&mut self) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.inner.read(&mut buffer)? {
                0 => return Ok(()),
                length if buffer[..length].iter().all(|&byte| byte == 0) => {}
                _ => bail!("something comes after the end of the archive"),
            }
        }
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// GNU's long names end with a NUL.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    bytes
}
