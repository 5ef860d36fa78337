//! What a container has of its own: a folder with what it changes (`upper`), overlayfs's workshop (`work`), and which
//! layers are below. On record before it is made.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::{Descriptor, MediaType};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::layers::remove_tree;
use crate::store::image::Image;
use crate::store::{Store, json};

/// `config.json` of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Container {
    /// Twelve random digits.
    pub id: String,
    /// What people call it, where it is kept.
    pub name: Option<String>,
    /// The image's name as it was asked for.
    pub image: String,
    /// The image's manifest.
    pub manifest: String,
    /// The diff_ids of the layers, the lowest first.
    pub layers: Vec<String>,
    /// The signal that asks the command to end, where the image names one.
    pub stop_signal: Option<String>,
}

impl Store {
    /// A new container of this image, which is nowhere yet.
    ///
    /// # Errors
    /// The name is no name.
    pub fn conceive(
        &self,
        image: &Image,
        asked: &str,
        name: Option<&str>,
        id: Option<String>,
    ) -> Result<Container> {
        Ok(Container {
            id: id.map_or_else(new_id, Ok)?,
            name: name.map(parse_name).transpose().map_err(anyhow::Error::msg)?,
            image: asked.into(),
            manifest: image.digest()?.to_string(),
            layers: image.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            stop_signal: image.config.config().as_ref().and_then(|config| config.stop_signal().clone()),
        })
    }

    /// That nobody else has its name, as long as what is returned lives.
    ///
    /// # Errors
    /// Somebody has.
    pub(crate) fn free_name(&self, container: &Container) -> Result<Option<Flock<File>>> {
        let Some(name) = &container.name else { return Ok(None) };
        let lock = self.lock("containers.lock", FlockArg::LockExclusive)?;
        if self.list()?.iter().any(|other| other.name.as_ref() == Some(name)) {
            let hint = format!("remove {name}, or choose another name");
            return Err(
                Failure::said(format!("--name {name}"), "a kept container has that name", hint).into()
            );
        }
        Ok(Some(lock))
    }

    /// `config.json`, as a whole: from here on it is a container, and it runs as long as what is returned lives. It is
    /// locked before it has its name: nobody sees one that could be taken away still.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn write_down(&self, container: &Container, keeps: bool) -> Result<Flock<File>> {
        let place = self.folder_of(container).join("config.json");
        let what = || place.display().to_string();
        let (mut file, partial) = crate::store::blob::partial(&self.beside())?;
        let written = file.write_all(&json(container)?).and_then(|()| {
            // Nobody misses one that isn't kept after a power cut, and flushes of the disk are most of a start.
            if keeps { file.sync_all() } else { Ok(()) }
        });
        let locked = self.running(container);
        let named = written
            .and_then(|()| fs::rename(&partial, &place))
            .and_then(|()| if keeps { crate::store::sync_folder(&place) } else { Ok(()) });
        if let Err(error) = named {
            let _ = fs::remove_file(&partial);
            return Err(crate::store::blame(&error, format!("could not write {}", what())).into());
        }
        locked
    }

    /// Where a container is.
    #[must_use]
    pub fn folder_of(&self, container: &Container) -> PathBuf {
        self.containers().join(&container.id)
    }

    /// The containers that are whole.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.containers())? {
            let Ok(bytes) = fs::read(entry?.path().join("config.json")) else { continue };
            if let Ok(container) = serde_json::from_slice::<Container>(&bytes) {
                found.push(container);
            }
        }
        found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(found)
    }

    /// The container of this name, or whose id begins so.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn container(&self, text: &str) -> Result<Container> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let all = self.list()?;
        if let Some(named) = all.iter().find(|container| container.name.as_deref() == Some(text)) {
            return Ok(named.clone());
        }
        let mut fits = all.into_iter().filter(|container| !text.is_empty() && container.id.starts_with(text));
        match (fits.next(), fits.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => bail!("container {text}: several ids begin so; write more of it"),
            (None, _) => Err(Failure::said(
                format!("container {text}: there is none of this name"),
                "it was never there, was removed, or was not kept by the run that made it",
                "run --name NAME without --rm keeps one",
            )
            .into()),
        }
    }

    /// Says that the container runs, as long as what is returned lives.
    ///
    /// # Errors
    /// It is gone.
    pub fn running(&self, container: &Container) -> Result<Flock<File>> {
        let file = File::open(self.folder_of(container).join("upper"))?;
        Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno).context("flock(upper)")
    }

    /// That nobody runs it, as long as what is returned lives.
    ///
    /// # Errors
    /// Somebody does.
    pub fn at_rest(&self, container: &Container) -> Result<Flock<File>> {
        // The folder, not config.json: that is replaced when a container gets another name (chapter 06).
        let file = File::open(self.folder_of(container).join("upper"))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            let cause = "overlayfs must not be changed from below while it is mounted";
            let what = format!("container {} is running", container.name.as_ref().unwrap_or(&container.id));
            Failure::said(what, cause, "wait for its end, or end it").into()
        })
    }

    /// Removes a container.
    ///
    /// # Errors
    /// It is running, or as the kernel says.
    pub fn discard(&self, container: &Container) -> Result<()> {
        let _rest = self.at_rest(container)?;
        let folder = self.folder_of(container);
        // Without its config it is no container any more, whatever happens to the rest.
        let _ = fs::remove_file(folder.join("config.json"));
        remove_tree(&folder).with_context(|| folder.display().to_string())
    }

    /// The manifest that a container came from: it stays as long as the container, whatever happens to the name.
    ///
    /// # Errors
    /// Its config was damaged, or the blob is gone.
    pub fn manifest_of(&self, container: &Container) -> Result<Descriptor> {
        let digest: Digest = container.manifest.parse().map_err(|why: String| anyhow::anyhow!(why))?;
        let size = fs::metadata(self.blob_path(&digest)).with_context(|| format!("image {digest}"))?.len();
        crate::build::descriptor(MediaType::ImageManifest, &digest, size)
    }

    /// That every container that runs says which layers it needs.
    ///
    /// # Errors
    /// One has a config that can't be read: it would lose the ground that it stands on.
    pub(crate) fn all_that_run_are_known(&self) -> Result<()> {
        for entry in fs::read_dir(self.containers())? {
            let entry = entry?;
            let Ok(bytes) = fs::read(entry.path().join("config.json")) else { continue };
            if serde_json::from_slice::<Container>(&bytes).is_err() && is_held(&entry.path().join("upper")) {
                let id = entry.file_name().to_string_lossy().into_owned();
                let what = format!("container {id}: its config.json is damaged, and it runs");
                let cause = "which layers it needs can't be known, so nothing was removed";
                return Err(Failure::said(what, cause, format!("end it; boxroom rm -f {id}")).into());
            }
        }
        Ok(())
    }

    pub(crate) fn layers_of_containers(&self) -> Result<HashSet<Digest>> {
        let all = self.list()?;
        Ok(all.iter().flat_map(|container| &container.layers).filter_map(|text| text.parse().ok()).collect())
    }
}

