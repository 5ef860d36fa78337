//! An image of one layer, from a root file system: a tar in any compression, a directory, or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::image::{Arch, Config, Descriptor, ImageConfigurationBuilder, Os};

use crate::archive::compression::Compression;
use crate::archive::entry::{Entry, Kind, Time};
use crate::archive::reader::Reader;
use crate::archive::writer::Writer;
use crate::build::{self, LayerWriter, Stored};
use crate::change;
use crate::pack::{As, pack};
use crate::progress::Work;
use crate::reference::Reference;
use crate::store::Store;

/// What is said about the new image.
#[derive(Debug, Default)]
pub struct About<'a> {
    /// The Dockerfile's words.
    pub changes: &'a [String],
    /// For the history.
    pub message: Option<&'a str>,
    /// Who made it.
    pub author: Option<&'a str>,
}

/// Stores the image and names it. Returns its manifest's descriptor and what no tar can hold.
///
/// # Errors
/// The source is no tar and no directory, or a damaged one; the disk is full.
pub fn import(
    store: &Store,
    source: &Path,
    name: &Reference,
    about: &About<'_>,
) -> Result<(Descriptor, Vec<Vec<u8>>)> {
    if name.digest.is_some() {
        bail!("{name}: the digest comes of the content; write NAME[:TAG]");
    }
    let mut config = Config::default();
    for change in about.changes {
        change::apply(&mut config, change).map_err(|why| anyhow::anyhow!(why))?;
    }
    let _lease = store.lease()?;
    let (layer, left_out) = layer(store, source)?;
    // Not where it came from: that differs from machine to machine.
    let manifest = assembled(store, config, about, &[(layer, format!("import {name}"))])?;
    store.name(name, &manifest)?;
    Ok((manifest, left_out))
}

/// Chapter 01's base as an image of two layers: the system, and on top of it what marks the image as this one.
///
/// # Errors
/// The base can't be made, or the disk is full.
pub fn base(store: &Store, name: &Reference) -> Result<Descriptor> {
    let folder = ch01_chroot::base::ensure_default()?;
    let mut config = Config::default();
    for change in ["CMD [\"sh\"]", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] {
        change::apply(&mut config, change).map_err(|why| anyhow::anyhow!(why))?;
    }
    let _lease = store.lease()?;
    let (system, _) = layer(store, &folder)?;
    let mut mark = LayerWriter::new(store)?;
    let mut writer = Writer::new(&mut mark);
    let text = b"This system was a folder; now it is the mould of as many as you like.\n";
    writer.entry(&plain_entry(b"etc/", Kind::Directory, 0))?;
    writer.entry(&plain_entry(b"etc/motd", Kind::File, text.len() as u64))?;
    writer.content(text)?;
    writer.finish()?;
    let layers = [(system, "the base of chapter 01".to_string()), (mark.keep()?, "etc/motd".to_string())];
    let manifest = assembled(store, config, &About::default(), &layers)?;
    store.name(name, &manifest)?;
    Ok(manifest)
}

fn plain_entry(path: &[u8], kind: Kind, size: u64) -> Entry {
    let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let (link, xattrs) = (Vec::new(), Vec::new());
    Entry { path: path.to_vec(), kind, mode, uid: 0, gid: 0, modified: Time::default(), size, link, xattrs }
}

fn assembled(
    store: &Store,
    config: Config,
    about: &About<'_>,
    layers: &[(Stored, String)],
) -> Result<Descriptor> {
    let created = build::now()?;
    let history = layers.iter().map(|(_, by)| build::history(&created, by, about.message, about.author));
    let mut image = ImageConfigurationBuilder::default()
        .created(created.clone())
        .architecture(Arch::default())
        .os(Os::Linux)
        .config(config)
        .history(history.collect::<Result<Vec<_>>>()?);
    if let Some(author) = about.author {
        image = image.author(author);
    }
    let layers: Vec<_> = layers.iter().map(|(layer, _)| (layer.blob.clone(), layer.diff_id)).collect();
    build::image(store, image.build()?, &layers)
}

fn layer(store: &Store, source: &Path) -> Result<(Stored, Vec<Vec<u8>>)> {
    let what =
        || if source == Path::new("-") { "standard input".into() } else { source.display().to_string() };
    let file = opened(source).with_context(what)?;
    let seen = file.metadata()?;
    if seen.is_dir() {
        let work = Work::begin("packing", 0)?;
        let mut layer = LayerWriter::new(store)?;
        let left_out = pack(file.as_fd(), As::Tree, work.writing(&mut layer)).with_context(what)?;
        return Ok((layer.keep()?, left_out));
    }
    let work = Work::begin("importing", seen.len())?;
    let mut layer = LayerWriter::new(store)?;
    tar(BufReader::with_capacity(128 << 10, work.reading(file)), &mut layer).with_context(what)?;
    Ok((layer.keep()?, Vec::new()))
}

/// A file or folder of the host, or `-` for standard input.
///
/// # Errors
/// As the kernel says.
pub(crate) fn opened(source: &Path) -> io::Result<File> {
    if source == Path::new("-") {
        return Ok(io::stdin().as_fd().try_clone_to_owned()?.into());
    }
    File::open(source)
}

/// Takes a tar over byte for byte, once every entry of it has been understood.
fn tar(mut from: impl BufRead, layer: &mut LayerWriter<'_>) -> Result<()> {
    let compression = Compression::sniff(from.fill_buf()?);
    let plain = compression.plain(from)?;
    let mut reader = Reader::new(Tee { inner: plain, out: layer });
    let mut entries = 0_usize;
    while reader.next_entry()?.is_some() {
        entries += 1;
    }
    if entries == 0 {
        bail!("an archive without a single file: there is nothing that could be run");
    }
    Ok(())
}

/// What is read is written too.
struct Tee<'a, R, W> {
    inner: R,
    out: &'a mut W,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.out.write_all(&buffer[..length])?;
        Ok(length)
    }
}
