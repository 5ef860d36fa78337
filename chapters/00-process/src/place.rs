//! Where boxroom keeps things: a data root that lasts, and a run root that the machine forgets at boot.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, geteuid};

/// What lasts: images, containers, volumes, the base root file system.
///
/// `$BOXROOM_ROOT`, else `/var/lib/boxroom`; for an ordinary user `$XDG_DATA_HOME/boxroom`, else
/// `~/.local/share/boxroom` (XDG Base Directory Specification). Not created here.
///
/// # Errors
/// An ordinary user without `$HOME` has no place.
pub fn data_root() -> Result<PathBuf> {
    if let Some(root) = set("BOXROOM_ROOT") {
        return Ok(root.into());
    }
    if geteuid().is_root() {
        return Ok("/var/lib/boxroom".into());
    }
    if let Some(data) = set("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
        return Ok(PathBuf::from(data).join("boxroom"));
    }
    let home = set("HOME")
        .context("neither BOXROOM_ROOT nor HOME is set, so there is no place for images; set BOXROOM_ROOT")?;
    Ok(PathBuf::from(home).join(".local/share/boxroom"))
}

/// What is true until the next boot: the records of what has to be cleaned. Created with mode 0700.
///
/// `$BOXROOM_RUN`, else `/run/boxroom`; for an ordinary user `$XDG_RUNTIME_DIR/boxroom`, else
/// `/tmp/boxroom-UID`, which is refused where somebody else made it first.
///
/// # Errors
/// The directory can't be made, it isn't this user's own, or `$BOXROOM_RUN` is no absolute path.
pub fn run_root() -> Result<PathBuf> {
    let me = geteuid();
    let root = run_root_of(me, set);
    if !root.is_absolute() {
        // Whoever cleans up later stands in another folder, and would find nothing.
        bail!("BOXROOM_RUN is {}: not an absolute path", root.display());
    }
    // Usually it is there.
    let seen = fs::symlink_metadata(&root).or_else(|_| {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.and_then(|()| fs::symlink_metadata(&root))
    });
    let seen = seen.with_context(|| {
        format!("could not make {}; set BOXROOM_RUN to a folder of yours", root.display())
    })?;
    if !seen.is_dir() || seen.uid() != me.as_raw() {
        bail!(
            "{} is not a directory of user {me} (somebody else was there first); set BOXROOM_RUN to a folder of yours",
            root.display()
        );
    }
    Ok(root)
}

/// The same of any user with these variables; whether it is there isn't looked at.
pub(crate) fn run_root_of(user: Uid, set: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if let Some(root) = set("BOXROOM_RUN") {
        root.into()
    } else if user.is_root() {
        "/run/boxroom".into()
    } else if let Some(run) = set("XDG_RUNTIME_DIR").filter(|path| Path::new(path).is_absolute()) {
        PathBuf::from(run).join("boxroom")
    } else {
        format!("/tmp/boxroom-{user}").into()
    }
}

/// A variable that is set to something; the XDG specification takes an empty one for unset.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
