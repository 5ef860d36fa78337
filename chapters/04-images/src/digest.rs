//! A content's name is computed from the content: `sha256:` and 64 hexadecimal digits. OCI image spec, descriptor.md.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes. Of a stored blob it is the blob's *digest*, of a layer's plain tar its *diff_id*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 digits alone: the blob's name in `blobs/sha256`.
    #[must_use]
    pub fn hex(&self) -> String {
        // Every start writes some hundreds of these, so not by way of a format for each byte.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(64);
        for digit in self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            hex.push(char::from(DIGITS[usize::from(digit)]));
        }
        hex
    }

    /// The first twelve digits, enough to tell images apart by eye.
    #[must_use]
    pub fn short(&self) -> String {
        self.hex()[..12].into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = String;

    /// Lower case only, as the specification has it: two spellings of one digest would be two file names.
    fn from_str(text: &str) -> Result<Self, String> {
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| format!("{text:?} is no digest (sha256:...)"))?;
        if algorithm != "sha256" {
            return Err(format!("digest {text:?}: only sha256 is known here"));
        }
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 64 || !hex.as_bytes().iter().all(digit) {
            return Err(format!("digest {text:?}: after sha256: come 64 digits 0-9a-f"));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        Ok(Self(bytes))
    }
}

/// Counts and hashes whatever passes through, in either direction.
pub struct Hashing<T> {
    inner: T,
    hash: Sha256,
    /// How many bytes have passed.
    pub passed: u64,
}

impl<T> Hashing<T> {
    /// Around a reader or a writer.
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), passed: 0 }
    }

    /// The digest of what has passed, and the reader or writer back.
    pub fn finish(self) -> (Digest, u64, T) {
        (Digest(self.hash.finalize().into()), self.passed, self.inner)
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.passed += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.pass(&buffer[..length]);
        Ok(length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.pass(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn ch04_digest_is_sha256_and_comes_back_from_text() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn ch04_digest_has_one_spelling_only() {
        for wrong in [&EMPTY.to_uppercase(), &EMPTY[..70], "sha512:00", "", "sha256:../../../../etc/passwd"] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ch04_hashing_counts_what_passes() {
        let mut through = Hashing::new(Vec::new());
        through.write_all(b"abc").unwrap();
        let (digest, passed, inner) = through.finish();
        assert_eq!((digest, passed, inner), (Digest::of(b"abc"), 3, b"abc".to_vec()));
    }
}
