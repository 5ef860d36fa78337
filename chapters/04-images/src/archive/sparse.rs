//! Files with holes in GNU tar's own forms: the archive stores the pieces that have content, and a map of where they go.
//! tar manual, Storing Sparse Files: the old form (type `S`), and the PAX forms 0.0, 0.1 and 1.0.

use std::io::{self, Read};

use anyhow::{Context, Result, bail};

use super::BLOCK;

/// More pieces than this are an attack: each costs memory before a single byte of content has come.
const MOST_PIECES: usize = 100_000;
/// A file that is larger than this, bytes, is made of nothing but holes, and writing those takes for ever.
const LARGEST: u64 = 64 << 30;

/// What PAX records said about holes.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The file's name: the entry's own is a made up one.
    pub name: Option<Vec<u8>>,
    /// Its length with the holes, bytes.
    pub length: Option<u64>,
    /// Where the pieces go: offset and length, bytes.
    pub map: Vec<(u64, u64)>,
    /// The form 1.0: the map stands before the content.
    pub map_is_in_content: bool,
    offset: Option<u64>,
}

impl Said {
    /// Whether anything was said.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.length.is_some() || self.map_is_in_content
    }

    /// Takes over one record, `key` without `GNU.sparse.`
    ///
    /// # Errors
    /// It has no form, or is of a version that isn't known.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.length = Some(number(value)?),
            b"major" if value == b"1" => self.map_is_in_content = true,
            b"major" | b"minor" if value == b"0" => {}
            b"offset" => self.offset = Some(number(value)?),
            b"numbytes" => {
                let offset = self.offset.take().context("a sparse file's piece without an offset")?;
                self.push(offset, number(value)?)?;
            }
            b"map" => {
                let numbers = value.split(|&byte| byte == b',').map(number).collect::<Result<Vec<_>>>()?;
                for pair in numbers.chunks(2) {
                    let [offset, length] = pair else { bail!("a sparse file's map of an odd length") };
                    self.push(*offset, *length)?;
                }
            }
            b"numblocks" => {}
            _ => bail!("a sparse file of a form that isn't known: {:?}", String::from_utf8_lossy(key)),
        }
        Ok(())
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<()> {
        if self.map.len() >= MOST_PIECES {
            bail!("a sparse file of more than {MOST_PIECES} pieces");
        }
        self.map.push((offset, length));
        Ok(())
    }
}

/// The map of the old form: four pieces in the header, and 21 in each block after it, as long as there are more. Where each
/// piece stands in a header: gnu tar, `struct oldgnu_header`, `struct sparse_header`.
///
/// # Errors
/// The archive ends in it, or a number isn't one.
pub fn old_map(header: &[u8; BLOCK], inner: &mut impl Read) -> Result<Said> {
    let mut said = Said { length: Some(field(&header[483..495])?), ..Said::default() };
    pieces(&mut said, &header[386..482])?;
    let mut more = header[482] != 0;
    while more {
        let mut block = [0; BLOCK];
        inner.read_exact(&mut block).context("the archive ends inside a sparse file's map")?;
        pieces(&mut said, &block[..504])?;
        more = block[504] != 0;
    }
    Ok(said)
}

fn pieces(said: &mut Said, bytes: &[u8]) -> Result<()> {
    for piece in bytes.chunks_exact(24).take_while(|piece| piece[0] != 0) {
        said.push(field(&piece[..12])?, field(&piece[12..])?)?;
    }
    Ok(())
}

/// Octal, or (its first bit set) binary.
fn field(bytes: &[u8]) -> Result<u64> {
    if bytes[0] & 0x80 != 0 {
        let first = u64::from(bytes[0] & 0x7f);
        let number =
            bytes[1..].iter().try_fold(first, |sum, &byte| sum.checked_mul(256)?.checked_add(byte.into()));
        return number.context("a number in a sparse file's map that is too large");
    }
    let text: String = bytes.iter().take_while(|byte| **byte != 0).map(|&byte| char::from(byte)).collect();
    u64::from_str_radix(text.trim(), 8).context("a number in a sparse file's map")
}

