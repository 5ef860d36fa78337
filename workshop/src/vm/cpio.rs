//! An archive as the kernel unpacks it at boot: cpio in its "newc" form (the kernel's documentation,
//! driver-api/early-userspace/buffer-format). Everything in it belongs to root, whoever builds it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes an archive; [`Archive::finish`] ends it.
pub struct Archive<W: Write> {
    out: W,
    number: u32,
}

// The kinds of inode(7).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

impl<W: Write> Archive<W> {
    /// An empty one.
    pub fn new(out: W) -> Self {
        Self { out, number: 0 }
    }

    /// A folder; those above it come first.
    ///
    /// # Errors
    /// The disk is full.
    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, FOLDER | 0o755, &[])
    }

    /// A file with this content.
    ///
    /// # Errors
    /// The disk is full.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(name, FILE | mode, content)
    }

    /// A file of this machine.
    ///
    /// # Errors
    /// It can't be read, or the disk is full.
    pub fn copy(&mut self, name: &str, mode: u32, from: &Path) -> io::Result<()> {
        self.file(name, mode, &fs::read(from)?)
    }

    /// The entry that says that nothing follows.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Thirteen numbers of eight hexadecimal digits after the magic; name and content each filled up to 4 bytes.
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| io::Error::other("a file of 4 GiB or more"))?;
        let length = u32::try_from(name.len() + 1).map_err(|_| io::Error::other("a name of 4 GiB"))?;
        let number = if mode == 0 { 0 } else { self.number + 1 };
        self.number = number;
        let links = 1;
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields = [number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, length, 0];
        write!(self.out, "070701")?;
        fields.iter().try_for_each(|field| write!(self.out, "{field:08X}"))?;
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&[0])?;
        self.fill(6 + 13 * 8 + name.len() + 1)?;
        self.out.write_all(content)?;
        self.fill(content.len())
    }

    fn fill(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_the_form_that_the_kernel_reads() {
        let mut archive = Archive::new(Vec::new());
        archive.folder("bin").unwrap();
        archive.file("bin/x", 0o755, b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("070701").count(), 3);
        assert!(text.contains("000081ED"), "a regular file, 755: {text}");
        // 110 bytes of header and `bin\0` are 114, filled up to 116.
        assert_eq!(&bytes[116..122], b"070701");
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }
}
