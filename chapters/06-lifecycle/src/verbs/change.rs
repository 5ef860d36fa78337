//! Verbs that change something about a container: pause, unpause, rename.

use std::fs;

use anyhow::Result;
use ch00_process::failure::Failure;
use ch04_images::store::{json, write_whole};
use clap::Args;

use super::{Io, unwatched};
use crate::containers::Containers;
use crate::freeze::freeze;
use crate::name;

/// `pause`, `unpause`
#[derive(Debug, Args)]
pub struct Names {
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `rename`
#[derive(Debug, Args)]
pub struct Rename {
    /// The container
    container: String,
    /// Its new name
    name: String,
}

/// # Errors
/// What could not be done.
pub(super) fn still(names: &Names, still: bool, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    Ok(io.each(&names.containers, |_, name| freeze(&all.find(name)?, still, &unwatched())))
}

/// The new link first, then the config, then the old link goes: killed in between, one of the two names leads to it, and
/// the config says which.
///
/// # Errors
/// What could not be done.
pub(super) fn rename(rename: &Rename) -> Result<()> {
    let all = Containers::open()?;
    let found = all.find(&rename.container)?;
    let _lock = found.lock()?;
    let mut config = all.find(found.config.id())?.config; // somebody may have renamed it while we waited
    let (old, new) = (config.name().to_string(), name::checked(&rename.name)?);
    if old == new {
        let what = "renaming a container with the same name as its current name";
        return Err(Failure::said(what, "", format!("another name than {new}")).into());
    }
    all.claim(&new, config.id())?;
    config.container.name = Some(new);
    let _lease = all.store.lease()?; // prune tidies up where it is written beside
    write_whole(&all.store.beside(), &found.folder.join("config.json"), &json(&config)?)?;
    fs::remove_file(all.link(&old))?;
    Ok(())
}
