//! Images as one archive, to carry: an OCI layout as a tar, or what `docker load` reads. The same images give the same
//! bytes.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Read, Write};

use anyhow::{Context, Result};
use oci_spec::image::{Descriptor, ImageIndexBuilder, MediaType};

use crate::archive::entry::{Entry, Kind, Time};
use crate::archive::writer::Writer;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::store::image::{Image, digest_of};
use crate::store::index::{NAME, name_of};
use crate::store::{Store, json};

/// The archive's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// An OCI image layout in a tar
    Oci,
    /// What docker load and podman load read since ever
    Docker,
}

/// Writes these images.
///
/// # Errors
/// One isn't there or is damaged, or the writer's.
pub fn save(store: &Store, names: &[String], form: Form, out: impl Write) -> Result<()> {
    let _lease = store.lease()?;
    let mut writer = Writer::new(out);
    match form {
        Form::Oci => oci(store, names, &mut writer)?,
        Form::Docker => docker(store, names, &mut writer)?,
    }
    writer.finish()?;
    Ok(())
}

/// How many bytes it will be, about; zero where that isn't known before.
///
/// # Errors
/// One of the images isn't there or is damaged.
pub fn total(store: &Store, names: &[String], form: Form) -> Result<u64> {
    let mut blobs = BTreeMap::new();
    for name in names {
        blobs.extend(store.image(name)?.layers.iter().map(|layer| (layer.digest, layer.size)));
    }
    // docker's form has the layers unpacked.
    Ok(if form == Form::Oci { blobs.values().sum() } else { 0 })
}

fn oci(store: &Store, names: &[String], writer: &mut Writer<impl Write>) -> Result<()> {
    let mut index = Vec::new();
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    for name in names {
        let image = store.image(name)?;
        let mut descriptor = image.descriptor.clone();
        if let Some(name) = named(store, name)? {
            descriptor.set_annotations(Some(HashMap::from([(NAME.into(), name)])));
        }
        index.push(descriptor);
        let parts = [&image.descriptor, image.manifest.config()].into_iter();
        for part in parts.chain(image.layers.iter().map(|layer| &layer.descriptor)) {
            blobs.insert(digest_of(part)?, part.size());
        }
    }
    folder(writer, "blobs/")?;
    folder(writer, "blobs/sha256/")?;
    // ANCHOR: task-save
    for (digest, size) in blobs {
        writer.entry(&entry(&format!("blobs/sha256/{}", digest.hex()), Kind::File, size))?;
        content(writer, store.blob(&digest, size)?)?;
    }
    // ANCHOR_END: task-save
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(index)
        .build()?;
    file(writer, "index.json", &json(&index)?)?;
    file(writer, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
}

fn docker(store: &Store, names: &[String], writer: &mut Writer<impl Write>) -> Result<()> {
    let mut list = Vec::new();
    let mut written = std::collections::HashSet::new();
    for name in names {
        let image = store.image(name)?;
        let config = format!("{}.json", digest_of(image.manifest.config())?.hex());
        if written.insert(config.clone()) {
            file(writer, &config, &image.config_bytes)?;
        }
        for (layer, path) in image.layers.iter().zip(layer_paths(&image)) {
            if written.insert(path.clone()) {
                let plain = || {
                    let blob = BufReader::new(store.blob(&layer.digest, layer.size)?);
                    layer.compression.bounded(blob, layer.size)
                };
                // A tar's header comes before the content and says how long it is: so it is read twice.
                let size = io::copy(&mut plain()?, &mut io::sink()).context("layer")?;
                writer.entry(&entry(&path, Kind::File, size))?;
                content(writer, plain()?)?;
            }
        }
        let tags: Vec<String> = named(store, name)?.into_iter().collect();
        list.push(serde_json::json!({ "Config": config, "RepoTags": tags, "Layers": layer_paths(&image) }));
    }
    file(writer, "manifest.json", &json(&list)?)
}

fn layer_paths(image: &Image) -> Vec<String> {
    image.layers.iter().map(|layer| format!("{}.tar", layer.diff_id.hex())).collect()
}

/// The name that goes along; none for an image that was asked for by its digits.
fn named(store: &Store, text: &str) -> Result<Option<String>> {
    let descriptor: Descriptor = store.find(text)?;
    let Some(name) = name_of(&descriptor) else { return Ok(None) };
    Ok(name.parse::<Reference>().ok().map(|name| Reference::familiar(&name.full())))
}

fn folder(writer: &mut Writer<impl Write>, path: &str) -> Result<()> {
    writer.entry(&entry(path, Kind::Directory, 0))
}

fn file(writer: &mut Writer<impl Write>, path: &str, bytes: &[u8]) -> Result<()> {
    writer.entry(&entry(path, Kind::File, bytes.len() as u64))?;
    writer.content(bytes)
}

fn content(writer: &mut Writer<impl Write>, mut from: impl Read) -> Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => writer.content(&buffer[..length])?,
        }
    }
}

/// Nobody's, from the beginning of time: where and when it was packed is no part of the content.
fn entry(path: &str, kind: Kind, size: u64) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        modified: Time::default(),
        size,
        link: Vec::new(),
        xattrs: Vec::new(),
    }
}
