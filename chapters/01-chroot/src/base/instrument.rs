//! The probe in the base: the program that goes in and looks around. A newer one takes the old one's place.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

use super::libraries;
use super::site::{self, Site};

/// Where it is.
const AT: &str = "usr/bin/probe";

/// Puts the probe there, with the libraries that it names where it isn't static.
///
/// # Errors
/// The disk is full, or a library is missing.
pub fn put(site: &Site, probe: &Path) -> Result<()> {
    libraries::put(site, &libraries::named_by(probe)?)?;
    site.copy(AT, probe)
}

/// Puts the present probe in place of an older one. A container that runs the old one keeps it.
///
/// # Errors
/// The probe can't be built, the base can't be written.
pub fn refresh(dir: &Path) -> Result<()> {
    let new = probe::staged().context("could not build the probe")?;
    let old = dir.join(AT);
    if same(&new, &old) {
        return Ok(());
    }
    let beside = dir.join(format!("usr/bin/.probe.partial-{}", std::process::id()));
    let replaced = site::copy(&new, &beside).and_then(|()| {
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, &old)
            .map_err(|error| site::blame(&error, format!("could not replace {}", old.display())).into())
    });
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// Equal to the byte. Sizes first: two builds seldom have the same.
fn same(a: &Path, b: &Path) -> bool {
    let size = |file: &Path| fs::metadata(file).ok().map(|seen| seen.len());
    size(a) == size(b) && matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}