/// The map of the form 1.0: decimal numbers, a line each, how many pieces first; filled up to a whole block. Returns how
/// many bytes of the content it took.
///
/// # Errors
/// The content ends in it, or it isn't one.
pub fn map_before(said: &mut Said, content: &mut impl Read, mut left: u64) -> Result<u64> {
    let mut taken = 0;
    let mut text = Vec::new();
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.first().is_none_or(|count| numbers.len() as u64 <= count.saturating_mul(2)) {
        let mut block = [0; BLOCK];
        if left < BLOCK as u64 {
            bail!("a sparse file's content ends inside its map");
        }
        content.read_exact(&mut block).context("the archive ends inside a sparse file's map")?;
        (taken, left) = (taken + BLOCK as u64, left - BLOCK as u64);
        for byte in block {
            match byte {
                b'\n' => numbers.push(number(&std::mem::take(&mut text))?),
                0 => {}
                digit if text.len() < 20 => text.push(digit),
                _ => bail!("a number in a sparse file's map that is too long"),
            }
        }
        if numbers.first().is_some_and(|count| *count > MOST_PIECES as u64) {
            bail!("a sparse file of more than {MOST_PIECES} pieces");
        }
    }
    let count = usize::try_from(numbers[0])?;
    for pair in numbers[1..].chunks_exact(2).take(count) {
        said.push(pair[0], pair[1])?;
    }
    Ok(taken)
}

fn number(text: &[u8]) -> Result<u64> {
    let shown = || format!("a sparse file's number {:?}", String::from_utf8_lossy(text));
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).with_context(shown)
}

/// A file's content as it is meant: zeroes where the archive has nothing.
#[derive(Debug)]
pub struct Holes {
    pieces: Vec<(u64, u64)>,
    length: u64,
    at: u64,
    next: usize,
}

impl Holes {
    /// The pieces in their order, none over another, none behind the end, and together what is `stored`.
    ///
    /// # Errors
    /// They aren't.
    pub fn new(said: Said, stored: u64) -> Result<Self> {
        let length = said.length.context("a sparse file without a length")?;
        if length > LARGEST {
            bail!("a sparse file of {length} bytes; more than {LARGEST} are refused");
        }
        let mut end = 0;
        let mut sum: u64 = 0;
        for (offset, piece) in &said.map {
            let after = offset.checked_add(*piece).filter(|after| *offset >= end && *after <= length);
            end = after.context("a sparse file's pieces lie over each other, or behind its end")?;
            sum += piece; // no more than the length
        }
        if sum != stored {
            bail!("a sparse file's pieces have {sum} bytes, and {stored} are stored");
        }
        let pieces = said.map.into_iter().filter(|(_, length)| *length > 0).collect();
        Ok(Self { pieces, length, at: 0, next: 0 })
    }

    /// With the holes, bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads on; what is stored comes from `stored`.
    ///
    /// # Errors
    /// As `stored`.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        stored: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let most = |bytes: u64| buffer_length(buffer.len(), bytes);
        let read = match self.pieces.get(self.next) {
            Some((offset, _)) if self.at < *offset => {
                zeroes(buffer, buffer_length(buffer.len(), offset - self.at))
            }
            Some((offset, length)) => {
                let end = offset + length;
                let most = most(end - self.at);
                let read = stored(&mut buffer[..most])?;
                if self.at + read as u64 == end {
                    self.next += 1;
                }
                read
            }
            None => {
                let most = most(self.length - self.at);
                zeroes(buffer, most)
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

fn buffer_length(buffer: usize, bytes: u64) -> usize {
    buffer.min(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn zeroes(buffer: &mut [u8], length: usize) -> usize {
    buffer[..length].fill(0);
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(length: u64, map: &[(u64, u64)]) -> Said {
        Said { length: Some(length), map: map.to_vec(), ..Said::default() }
    }

    #[test]
    fn ch04_holes_are_zeroes_between_the_pieces() {
        let mut holes = Holes::new(said(10, &[(2, 3), (7, 1), (10, 0)]), 4).unwrap();
        let mut content: &[u8] = b"abcd";
        let mut all = Vec::new();
        let mut buffer = [9; 4];
        loop {
            match holes.read(&mut buffer, |part| content.read(part)).unwrap() {
                0 => break,
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
        assert_eq!(all, b"\0\0abc\0\0d\0\0");
    }

    #[test]
    fn ch04_a_map_that_lies_is_refused() {
        for (length, map, stored) in [
            (10, vec![(2, 3), (4, 1)], 4),      // over each other
            (10, vec![(7, 1), (2, 3)], 4),      // out of order
            (10, vec![(8, 3)], 3),              // behind the end
            (10, vec![(2, 3)], 4),              // not what is stored
            (u64::MAX, vec![(u64::MAX, 1)], 1), // more than there are numbers
            (1 << 60, vec![], 0),               // holes for ever
        ] {
            assert!(Holes::new(said(length, &map), stored).is_err(), "{map:?}");
        }
    }
}
