//! The base root file system, made from this very machine: no download, and every file in it is an answer
//! to "what does a program need to run?".
//!
//! # Layout
//! - [`tools`]: which programs, busybox or the machine's own
//! - [`libraries`]: what a program names: its loader and its libraries
//! - [`etc`]: the few files that programs look for
//! - [`instrument`]: the probe among them, and how it is kept up to date
//! - [`site`]: where it is built: beside, recorded, synced, renamed
//! - [`patience`]: Ctrl-C waits until what was begun is removed

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::place;

pub mod etc;
pub mod instrument;
pub mod libraries;
pub mod patience;
pub mod site;
pub mod tools;

use site::Site;

/// What was made.
#[derive(Debug)]
#[must_use]
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
    if etc::is_base(&dir) {
        // A base that somebody else made, or whose probe can't be built here, still runs commands.
        let _ = instrument::refresh(&dir);
        return Ok(dir);
    }
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|error| {
            let blamed = site::blame(&error, format!("could not make {}", parent.display()));
            let cause = blamed.cause.clone();
            blamed.because(cause, "set BOXROOM_ROOT to a folder of yours")
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
    let dir = named(dir)?;
    if etc::is_base(&dir) {
        instrument::refresh(&dir)?;
        return Ok(Made { dir, from: None });
    }
    refuse_what_is_in_the_way(&dir)?;
    // Cargo may have to build the probe, and busybox is asked for its names: both before anything is begun.
    let probe = probe::staged();
    let tools = tools::choose()?;
    let made = Site::build(&dir, |site| fill(site, &tools, probe)).with_context(|| {
        format!("could not make the base root file system {} (what was begun is removed)", dir.display())
    })?;
    Ok(Made { dir, from: made })
}

/// The path without `.`, `..` and links, so that it has a parent and a name.
fn named(dir: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(dir) {
        Ok(_) => fs::canonicalize(dir).map_err(|error| {
            site::blame(&error, format!("could not follow {}", dir.display()))
                .because("it is a link that leads nowhere", "remove it, or choose another name")
                .into()
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(name) = dir.file_name() else { bail!("{} has no name of its own", dir.display()) };
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            let real = fs::canonicalize(parent).map_err(|error| {
                site::blame(
                    &error,
                    format!("could not make {}: {} isn't there", dir.display(), parent.display()),
                )
                .because(
                    "the folder that it would be in is missing",
                    format!("mkdir -p {}", parent.display()),
                )
            })?;
            Ok(real.join(name))
        }
        Err(error) => Err(site::blame(&error, format!("could not look at {}", dir.display())).into()),
    }
}

/// An empty folder is welcome: the rename takes its place. Anything else stays untouched.
fn refuse_what_is_in_the_way(dir: &Path) -> Result<()> {
    let Ok(seen) = fs::symlink_metadata(dir) else { return Ok(()) };
    if !seen.is_dir() {
        bail!("{} is there and is no directory; nothing was touched; choose another name", dir.display());
    }
    let mut inside = fs::read_dir(dir)
        .map_err(|error| site::blame(&error, format!("could not look into {}", dir.display())))?;
    if inside.next().is_some() {
        bail!(
            "{} has files in it that are no base of boxroom's; nothing was touched; choose another name",
            dir.display()
        );
    }
    if std::env::current_dir().is_ok_and(|here| here == dir) {
        bail!(
            "{} is where you stand, and a finished base takes the place of it; go up first: cd ..",
            dir.display()
        );
    }
    Ok(())
}

/// Puts everything into the still nameless folder.
fn fill(site: &Site, tools: &tools::Tools, probe: Result<PathBuf>) -> Result<String> {
    for folder in ["dev", "etc", "proc", "run", "sys", "usr/bin", "usr/lib", "var"] {
        site.folder(folder, 0o755)?;
    }
    site.folder("tmp", 0o1777)?;
    site.folder("root", 0o700)?;
    for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/bin"), ("usr/sbin", "bin")] {
        site.link(link, target)?;
    }
    libraries::put_doors(site)?;
    etc::put(site)?;
    let mut from = tools::put(site, tools)?;
    match probe {
        Ok(probe) => instrument::put(site, &probe)?,
        Err(error) => from.push_str(&format!("; without the probe: {error:#}")),
    }
    Ok(from)
}
