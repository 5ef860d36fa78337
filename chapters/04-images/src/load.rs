//! Images from an archive: an OCI layout as a tar or as a folder, or what `docker save` writes.
//!
//! A tar comes in any order, maybe through a pipe. Each of its files is a blob as soon as it has passed, named by its
//! content; what they mean is found out at the end, and what means nothing is pruned one day.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, MediaType};
use serde::Deserialize;

use crate::apply::name::Name;
use crate::archive::compression::Compression;
use crate::archive::entry::Kind;
use crate::archive::reader::Reader;
use crate::build;
use crate::digest::Digest;
use crate::import::opened;
use crate::progress::Work;
use crate::reference::Reference;
use crate::store::Store;
use crate::store::index::name_of;

/// More files than the largest archive of images has.
const MOST_FILES: usize = 100_000;
/// containerd's own place for the full name; in the OCI one it (and Docker) write the tag alone.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A file of the archive: the blob that it became, or the other file that it is.
enum Part {
    Blob(Digest, u64),
    Link(Vec<u8>),
}

type Parts = HashMap<Vec<u8>, Part>;

/// One image of `docker save`'s manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Loads every image of the archive, folder, or (`-`) standard input. Returns their names, or digests where they have
/// none. `rename` is the name where the archive has one image.
///
/// # Errors
/// It is neither kind of archive, a part is missing or damaged, or the disk is full. Nothing has got a name then.
pub fn load(store: &Store, source: &Path, rename: Option<&Reference>) -> Result<Vec<String>> {
    let _lease = store.lease()?;
    let what =
        || if source == Path::new("-") { "standard input".into() } else { source.display().to_string() };
    let file = opened(source).with_context(what)?;
    let seen = file.metadata()?;
    let parts = if seen.is_dir() {
        folder(store, source).with_context(what)?
    } else {
        let work = Work::begin("loading", seen.len())?;
        archive(store, BufReader::with_capacity(128 << 10, work.reading(file))).with_context(what)?
    };
    let found = if parts.contains_key(&b"index.json"[..]) {
        layout(store, &parts)?
    } else if parts.contains_key(&b"manifest.json"[..]) {
        docker(store, &parts)?
    } else {
        let cause = "it has neither an index.json (OCI) nor a manifest.json (docker save)";
        let hint = "a root file system comes in by: import FILE NAME";
        return Err(Failure::said(format!("{}: no archive of images", what()), cause, hint).into());
    };
    for (descriptor, _) in &found {
        let image = store.image_of(descriptor)?;
        for layer in &image.layers {
            store.blob(&layer.digest, layer.size)?;
        }
    }
    if rename.is_some() && found.len() != 1 {
        bail!("{} has {} images; a name can be given to one", what(), found.len());
    }
    let mut names = Vec::new();
    for (descriptor, name) in found {
        match rename.or(name.as_ref()) {
            Some(name) => {
                store.name(name, &descriptor)?;
                names.push(Reference::familiar(&name.full()));
            }
            None => {
                let mut nameless = descriptor.clone();
                nameless.set_annotations(None);
                store.change(|manifests| {
                    if !manifests.iter().any(|other| other.digest() == nameless.digest()) {
                        manifests.push(nameless);
                    }
                    Ok(())
                })?;
                names.push(descriptor.digest().to_string());
            }
        }
    }
    Ok(names)
}

fn archive(store: &Store, mut from: impl BufRead) -> Result<Parts> {
    let compression = Compression::sniff(from.fill_buf()?);
    let mut reader = Reader::new(compression.plain(from)?);
    let mut parts = Parts::new();
    while let Some(entry) = reader.next_entry()? {
        let name = Name::of(&entry.path)?;
        let part = match entry.kind {
            Kind::File => arrived(store, &mut reader, &name)?,
            Kind::HardLink => Part::Link(Name::of(&entry.link)?.path()),
            // docker save stores a layer that two images have once, and a link: ../ID/layer.tar
            Kind::Symlink => match entry.link.strip_prefix(b"../") {
                Some(rest) => Part::Link(Name::of(rest)?.path()),
                None => {
                    Part::Link(Name::of(&[&name.parent().path(), &b"/"[..], &entry.link].concat())?.path())
                }
            },
            _ => continue,
        };
        parts.insert(name.path(), part);
        if parts.len() > MOST_FILES {
            bail!("more than {MOST_FILES} files: no archive of images has so many");
        }
    }
    Ok(parts)
}

