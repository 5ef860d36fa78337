//! A new image: one more layer, a config that names it, a manifest that names both.

use std::io::{self, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use oci_spec::image::{
    Descriptor, DescriptorBuilder, History, HistoryBuilder, ImageConfiguration, ImageManifestBuilder,
    MediaType, RootFsBuilder,
};

use crate::archive::compression::LEVEL;
use crate::digest::{Digest, Hashing};
use crate::store::Store;
use crate::store::blob::Ingest;

/// A layer that was stored: its blob's descriptor, and the digest of its plain tar.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The blob's descriptor.
    pub blob: Descriptor,
    /// The plain tar's digest.
    pub diff_id: Digest,
}

/// What goes into a layer's blob: plain tar in, gzip stored, both hashed in the same pass.
pub struct LayerWriter<'s>(Hashing<GzEncoder<BufWriter<Ingest<'s>>>>);

impl<'s> LayerWriter<'s> {
    /// Begins a layer.
    ///
    /// # Errors
    /// The disk can't be written.
    pub fn new(store: &'s Store) -> Result<Self> {
        // No name, no time, no system in the header: they would give the same layer another digest.
        let gzip = GzBuilder::new().mtime(0).operating_system(255);
        Ok(Self(Hashing::new(gzip.write(BufWriter::with_capacity(128 << 10, store.ingest()?), LEVEL))))
    }

    /// Stores it.
    ///
    /// # Errors
    /// The disk is full.
    pub fn keep(self) -> Result<Stored> {
        let (diff_id, _, gzip) = self.0.finish();
        let ingest = gzip.finish()?.into_inner().map_err(|error| error.into_error())?;
        let (digest, size) = ingest.keep(None)?;
        Ok(Stored { blob: descriptor(MediaType::ImageLayerGzip, &digest, size)?, diff_id })
    }
}

impl Write for LayerWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Stores config and manifest of an image with these layers, the lowest first. `config`'s own layers are replaced.
///
/// # Errors
/// The disk is full.
pub fn image(
    store: &Store,
    mut config: ImageConfiguration,
    layers: &[(Descriptor, Digest)],
) -> Result<Descriptor> {
    let diff_ids: Vec<String> = layers.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
    config.set_rootfs(RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build()?);
    let bytes = crate::store::json(&config)?;
    let digest = store.put(&bytes)?;
    let config = descriptor(MediaType::ImageConfig, &digest, bytes.len() as u64)?;
    manifest(store, config, layers.iter().map(|(blob, _)| blob.clone()).collect())
}

/// Stores the manifest of a config and its layers.
///
/// # Errors
/// The disk is full.
pub fn manifest(store: &Store, config: Descriptor, layers: Vec<Descriptor>) -> Result<Descriptor> {
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers)
        .build()?;
    let bytes = crate::store::json(&manifest)?;
    let digest = store.put(&bytes)?;
    descriptor(MediaType::ImageManifest, &digest, bytes.len() as u64)
}

/// A descriptor without annotations.
///
/// # Errors
/// None that is known.
pub fn descriptor(media: MediaType, digest: &Digest, size: u64) -> Result<Descriptor> {
    let digest: oci_spec::image::Digest = digest.to_string().parse()?;
    Ok(DescriptorBuilder::default().media_type(media).digest(digest).size(size).build()?)
}

/// One line of an image's history.
///
/// # Errors
/// None that is known.
pub fn history(created: &str, by: &str, comment: Option<&str>, author: Option<&str>) -> Result<History> {
    let mut history = HistoryBuilder::default().created(created).created_by(by);
    if let Some(comment) = comment {
        history = history.comment(comment);
    }
    if let Some(author) = author {
        history = history.author(author);
    }
    Ok(history.build()?)
}

/// When an image is made, RFC 3339: `SOURCE_DATE_EPOCH` where it is set, so that the same content has the same digest.
///
/// # Errors
/// The variable is no number of seconds.
pub fn now() -> Result<String> {
    let seconds = match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) => {
            let text = text.to_string_lossy().into_owned();
            text.parse().with_context(|| {
                format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds since 1970")
            })?
        }
        None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    if seconds > 253_402_300_799 {
        bail!("SOURCE_DATE_EPOCH lies behind the year 9999");
    }
    Ok(rfc3339(seconds))
}

/// Seconds since 1970 as a date. Days are counted from 1 March of the year 0: then a leap day is a year's last.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month_of_year) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month_of_year <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month_of_year:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_dates_are_the_calendars() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
        }
    }
}
