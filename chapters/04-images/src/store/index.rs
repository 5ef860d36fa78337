//! Names: `index.json` says which manifest each of them means.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use nix::fcntl::FlockArg;
use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType};

use super::Store;
use super::blob::LONGEST_JSON;
use crate::digest::Digest;
use crate::reference::Reference;

/// The annotation that holds an image's name. OCI image spec, annotations.md.
pub const NAME: &str = "org.opencontainers.image.ref.name";

pub(super) fn empty() -> serde_json::Value {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageIndex.to_string(),
        "manifests": [],
    })
}

impl Store {
    /// The index as it is now.
    ///
    /// # Errors
    /// It can't be read, is too long, or is no index.
    pub fn index(&self) -> Result<ImageIndex> {
        let path = self.images().join("index.json");
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        let mut bytes = Vec::with_capacity(1 << 14); // read at once, in steps of 32 bytes otherwise
        file.take(LONGEST_JSON + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST_JSON {
            bail!("{} has more than {LONGEST_JSON} bytes", path.display());
        }
        let index: ImageIndex =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no index", path.display()))?;
        if index.schema_version() != 2 {
            bail!("{} has schemaVersion {}; 2 is known here", path.display(), index.schema_version());
        }
        Ok(index)
    }

    /// Changes the index under its lock: read, changed, replaced as a whole.
    ///
    /// # Errors
    /// As [`Store::index`], what `change` says, or the disk is full.
    pub fn change<T>(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> Result<T>) -> Result<T> {
        let _lock = self.lock("index.lock", FlockArg::LockExclusive)?;
        let index = self.index()?;
        let mut manifests = index.manifests().clone();
        let answer = change(&mut manifests)?;
        let mut builder = ImageIndexBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageIndex)
            .manifests(manifests);
        if let Some(annotations) = index.annotations() {
            builder = builder.annotations(annotations.clone());
        }
        self.put_file("index.json", &builder.build()?)?;
        Ok(answer)
    }

    /// Gives a manifest this name; whoever had the name before loses it, and stays as an image without one.
    ///
    /// # Errors
    /// As [`Store::change`].
    pub fn name(&self, reference: &Reference, manifest: &Descriptor) -> Result<()> {
        let full = reference.full();
        self.change(|manifests| {
            manifests.retain(|other| other.digest() != manifest.digest() || name_of(other).is_some());
            for other in manifests.iter_mut().filter(|other| is_named(other, &full)) {
                other.set_annotations(None);
            }
            // Only the last of those that nobody can name and that are the same is kept.
            let mut seen = std::collections::HashSet::new();
            manifests.retain(|other| {
                name_of(other).is_some()
                    || other.digest() != manifest.digest() && seen.insert(other.digest().clone())
            });
            let mut named = manifest.clone();
            named.set_annotations(Some(HashMap::from([(NAME.into(), Reference::familiar(&full))])));
            manifests.push(named);
            Ok(())
        })
    }

    /// Takes a name away, or an image by its digest with all its names. Returns what was taken away.
    ///
    /// # Errors
    /// There is no such image, or the digits fit several.
    pub fn remove(&self, text: &str) -> Result<Vec<String>> {
        let wanted = self.find(text)?;
        let by_name = named(&wanted, text);
        self.change(|manifests| {
            let goes = |other: &Descriptor| {
                if by_name { *other == wanted } else { other.digest() == wanted.digest() }
            };
            let removed: Vec<String> = manifests
                .iter()
                .filter(|other| goes(other))
                .map(|other| name_of(other).map_or_else(|| other.digest().to_string(), Into::into))
                .collect();
            manifests.retain(|other| !goes(other));
            Ok(removed)
        })
    }

    /// The descriptor that a name, a digest or the first digits of one mean.
    ///
    /// # Errors
    /// None does, or several do.
    pub fn find(&self, text: &str) -> Result<Descriptor> {
        let index = self.index()?;
        let all = index.manifests();
        let reference = text.parse::<Reference>();
        if let Ok(reference) = &reference {
            let full = reference.full();
            let fits = |other: &&Descriptor| {
                is_named(other, &full)
                    && reference.digest.is_none_or(|digest| other.digest().to_string() == digest.to_string())
            };
            // The last one counts, should somebody else have written a name twice.
            if let Some(found) = all.iter().rev().find(fits) {
                return Ok(found.clone());
            }
            if let Some(digest) = reference.digest {
                let by_digest = |other: &&Descriptor| {
                    other.digest().to_string() == digest.to_string()
                        && name_of(other)
                            .and_then(|name| name.parse::<Reference>().ok())
                            .is_some_and(|name| name.repository() == reference.repository())
                };
                if let Some(found) = all.iter().find(by_digest) {
                    return Ok(found.clone());
                }
            }
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() >= 4 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let mut found: Vec<&Descriptor> = all
                .iter()
                .filter(|other| other.digest().to_string().trim_start_matches("sha256:").starts_with(digits))
                .collect();
            found.dedup_by(|a, b| a.digest() == b.digest());
            match found.as_slice() {
                [] => {}
                [one] => return Ok((*one).clone()),
                _ if found.iter().all(|other| other.digest() == found[0].digest()) => {
                    return Ok(found[0].clone());
                }
                _ => bail!("{text}: {} images begin with these digits; write more of them", found.len()),
            }
        }
        if let Err(why) = reference
            && text.parse::<Digest>().is_err()
        {
            bail!("{why}");
        }
        Err(Failure::said(
            format!("image {text}: there is none of this name"),
            "it was never imported or loaded into this store, or was removed",
            "list the images to see what is there; import and load bring one in, base makes one of this machine",
        )
        .into())
    }
}

/// The name that a descriptor carries.
#[must_use]
pub fn name_of(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations().as_ref()?.get(NAME).map(String::as_str)
}

fn is_named(descriptor: &Descriptor, full: &str) -> bool {
    name_of(descriptor)
        .and_then(|name| name.parse::<Reference>().ok())
        .is_some_and(|name| name.full() == full)
}

fn named(descriptor: &Descriptor, text: &str) -> bool {
    text.parse::<Reference>().is_ok_and(|reference| is_named(descriptor, &reference.full()))
}
