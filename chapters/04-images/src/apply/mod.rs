//! A layer is applied: the entries of its tar become files beneath one directory, and what it deletes becomes what
//! overlayfs understands.
//!
//! Every name is resolved by the kernel, beneath the layer's root, without following a single symlink: `../`, an
//! absolute name, a symlink laid as a bridge all lead nowhere.
//!
//! # Layout
//! - [`tree`]: files made beneath a descriptor
//! - [`name`]: what an entry's name may be, and which names mean deletions
//! - [`attributes`]: owner, mode, attributes, times

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};

use crate::archive::entry::{Entry, Kind};
use crate::archive::reader::Reader;

pub mod attributes;
pub mod name;
pub mod tree;

use name::{Meaning, Name};
use tree::Tree;

/// What could not be made as the archive has it, and why that is no failure: for the person to read.
#[derive(Debug, Default)]
pub struct Notes(BTreeMap<&'static str, (usize, String)>);

impl Notes {
    /// One more of this kind.
    pub fn add(&mut self, what: &'static str, path: &[u8]) {
        let (count, _) =
            self.0.entry(what).or_insert_with(|| (0, String::from_utf8_lossy(path).into_owned()));
        *count += 1;
    }

    /// Takes over another's.
    pub fn merge(&mut self, other: Self) {
        for (what, (count, first)) in other.0 {
            self.0.entry(what).or_insert((0, first)).0 += count;
        }
    }

    /// One line for each kind.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(what, (count, first))| {
            format!(
                "{what}: {first:?}{}",
                match count {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                }
            )
        })
    }
}

/// Unpacks a plain tar, that of a layer, beneath `root`.
///
/// # Errors
/// The archive is damaged, or says something that no layer may; the disk is full. What was begun is the caller's to
/// remove.
// ANCHOR: apply
pub fn apply(tar: impl Read, root: OwnedFd) -> Result<Notes> {
    each(tar, root, |reader, tree, name, entry| match name.meaning()? {
        Meaning::Opaque(folder) => tree.opaque(&folder),
        Meaning::Whiteout(gone) => tree.whiteout(&gone),
        Meaning::Ignored => {
            tree.notes.add("left out: bookkeeping of another storage", &entry.path);
            Ok(())
        }
        Meaning::File => make(reader, tree, name, entry),
    })
}

/// What an entry says, made.
///
/// # Errors
/// It may not be there, or the disk is full.
pub fn make(reader: &mut Reader<impl Read>, tree: &mut Tree, name: &Name, entry: &Entry) -> Result<()> {
    match entry.kind {
        Kind::Directory => tree.directory(name, entry),
        Kind::File => tree.file(name, entry, |buffer| reader.read_content(buffer)),
        Kind::HardLink => tree.hard_link(name, &Name::of(&entry.link)?),
        Kind::Symlink => tree.symlink(name, entry),
        Kind::CharDevice(0, 0) => {
            bail!("a device 0:0: for overlayfs that is a deleted file, and no archive may bring one in")
        }
        Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Fifo => tree.node(name, entry),
    }
}
// ANCHOR_END: apply

/// Goes through a plain tar, and lets `one` do what is to be done for each entry beneath `root`. The reader isn't read
/// further than the end of the archive needs.
///
/// # Errors
/// The archive is damaged; `one` failed, and on which entry.
pub fn each<R: Read>(
    tar: R,
    root: OwnedFd,
    mut one: impl FnMut(&mut Reader<R>, &mut Tree, &Name, &Entry) -> Result<()>,
) -> Result<Notes> {
    let mut reader = Reader::new(tar);
    let mut tree = Tree::new(root);
    while let Some(entry) = reader.next_entry()? {
        Name::of(&entry.path)
            .and_then(|name| one(&mut reader, &mut tree, &name, &entry))
            .with_context(|| format!("entry {:?}", String::from_utf8_lossy(&entry.path)))?;
    }
    tree.finish()
}