/// A file of the archive becomes a blob while it passes.
fn arrived(store: &Store, reader: &mut Reader<impl Read>, name: &Name) -> Result<Part> {
    let mut ingest = store.ingest()?;
    let mut buffer = vec![0; 128 << 10];
    // ANCHOR: task-arrive
    loop {
        match reader.read_content(&mut buffer)? {
            0 => break,
            length => ingest.write_all(&buffer[..length])?,
        }
    }
    let (digest, size) = ingest.keep(expected(&name.path()).as_ref())?;
    Ok(Part::Blob(digest, size))
    // ANCHOR_END: task-arrive
}

/// A layout as a folder: the blobs that its index leads to are copied, and verified on the way.
fn folder(store: &Store, source: &Path) -> Result<Parts> {
    let mut parts = Parts::new();
    let work = Work::begin("loading", 0)?;
    let mut take = |name: &str, path: &Path, expected: Option<Digest>| -> Result<()> {
        let mut ingest = store.ingest()?;
        let file = File::open(path).with_context(|| path.display().to_string())?;
        io::copy(&mut work.reading(file), &mut ingest)?;
        let (digest, size) = ingest.keep(expected.as_ref())?;
        parts.insert(name.as_bytes().to_vec(), Part::Blob(digest, size));
        Ok(())
    };
    take("index.json", &source.join("index.json"), None)?;
    for entry in fs::read_dir(source.join("blobs/sha256"))? {
        let entry = entry?;
        let name = format!("blobs/sha256/{}", entry.file_name().to_string_lossy());
        if let Some(digest) = expected(name.as_bytes()) {
            take(&name, &entry.path(), Some(digest))?;
        }
    }
    Ok(parts)
}

/// A file that is called by a digest has to have it.
fn expected(path: &[u8]) -> Option<Digest> {
    let hex = std::str::from_utf8(path.strip_prefix(b"blobs/sha256/")?).ok()?;
    format!("sha256:{hex}").parse().ok()
}

fn blob(parts: &Parts, name: &str) -> Result<(Digest, u64)> {
    let mut path = Name::of(name.as_bytes())?.path();
    // A link leads to a file, at most by way of a few others.
    for _ in 0..8 {
        match parts.get(&path) {
            Some(Part::Blob(digest, size)) => return Ok((*digest, *size)),
            Some(Part::Link(next)) => path.clone_from(next),
            None => break,
        }
    }
    bail!("the archive names {name:?} and doesn't have it")
}

fn layout(store: &Store, parts: &Parts) -> Result<Vec<(Descriptor, Option<Reference>)>> {
    let (digest, size) = blob(parts, "index.json")?;
    let index: ImageIndex =
        serde_json::from_slice(&store.small(&digest, Some(size))?).context("index.json")?;
    let mut found: Vec<(Descriptor, Option<Reference>)> = Vec::new();
    for descriptor in index.manifests() {
        let full =
            descriptor.annotations().as_ref().and_then(|all| all.get(CONTAINERD_NAME)).map(String::as_str);
        let name = full.or(name_of(descriptor)).and_then(|name| name.parse::<Reference>().ok());
        found.push((descriptor.clone(), name));
    }
    Ok(found)
}

fn docker(store: &Store, parts: &Parts) -> Result<Vec<(Descriptor, Option<Reference>)>> {
    let (digest, size) = blob(parts, "manifest.json")?;
    let list: Vec<Saved> =
        serde_json::from_slice(&store.small(&digest, Some(size))?).context("manifest.json")?;
    let mut found = Vec::new();
    for saved in list {
        let (config_digest, config_size) = blob(parts, &saved.config)?;
        let bytes = store.small(&config_digest, Some(config_size))?;
        let config: ImageConfiguration = serde_json::from_slice(&bytes).context("the image's config")?;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != saved.layers.len() {
            bail!("manifest.json has {} layers and the config {}", saved.layers.len(), diff_ids.len());
        }
        let mut layers = Vec::new();
        for layer in &saved.layers {
            let (digest, size) = blob(parts, layer)?;
            let mut first = [0; 6];
            let length = store.blob(&digest, size)?.read(&mut first)?;
            let media = match Compression::sniff(&first[..length]) {
                Compression::Plain => MediaType::ImageLayer,
                Compression::Gzip => MediaType::ImageLayerGzip,
                Compression::Zstd => MediaType::ImageLayerZstd,
                Compression::Xz => bail!("layer {layer:?} is xz, which no image's layer may be"),
            };
            layers.push(build::descriptor(media, &digest, size)?);
        }
        let config = build::descriptor(MediaType::ImageConfig, &config_digest, config_size)?;
        let manifest = build::manifest(store, config, layers)?;
        let tags = saved.repo_tags.unwrap_or_default();
        if tags.is_empty() {
            found.push((manifest, None));
        } else {
            for tag in tags {
                found
                    .push((manifest.clone(), Some(tag.parse().map_err(|why: String| anyhow::anyhow!(why))?)));
            }
        }
    }
    Ok(found)
}