impl Container {
    /// The names of its layers' folders, the lowest first.
    ///
    /// # Errors
    /// Its config was damaged.
    pub fn lowers(&self) -> Result<Vec<PathBuf>> {
        if self.layers.is_empty() {
            bail!("container {}: its config.json names no layer, and nothing can stand on none", self.id);
        }
        let name = |text: &String| {
            let diff_id: Digest = text.parse().map_err(|why: String| anyhow::anyhow!(why))?;
            Ok(diff_id.hex().into())
        };
        self.layers.iter().map(name).collect()
    }

    /// The folders of its layers, the lowest first.
    ///
    /// # Errors
    /// Its config was damaged.
    pub fn layer_paths(&self, store: &Store) -> Result<Vec<PathBuf>> {
        Ok(self.lowers()?.iter().map(|name| store.layers().join(name)).collect())
    }
}

/// Whether somebody has the files of a container mounted.
fn is_held(upper: &Path) -> bool {
    File::open(upper).is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err())
}

/// A container's name. Docker writes a `/` before it, and so may people. It becomes the name of a file.
///
/// # Errors
/// What may be in it.
pub fn parse_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 255; // bytes of a file's name, on every file system that matters: NAME_MAX
    let name = text.strip_prefix('/').unwrap_or(text);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins || !name.bytes().all(good) || name.len() > LONGEST {
        return Err(format!(
            "{text:?} is no name for a container; up to {LONGEST} letters, digits, and _ . - after the first"
        ));
    }
    Ok(name.into())
}

/// Twelve random digits, which no other container has.
///
/// # Errors
/// No /dev/urandom.
pub fn new_id() -> Result<String> {
    let mut bytes = [0_u8; 6];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_a_containers_name_is_one_files() {
        let long = "x".repeat(255);
        for (text, name) in [("web", "web"), ("/web", "web"), ("0_.-", "0_.-"), (&*long, &*long)] {
            assert_eq!(parse_name(text).as_deref(), Ok(name));
        }
        for wrong in ["", "/", "//web", "../etc", ".a", "-a", "a b", "a/b", "é", &"x".repeat(256)] {
            assert!(parse_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
