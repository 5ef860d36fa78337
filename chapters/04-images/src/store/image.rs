//! From a name to what it means: reference -> index -> manifest -> config and layers, each verified on the way.

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Os};
use serde::de::DeserializeOwned;

use super::Store;
use super::index::name_of;
use crate::archive::compression::Compression;
use crate::digest::Digest;

/// overlayfs stacks no more lower directories (OVL_MAX_STACK in the kernel's fs/overlayfs/params.h).
pub const MOST_LAYERS: usize = 500;
/// Indexes may name indexes. Not for ever: an index can't hold its own digest, but a chain can be as long as one likes.
const DEEPEST: usize = 4;

/// An image, its small parts read and verified.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name in the index.
    pub name: Option<String>,
    /// The manifest's descriptor; its digest names the image for good.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The config's bytes as they are stored.
    pub config_bytes: Vec<u8>,
    /// The config: how to run it, and which plain tars its layers are.
    pub config: ImageConfiguration,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// One layer: a stored blob, and the tar that comes out of it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size, bytes.
    pub size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
    /// The plain tar's digest.
    pub diff_id: Digest,
    /// Its descriptor, as the manifest has it.
    pub descriptor: Descriptor,
}

impl Store {
    /// The image of this name, digest or first digits.
    ///
    /// # Errors
    /// There is none, it has none for this machine, or one of its parts is damaged, unknown or too large.
    pub fn image(&self, text: &str) -> Result<Image> {
        let descriptor = self.find(text)?;
        self.image_of(&descriptor).with_context(|| format!("image {text}"))
    }

    /// The image that this descriptor of the index means.
    ///
    /// # Errors
    /// As [`Store::image`].
    pub fn image_of(&self, descriptor: &Descriptor) -> Result<Image> {
        let name = name_of(descriptor).map(Into::into);
        let mut descriptor = descriptor.clone();
        for _ in 0..DEEPEST {
            let media = descriptor.media_type().to_string();
            let bytes = self.part(&descriptor)?;
            match media.as_str() {
                "application/vnd.oci.image.manifest.v1+json"
                | "application/vnd.docker.distribution.manifest.v2+json" => {
                    let manifest: ImageManifest = parse(&bytes, "manifest", &descriptor)?;
                    return self.assembled(name, descriptor, manifest);
                }
                "application/vnd.oci.image.index.v1+json"
                | "application/vnd.docker.distribution.manifest.list.v2+json" => {
                    let index: ImageIndex = parse(&bytes, "index", &descriptor)?;
                    descriptor = for_this_machine(&index)?;
                }
                other => bail!("media type {other} is neither an image's manifest nor an index"),
            }
        }
        bail!("more than {DEEPEST} indexes lead from one to the next: that is a loop, or meant as one")
    }

    fn assembled(
        &self,
        name: Option<String>,
        descriptor: Descriptor,
        manifest: ImageManifest,
    ) -> Result<Image> {
        let media = manifest.config().media_type().to_string();
        if !matches!(
            media.as_str(),
            "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        ) {
            bail!("its config has the media type {media}: it holds something, but no container image");
        }
        let config_bytes = self.part(manifest.config())?;
        let config: ImageConfiguration = parse(&config_bytes, "config", manifest.config())?;
        let layers = layers(&manifest, &config)?;
        Ok(Image { name, descriptor, manifest, config_bytes, config, layers })
    }

    /// A small part that a descriptor names, of the size that it declares.
    fn part(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.small(&digest_of(descriptor)?, Some(descriptor.size()))
    }
}

/// The layers, where manifest and config agree about them.
///
/// # Errors
/// They disagree, there are too many, or one is of an unknown kind.
pub fn layers(manifest: &ImageManifest, config: &ImageConfiguration) -> Result<Vec<Layer>> {
    let (blobs, tars) = (manifest.layers(), config.rootfs().diff_ids());
    if config.rootfs().typ() != "layers" {
        bail!("the config's rootfs is of type {:?}; layers is the one there is", config.rootfs().typ());
    }
    if blobs.len() != tars.len() {
        bail!(
            "the manifest has {} layers and the config {}: they don't belong together",
            blobs.len(),
            tars.len()
        );
    }
    if blobs.len() > MOST_LAYERS {
        bail!("{} layers; overlayfs stacks at most {MOST_LAYERS}", blobs.len());
    }
    let layer = |(blob, tar): (&Descriptor, &String)| {
        Ok(Layer {
            digest: digest_of(blob)?,
            size: blob.size(),
            compression: Compression::of_media_type(blob.media_type().as_ref())?,
            diff_id: tar.parse().map_err(|why| anyhow::anyhow!("diff_id: {why}"))?,
            descriptor: blob.clone(),
        })
    };
    blobs.iter().zip(tars).map(layer).collect()
}

impl Image {
    /// The manifest's digest.
    ///
    /// # Errors
    /// It is none that is known here.
    pub fn digest(&self) -> Result<Digest> {
        digest_of(&self.descriptor)
    }

    /// What the layers have together, compressed, bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }
}

/// The digest in a descriptor, as ours.
///
/// # Errors
/// It isn't sha256.
pub fn digest_of(descriptor: &Descriptor) -> Result<Digest> {
    descriptor.digest().to_string().parse().map_err(|why: String| anyhow::anyhow!(why))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str, descriptor: &Descriptor) -> Result<T> {
    serde_json::from_slice(bytes).with_context(|| format!("{} is no {what}", descriptor.digest()))
}

/// The manifest of an index whose platform is this machine's; the first that fits, as the specification says.
fn for_this_machine(index: &ImageIndex) -> Result<Descriptor> {
    let here = Arch::default();
    let fits = |descriptor: &&Descriptor| {
        descriptor
            .platform()
            .as_ref()
            .is_some_and(|platform| *platform.os() == Os::Linux && *platform.architecture() == here)
    };
    let all = index.manifests();
    if let Some(found) = all.iter().find(fits) {
        return Ok(found.clone());
    }
    if let [only] = all.as_slice()
        && only.platform().is_none()
    {
        return Ok(only.clone());
    }
    let there: Vec<String> = all
        .iter()
        .filter_map(|descriptor| descriptor.platform().as_ref())
        .map(|platform| format!("{}/{}", platform.os(), platform.architecture()))
        .collect();
    Err(Failure::said(
        format!("the index has no image for linux/{here}"),
        format!("it has {}", if there.is_empty() { "none with a platform".into() } else { there.join(", ") }),
        "a program runs on the processor that it was built for; get the image for this one",
    )
    .into())
}
