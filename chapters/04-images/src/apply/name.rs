//! Names in an archive, taken apart: nothing but plain parts is left of them. Which of them mean deletions is in the
//! OCI image spec, layer.md, "Whiteouts".

use anyhow::{Result, bail};

/// A name beneath the layer's root; the root itself has no parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<Vec<u8>>);

/// What an entry with this name wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A file of its own.
    File,
    /// This file of the layers below is gone.
    Whiteout(Name),
    /// Nothing of the layers below is left in this folder.
    Opaque(Name),
    /// What AUFS kept for itself, in layers from long ago.
    Ignored,
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl Name {
    /// Takes `./a//b/` as `a/b`; an absolute name begins at the layer's root.
    ///
    /// # Errors
    /// `..` in it.
    pub fn of(path: &[u8]) -> Result<Self> {
        let mut parts = Vec::new();
        for part in path.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    bail!("a name with .. in it: whoever packed this wanted to write outside of the layer")
                }
                part if part.len() > 255 => {
                    bail!("a part of a name has {} bytes; Linux takes 255", part.len())
                }
                part => parts.push(part.to_vec()),
            }
        }
        Ok(Self(parts))
    }

    /// Whether it is the layer's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole of it, `a/b`; `.` for the root.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        if self.is_root() { b".".to_vec() } else { self.0.join(&b'/') }
    }

    /// The folder that it is in.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// The last part.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        self.0.last().map_or(b".", Vec::as_slice)
    }

    /// The folder above it, and that one's, from the top.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }

    /// What it stands for.
    ///
    /// # Errors
    /// A whiteout that names nothing, its own folder or the one above, or a file beneath a whiteout.
    pub fn meaning(&self) -> Result<Meaning> {
        if self.parent().0.iter().any(|part| part.starts_with(WHITEOUT)) {
            bail!(
                "a folder whose name begins with .wh.: such names are for deletions, and those have no files in them"
            );
        }
        let last = self.last();
        let Some(gone) = last.strip_prefix(WHITEOUT) else { return Ok(Meaning::File) };
        if last == OPAQUE {
            return Ok(Meaning::Opaque(self.parent()));
        }
        if matches!(gone, b"" | b"." | b"..") {
            bail!("a deletion of {:?}: that names no file of this folder", String::from_utf8_lossy(gone));
        }
        if gone.starts_with(WHITEOUT) {
            return Ok(Meaning::Ignored);
        }
        let mut name = self.parent();
        name.0.push(gone.to_vec());
        Ok(Meaning::Whiteout(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(path: &str) -> Result<Meaning> {
        Name::of(path.as_bytes())?.meaning()
    }

    #[test]
    fn ch04_names_stay_beneath_the_root() {
        assert_eq!(Name::of(b"/./a//b/").unwrap().path(), b"a/b");
        assert!(Name::of(b"./").unwrap().is_root());
        for wrong in ["../a", "a/../b", "a/..", "/..", &"x".repeat(256)] {
            assert!(Name::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ch04_whiteouts_name_a_file_of_their_folder() {
        assert_eq!(meaning("a/.wh.b").unwrap(), Meaning::Whiteout(Name::of(b"a/b").unwrap()));
        assert_eq!(meaning("a/.wh..wh..opq").unwrap(), Meaning::Opaque(Name::of(b"a").unwrap()));
        assert_eq!(meaning(".wh..wh.plnk").unwrap(), Meaning::Ignored);
        assert_eq!(meaning("a/.who").unwrap(), Meaning::File);
        for wrong in ["a/.wh.", "a/.wh..", "a/.wh...", ".wh.a/b"] {
            assert!(meaning(wrong).is_err(), "{wrong}");
        }
    }
}
