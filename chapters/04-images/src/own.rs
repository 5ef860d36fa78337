//! The mechanism of a container's own folder: on record before it is made, and gone at the end where nobody keeps it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use ch00_process::wait::Ended;
use nix::fcntl::Flock;

use crate::container::Container;
use crate::mapped;
use crate::store::{Lease, Store};

/// What the container has of its own: made with the launch, or there already.
#[derive(Debug)]
pub struct Own {
    pub(crate) store: Store,
    pub(crate) container: Container,
    /// Whether it is there already.
    pub(crate) is_made: bool,
    /// Whether it stays when the command has ended.
    pub(crate) keeps: bool,
    /// Until the container is written down nothing else says that its layers are needed.
    pub(crate) lease: Option<Lease>,
    pub(crate) running: Option<Flock<File>>,
}

impl Mechanism for Own {
    const NAME: &'static str = "04-images/container";
    type Opened = ();

    // ANCHOR: prepare
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        if self.is_made {
            self.running = Some(self.store.running(&self.container).map_err(failure)?);
        } else {
            let folder = self.store.folder_of(&self.container);
            let record = k
                .why("whoever finds this note knows what to remove, should we be killed")
                .record(Self::NAME, &folder.display().to_string())?;
            let made = self.make(k, &folder);
            if self.keeps && made.is_ok() {
                k.why("it is kept: it stays, whatever happens from here").forget(record)?;
            } else {
                birth.leaves(record);
            }
            self.running = Some(made?);
        }
        self.lease = None;
        Ok(())
    }
    // ANCHOR_END: prepare

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    fn outcome(&mut self, _: &Kernel, _: &mut Result<Ended>) -> Result<()> {
        self.running = None;
        Ok(())
    }

    fn cleanup(k: &Kernel, left: &str) -> Result<()> {
        if !mapped::is_needed() {
            return remove(Path::new(left), k).map_err(failure);
        }
        // What the command made belongs to ids that only the map can remove.
        let ended = mapped::ask("remove", left, k)?;
        if ended.code == 0 {
            return Ok(());
        }
        Err(k.refuse(format!("{left} could not be removed"), "see above", "cargo workshop clean tries again"))
    }
}

impl Own {
    /// Its name is asked for and taken under one lock, so that two can't have it.
    fn make(&self, k: &Kernel, folder: &Path) -> Result<Flock<File>> {
        let _lock = self.store.free_name(&self.container).map_err(failure)?;
        k.why("what this container has of its own").mkdir(folder, 0o700)?;
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        k.why("what it changes goes here").mkdir(&upper, 0o755)?;
        k.why("overlayfs's workshop: what is half done").mkdir(&work, 0o755)?;
        like_the_image(&self.store, &self.container, &upper).map_err(failure)?;
        self.store.write_down(&self.container, self.keeps).map_err(failure)
    }
}

/// The root that the command sees is the upper directory's: with the mode that the image's has.
///
/// # Errors
/// The image's layers aren't unpacked.
pub fn like_the_image(store: &Store, container: &Container, upper: &Path) -> anyhow::Result<()> {
    let Some(top) = container.layer_paths(store)?.pop() else { return Ok(()) };
    let seen = fs::metadata(top)?;
    fs::set_permissions(upper, fs::Permissions::from_mode(seen.mode() & 0o7777))?;
    let _ = std::os::unix::fs::chown(upper, Some(seen.uid()), Some(seen.gid())); // an ordinary user's is its own
    Ok(())
}

/// Removes the folder of a container that a record names. The name comes from a file, so it is looked at.
///
/// # Errors
/// It isn't such a folder, somebody runs it, or as the kernel says. That it is gone already is no error.
pub fn remove(folder: &Path, k: &Kernel) -> anyhow::Result<()> {
    if beginning(folder).is_none() {
        anyhow::bail!("{}: not a path that boxroom would make a container at", folder.display());
    }
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Ok(seen) if seen.is_dir() => {}
        Ok(_) => anyhow::bail!("{}: not a directory any more", folder.display()),
        Err(error) => return Err(error.into()),
    }
    // Without its config it is no container any more, whatever happens to the rest.
    let _ = fs::remove_file(folder.join("config.json"));
    Ok(k.why("nobody keeps it: what it has changed goes with it").remove_tree(folder)?)
}

/// The data root of `ROOT/containers/ID`.
fn beginning(folder: &Path) -> Option<&Path> {
    let id = folder.file_name()?.to_str()?;
    let containers = folder.parent()?;
    let good = folder.is_absolute()
        && id.len() == 12
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && containers.file_name()? == "containers"
        && !folder.components().any(|part| part == std::path::Component::ParentDir);
    if good { containers.parent() } else { None }
}

/// What the store says, as what a step of a launch says.
#[must_use]
pub fn failure(error: anyhow::Error) -> Failure {
    let code = error.downcast_ref::<Failure>().map(|failure| failure.code);
    match error.downcast_ref::<Failure>() {
        Some(failure) if error.chain().count() == 1 => failure.clone(),
        _ => {
            let said = Failure::said(format!("{error:#}"), "", "");
            code.into_iter().fold(said, Failure::code)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn ch04_only_a_containers_folder_is_removed() {
        let there = |text: &str| beginning(Path::new(text)).map(PathBuf::from);
        assert_eq!(there("/var/lib/boxroom/containers/0123456789ab"), Some("/var/lib/boxroom".into()));
        for wrong in [
            "/home/me",
            "containers/0123456789ab",
            "/x/containers/../containers/0123456789ab",
            "/x/containers/..",
        ] {
            assert_eq!(there(wrong), None, "{wrong}");
        }
    }
}
