//! A tar header: 512 bytes, numbers as octal text. POSIX pax(1), "ustar Interchange Format"; tar(5) for GNU's additions.

use anyhow::{Result, bail};

use super::BLOCK;

/// Where each field is: its first byte and its length.
pub mod field {
    #![allow(missing_docs)]
    pub const NAME: (usize, usize) = (0, 100);
    pub const MODE: (usize, usize) = (100, 8);
    pub const UID: (usize, usize) = (108, 8);
    pub const GID: (usize, usize) = (116, 8);
    pub const SIZE: (usize, usize) = (124, 12);
    pub const MTIME: (usize, usize) = (136, 12);
    pub const CHECKSUM: (usize, usize) = (148, 8);
    pub const TYPE: usize = 156;
    pub const LINK: (usize, usize) = (157, 100);
    pub const MAGIC: (usize, usize) = (257, 8);
    pub const MAJOR: (usize, usize) = (329, 8);
    pub const MINOR: (usize, usize) = (337, 8);
    pub const PREFIX: (usize, usize) = (345, 155);
}

/// One header, its checksum verified.
#[derive(Debug, Clone)]
pub struct Header(pub [u8; BLOCK]);

impl Header {
    /// The header in these bytes; nothing where they are all zero, which ends an archive.
    ///
    /// # Errors
    /// The checksum is another: this is no tar, or a damaged one.
    pub fn parse(bytes: [u8; BLOCK]) -> Result<Option<Self>> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Self(bytes);
        let claimed = header.number(field::CHECKSUM)?;
        // The field itself counts as spaces. Some old programs summed signed bytes.
        let (at, length) = field::CHECKSUM;
        let outside = |i: &usize| *i < at || *i >= at + length;
        let spaces = 32 * length as i64;
        let unsigned: i64 = (0..BLOCK).filter(outside).map(|i| i64::from(bytes[i])).sum::<i64>() + spaces;
        let signed: i64 =
            (0..BLOCK).filter(outside).map(|i| i64::from(bytes[i].cast_signed())).sum::<i64>() + spaces;
        if claimed != unsigned && claimed != signed {
            bail!("a header's checksum is wrong: this is no tar archive, or a damaged one");
        }
        Ok(Some(header))
    }

    /// A text field: up to its first NUL.
    #[must_use]
    pub fn text(&self, (at, length): (usize, usize)) -> &[u8] {
        let bytes = &self.0[at..at + length];
        &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(length)]
    }

    /// A number: octal digits, or (its first bit set) the bytes themselves.
    ///
    /// # Errors
    /// Neither, or it doesn't fit.
    pub fn number(&self, (at, length): (usize, usize)) -> Result<i64> {
        let bytes = &self.0[at..at + length];
        if bytes[0] & 0x80 != 0 {
            let negative = bytes[0] & 0x40 != 0;
            let first = i128::from(bytes[0] & 0x3f) - if negative { 0x40 } else { 0 };
            let value = bytes[1..]
                .iter()
                .try_fold(first, |value, &byte| value.checked_mul(256)?.checked_add(byte.into()));
            return match value.and_then(|value| i64::try_from(value).ok()) {
                Some(value) => Ok(value),
                None => bail!("a number in a header is larger than any can be"),
            };
        }
        let text: Vec<u8> = { bytes.iter() }
            .copied()
            .skip_while(|&byte| byte == b' ')
            .take_while(|&byte| byte != 0 && byte != b' ')
            .collect();
        let mut value = 0_i64;
        for digit in text {
            if !(b'0'..=b'7').contains(&digit) {
                bail!(
                    "a number in a header has {:?} in it: no tar archive, or a damaged one",
                    char::from(digit)
                );
            }
            value = value * 8 + i64::from(digit - b'0'); // at most 12 digits: 36 bits
        }
        Ok(value)
    }

    /// The type's letter.
    #[must_use]
    pub fn letter(&self) -> u8 {
        self.0[field::TYPE]
    }

    /// The name, with ustar's prefix in front.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let (name, prefix) = (self.text(field::NAME), self.text(field::PREFIX));
        // GNU tar keeps times where ustar has the prefix, and says so by its magic.
        if self.text(field::MAGIC) == b"ustar" && !prefix.is_empty() {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        }
    }
}
