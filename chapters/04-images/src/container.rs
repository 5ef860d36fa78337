//! What a container has of its own: a folder with what it changes (`upper`), overlayfs's workshop (`work`), and which
//! layers are below. On record before it is made.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use ch00_process::record::Record;
use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::{Descriptor, MediaType};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::layers::remove_tree;
use crate::store::image::Image;
use crate::store::{Store, json, write_whole};

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
    /// Makes the folder of a new container. The record stays with the caller of one that isn't kept.
    ///
    /// # Errors
    /// The name is taken or no name, or the disk is full.
    pub fn create(&self, image: &Image, asked: &str, name: Option<&str>) -> Result<(Container, Record)> {
        if let Some(name) = name {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if !name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                || !name.bytes().all(good)
            {
                bail!("--name {name:?}: letters, digits, _ . - and no _ . - at its beginning");
            }
        }
        let _lock = self.lock("containers.lock", FlockArg::LockExclusive)?;
        if let Some(name) = name
            && self.list()?.iter().any(|other| other.name.as_deref() == Some(name))
        {
            let hint = format!("discard {name} removes it; or choose another name");
            return Err(
                Failure::said(format!("--name {name}"), "a kept container has that name", hint).into()
            );
        }
        let container = Container {
            id: random()?,
            name: name.map(Into::into),
            image: asked.into(),
            manifest: image.digest()?.to_string(),
            layers: image.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            stop_signal: image.config.config().as_ref().and_then(|config| config.stop_signal().clone()),
        };
        let folder = self.folder_of(&container);
        let record = Record::write("directory", &folder.display().to_string())?;
        let made = self.fill(&container, &folder);
        if let Err(error) = made {
            let _ = remove_tree(&folder);
            record.forget()?;
            return Err(error);
        }
        Ok((container, record))
    }

    fn fill(&self, container: &Container, folder: &Path) -> Result<()> {
        DirBuilder::new().mode(0o700).create(folder).with_context(|| folder.display().to_string())?;
        for name in ["upper", "work"] {
            DirBuilder::new().mode(0o755).create(folder.join(name))?;
        }
        // The root that the command sees is the upper directory's: with the mode that the image's has.
        if let Some(top) = container.layer_paths(self)?.last() {
            let seen = fs::metadata(top)?;
            let upper = folder.join("upper");
            fs::set_permissions(&upper, fs::Permissions::from_mode(seen.mode() & 0o7777))?;
            let _ = std::os::unix::fs::chown(&upper, Some(seen.uid()), Some(seen.gid())); // an ordinary user's is its own
        }
        let (place, bytes) = (folder.join("config.json"), json(container)?);
        if container.name.is_some() {
            return write_whole(&self.beside(), &place, &bytes);
        }
        // Nobody misses it after a power cut, and two flushes of the disk are most of a start.
        Ok(fs::write(place, bytes)?)
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
                "it was never there, or was not kept: run removes a container without --name at its end",
                "run --name NAME keeps one; containers shows them",
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

    pub(crate) fn layers_of_containers(&self) -> Result<HashSet<Digest>> {
        let all = self.list()?;
        Ok(all.iter().flat_map(|container| &container.layers).filter_map(|text| text.parse().ok()).collect())
    }
}

impl Container {
    /// The folders of its layers, the lowest first.
    ///
    /// # Errors
    /// Its config was damaged.
    pub fn layer_paths(&self, store: &Store) -> Result<Vec<PathBuf>> {
        let path = |text: &String| {
            let diff_id: Digest = text.parse().map_err(|why: String| anyhow::anyhow!(why))?;
            Ok(store.layer_path(&diff_id))
        };
        self.layers.iter().map(path).collect()
    }
}

fn random() -> Result<String> {
    let mut bytes = [0_u8; 6];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
