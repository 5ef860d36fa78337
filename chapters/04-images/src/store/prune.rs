//! What nobody needs any more: blobs that no name leads to, unpacked layers that no image and no container has,
//! and what was left unfinished.

use std::collections::HashSet;
use std::fs;

use anyhow::{Context, Result};
use nix::fcntl::FlockArg;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use super::image::digest_of;
use super::index::name_of;
use super::{Lease, Store};
use crate::digest::Digest;
use crate::passwd::KNOWN;

/// What was removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[must_use]
pub struct Pruned {
    /// Images that had lost their name.
    pub images: usize,
    /// Blobs.
    pub blobs: usize,
    /// Unpacked layers.
    pub layers: usize,
    /// Folders of containers that never became one.
    pub containers: usize,
    /// Bytes of blobs.
    pub bytes: u64,
}

impl Store {
    /// Removes what nothing refers to. Waits until nobody adds anything (the leases).
    ///
    /// # Errors
    /// A folder can't be read, or a file not removed. A manifest that can't be read keeps everything that it may name:
    /// then nothing is removed.
    pub fn prune(&self) -> Result<Pruned> {
        let alone = Lease(self.lock("store.lock", FlockArg::LockExclusive)?);
        self.all_that_run_are_known()?;
        let images = self.change(|manifests| {
            let before = manifests.len();
            manifests.retain(|descriptor| name_of(descriptor).is_some());
            Ok(before - manifests.len())
        })?;
        let mut pruned = Pruned { images, ..Pruned::default() };
        let mut blobs = HashSet::new();
        let mut layers = HashSet::new();
        for descriptor in self.index()?.manifests() {
            self.mark(descriptor, &mut blobs, &mut layers, 0).context(
                "nothing was removed: what an image needs must be known first (rm it, then prune)",
            )?;
        }
        // Before the containers are asked for theirs: the layers that these were to stand on go with them.
        pruned.containers = self.remove_unfinished(&alone)?;
        layers.extend(self.layers_of_containers()?);
        for container in self.list()? {
            // One whose image was damaged keeps what is left of it.
            if let Ok(manifest) = self.manifest_of(&container) {
                let _ = self.mark(&manifest, &mut blobs, &mut layers, 1);
            }
        }
        for entry in fs::read_dir(self.images().join("blobs/sha256"))? {
            let entry = entry?;
            let known = format!("sha256:{}", entry.file_name().to_string_lossy());
            if known.parse().is_ok_and(|digest: Digest| blobs.contains(&digest)) {
                continue;
            }
            pruned.bytes += entry.metadata()?.len();
            fs::remove_file(entry.path()).with_context(|| entry.path().display().to_string())?;
            pruned.blobs += 1;
        }
        // What is known of stacks is found again where it is still asked for.
        match fs::remove_dir_all(self.layers().join(KNOWN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(KNOWN),
            _ => {}
        }
        for entry in fs::read_dir(self.layers())? {
            let entry = entry?;
            let known = format!("sha256:{}", entry.file_name().to_string_lossy());
            if known.parse().is_ok_and(|diff_id: Digest| layers.contains(&diff_id)) {
                continue;
            }
            // Out of sight first: a kill in the middle leaves no layer that only looks whole.
            let doomed = self.beside().join(format!("doomed-{}", entry.file_name().to_string_lossy()));
            fs::rename(entry.path(), &doomed).with_context(|| entry.path().display().to_string())?;
            pruned.layers += 1;
        }
        // Who gives a name to something holds this lock and no lease: its file beside is no leftover.
        let _names = self.lock("index.lock", FlockArg::LockExclusive)?;
        for entry in fs::read_dir(self.beside())? {
            let path = entry?.path();
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.with_context(|| path.display().to_string())?;
        }
        Ok(pruned)
    }

    /// Everything that a descriptor leads to.
    fn mark(
        &self,
        descriptor: &Descriptor,
        blobs: &mut HashSet<Digest>,
        layers: &mut HashSet<Digest>,
        depth: usize,
    ) -> Result<()> {
        let digest = digest_of(descriptor)?;
        if !blobs.insert(digest) || depth > 8 {
            return Ok(());
        }
        // An index for many platforms may name manifests that were never copied here.
        if !self.blob_path(&digest).exists() && depth > 0 {
            return Ok(());
        }
        let bytes = self.small(&digest, Some(descriptor.size()))?;
        let media = descriptor.media_type().to_string();
        if media.contains("index") || media.contains("manifest.list") {
            let index: ImageIndex = serde_json::from_slice(&bytes)?;
            return index.manifests().iter().try_for_each(|next| self.mark(next, blobs, layers, depth + 1));
        }
        let manifest: ImageManifest = serde_json::from_slice(&bytes)?;
        blobs.insert(digest_of(manifest.config())?);
        for layer in manifest.layers() {
            blobs.insert(digest_of(layer)?);
        }
        if let Ok(image) = self.image_of(descriptor) {
            layers.extend(image.layers.iter().map(|layer| layer.diff_id));
        }
        Ok(())
    }
}
