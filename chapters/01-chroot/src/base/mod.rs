//! The base root file system, made from this very machine: no download, and every file in it is an answer
//! to "what does a program need to run?".
//!
//! # Layout
//! - [`tools`]: which programs, busybox or the machine's own
//! - [`libraries`]: what a program names: its loader and its libraries
//! - [`etc`]: the few files that programs look for
//! - `beside`: made beside, recorded, synced, renamed

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::place;

mod beside;
pub mod etc;
pub mod libraries;
pub mod tools;

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// Where.
    pub dir: PathBuf,
    /// From what, in words; `None` where it was there already.
    pub from: Option<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(out, "made {} from {from}", self.dir.display()),
            None => write!(out, "{} is such a base already", self.dir.display()),
        }
    }
}

/// Where the base is when nobody says otherwise: `base` in [`place::data_root`].
///
/// # Errors
/// This user has no data root.
pub fn default_dir() -> Result<PathBuf> {
    Ok(place::data_root()?.join("base"))
}

/// The default base, made where it isn't there yet.
///
/// # Errors
/// As [`make`].
pub fn ensure_default() -> Result<PathBuf> {
    let dir = default_dir()?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).with_context(|| {
            format!(
                "could not make {}: set BOXROOM_ROOT to a folder that this user may write",
                parent.display()
            )
        })?;
    }
    make(&dir).map(|made| made.dir)
}

/// Makes the base at `dir`. Where one is there already, only its probe is brought up to date.
///
/// # Errors
/// Something else is at `dir`, its parent isn't there, the disk is full, or no shell could be found. What was
/// begun is removed.
pub fn make(dir: &Path) -> Result<Made> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| dir.display().to_string()),
        Ok(seen) if !seen.is_dir() => {
            bail!("{} is there and is no directory; choose another name", dir.display())
        }
        Ok(_) if etc::is_base(dir) => {
            refresh_probe(dir)?;
            return Ok(Made { dir: dir.into(), from: None });
        }
        Ok(_) if fs::read_dir(dir)?.next().is_some() => bail!(
            "{} has files in it that are no base of boxroom's; nothing was touched; choose another name",
            dir.display()
        ),
        Ok(_) => {} // empty: the rename takes its place
    }
    let from = beside::make(dir, fill).with_context(|| {
        format!("could not make the base root file system {} (what was begun is removed)", dir.display())
    })?;
    Ok(Made { dir: dir.into(), from: Some(from) })
}

/// Puts everything into the still nameless folder.
fn fill(root: &Path) -> Result<String> {
    for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
        let folder = root.join(folder);
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::set_permissions(root.join("root"), fs::Permissions::from_mode(0o700))?;
    for (target, link) in [("bin", "sbin"), ("../bin", "usr/bin"), ("../bin", "usr/sbin")] {
        std::os::unix::fs::symlink(target, root.join(link))?;
    }
    etc::write(root)?;
    etc::devices(root)?;
    let from = tools::put(root)?;
    put_probe(root)?;
    Ok(from)
}

fn put_probe(root: &Path) -> Result<()> {
    let probe = probe::staged().context("could not build the probe")?;
    libraries::put_program(root, &probe, "probe")
}

/// A newer probe takes the place of the old one; a container that runs the old one keeps it.
fn refresh_probe(dir: &Path) -> Result<()> {
    let new = probe::staged().context("could not build the probe")?;
    let old = dir.join("bin/probe");
    if fs::read(&new)? == fs::read(&old).unwrap_or_default() {
        return Ok(());
    }
    let beside = dir.join("bin/.probe");
    fs::copy(&new, &beside).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, &old).with_context(|| old.display().to_string())
}
