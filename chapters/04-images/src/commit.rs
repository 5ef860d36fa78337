//! A container becomes an image: what it has changed is one more layer.

use std::fs::File;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use oci_spec::image::Descriptor;

use crate::build::{self, LayerWriter, Stored};
use crate::change;
use crate::container::Container;
use crate::import::About;
use crate::pack::{As, pack};
use crate::progress::Work;
use crate::reference::Reference;
use crate::store::Store;
use crate::view::merged;

/// Stores the image, and names it where a name is given. Returns its manifest's descriptor, and what no tar can hold.
///
/// # Errors
/// The image that it came from is gone, a file can't be read, or the disk is full.
// ANCHOR: commit
pub fn commit(
    store: &Store,
    container: &Container,
    name: Option<&Reference>,
    about: &About<'_>,
) -> Result<(Descriptor, Vec<Vec<u8>>)> {
    let _lease = store.lease()?;
    let image = store.image_of(&store.manifest_of(container)?)?;
    let (layer, left_out) = changed(store, container)?;
    let mut layers: Vec<_> =
        image.layers.iter().map(|layer| (layer.descriptor.clone(), layer.diff_id)).collect();
    layers.push((layer.blob, layer.diff_id));
    let created = build::now()?;
    let mut config = image.config;
    let mut words = config.config().clone().unwrap_or_default();
    for change in about.changes {
        change::apply(&mut words, change).map_err(|why| anyhow::anyhow!(why))?;
    }
    config.set_config(Some(words));
    config.set_created(Some(created.clone()));
    if let Some(author) = about.author {
        config.set_author(Some(author.into()));
    }
    let mut history = config.history().clone().unwrap_or_default();
    // ANCHOR: task-history
    history.push(build::history(&created, "commit", about.message, about.author)?);
    config.set_history(Some(history));
    // ANCHOR_END: task-history
    let manifest = build::image(store, config, &layers)?;
    match name {
        Some(name) => store.name(name, &manifest)?,
        None => store.change(|manifests| {
            if !manifests.iter().any(|other| other.digest() == manifest.digest()) {
                manifests.push(manifest.clone());
            }
            Ok(())
        })?,
    }
    Ok((manifest, left_out))
}

/// What the container has changed, as a layer in the store; and what no tar can hold.
fn changed(store: &Store, container: &Container) -> Result<(Stored, Vec<Vec<u8>>)> {
    let upper = File::open(store.folder_of(container).join("upper")).context("upper")?;
    let work = Work::begin("packing", 0)?;
    // ANCHOR: task-commit
    let mut layer = LayerWriter::new(store)?;
    let left_out = pack(upper.as_fd(), As::Layer, work.writing(&mut layer))?;
    Ok((layer.keep()?, left_out))
    // ANCHOR_END: task-commit
}
// ANCHOR_END: commit

/// A container's whole tree as a tar: no layers, no deletions, no history.
///
/// # Errors
/// The layers can't be stacked, a file can't be read, or the writer's.
pub fn export(store: &Store, container: &Container, out: impl std::io::Write) -> Result<Vec<Vec<u8>>> {
    let mut folders = container.layer_paths(store)?;
    folders.push(store.folder_of(container).join("upper"));
    let tree = merged(store, &folders)?;
    pack(tree.as_fd(), As::Tree, out)
}
