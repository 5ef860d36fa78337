//! How a stream is compressed, known by its media type or by its first bytes, and how much may come out of it.

use std::io::{self, BufRead, Read};

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

/// The ways that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, RFC 1952; layers of most images.
    Gzip,
    /// zstd, RFC 8878.
    Zstd,
    /// xz; root file systems to import, never layers.
    Xz,
}

/// How gzip is written: what zlib calls 6. With the pinned crate the same tar has the same blob everywhere.
pub const LEVEL: flate2::Compression = flate2::Compression::new(6);
/// A zstd frame may ask for a window of 2^25 bytes (32 MiB) at most: `zstd -19` uses 8 MiB, `--ultra -22` 128.
const ZSTD_WINDOW: u32 = 25;
/// More than this comes out of no byte of honest gzip (RFC 1951: 258 bytes from two bits).
const MOST_FROM_ONE: u64 = 1032;
/// Small blobs may be of anything.
const ALWAYS: u64 = 16 << 20;

impl Compression {
    /// By a layer's media type.
    ///
    /// # Errors
    /// It is no layer that is known: an encrypted one, a foreign one of Windows.
    pub fn of_media_type(text: &str) -> Result<Self> {
        Ok(match text {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Self::Plain
            }
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Self::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Zstd,
            other => bail!("a layer of media type {other}: tar, tar+gzip and tar+zstd are known here"),
        })
    }

    /// By the first bytes. A tar has none that stand for it: what is nothing else is taken for one.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }

    /// The plain stream.
    ///
    /// # Errors
    /// The decompressor can't be made.
    pub fn plain<'r>(self, from: impl BufRead + 'r) -> Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Self::Plain => Box::new(from),
            Self::Gzip => Box::new(MultiGzDecoder::new(from)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(from).context("zstd")?;
                decoder.window_log_max(ZSTD_WINDOW).context("zstd")?;
                Box::new(decoder)
            }
            Self::Xz => Box::new(XzReader::new(from, true)),
        })
    }

    /// The plain stream of a blob of `size` bytes, with an end to what may come out: a bomb is refused before it has
    /// filled the disk.
    ///
    /// # Errors
    /// As [`Compression::plain`].
    pub fn bounded<'r>(self, from: impl BufRead + 'r, size: u64) -> Result<Box<dyn Read + 'r>> {
        let left = size.saturating_mul(MOST_FROM_ONE).max(ALWAYS);
        Ok(Box::new(Bounded { inner: self.plain(from)?, left }))
    }
}

struct Bounded<'r> {
    inner: Box<dyn Read + 'r>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| {
            io::Error::other("more comes out of this blob than a blob of its size can honestly hold: a bomb")
        })?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_a_bomb_ends_at_its_bound() {
        let bomb = zstd::encode_all(io::repeat(0).take(64 << 20), 3).unwrap();
        let size = bomb.len() as u64;
        let mut plain = Compression::sniff(&bomb).bounded(bomb.as_slice(), size).unwrap();
        let error = io::copy(&mut plain, &mut io::sink()).unwrap_err();
        assert!(error.to_string().ends_with("a bomb"), "{error}");
    }

    #[test]
    fn ch04_layers_are_known_by_their_media_type() {
        assert!(Compression::of_media_type("application/vnd.oci.image.layer.v1.tar+gzip").is_ok());
        assert!(Compression::of_media_type("application/vnd.oci.image.layer.v1.tar+gzip+encrypted").is_err());
        assert!(
            Compression::of_media_type("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").is_err()
        );
    }
}
