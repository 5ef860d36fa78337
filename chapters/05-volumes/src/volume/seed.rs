//! A volume with nothing in it gets what the image has in its place, with owners, modes and attributes: so that a new
//! drive is a copy of what the program expects, and not a hole in it. Docker's rule.

use std::fs::{self, DirBuilder, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use ch00_process::kernel::Kernel;
use ch04_images::layers::remove_tree;
use ch04_images::pack::{As, pack};
use ch04_images::store::Store as Images;
use ch04_images::view::merged;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::Store;
use super::archive::unpack;
use crate::mapped;

/// The image that a container is made of.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Its digest.
    pub image: String,
}

impl Seed {
    /// Fills the volume; an ordinary user's in the map, since what is in an image belongs to many.
    ///
    /// # Errors
    /// The image can't be read, or the disk is full: then the volume is as empty as it was.
    pub fn fill(&self, k: &Kernel, store: &Store, name: &str, target: &str) -> Result<()> {
        if !mapped::is_needed() {
            return self.fill_here(store, name, target);
        }
        let ended = mapped::ask(k, &["seed", &self.image, name, target])?;
        if ended.code != 0 {
            bail!("volume {name} could not be filled from the image: see above");
        }
        Ok(())
    }

    /// The same, by whoever may.
    ///
    /// # Errors
    /// As [`Seed::fill`].
    pub fn fill_here(&self, store: &Store, name: &str, target: &str) -> Result<()> {
        let Some(there) = self.place(&store.images, target)? else { return Ok(()) };
        store
            .filled(name, |root| copy(&there, root))
            .with_context(|| format!("volume {name} could not be filled from {target} of the image"))
    }

    /// The directory that the image has there, if it has one: found as the image's programs would.
    fn place(&self, images: &Images, target: &str) -> Result<Option<OwnedFd>> {
        let image = images.image(&self.image)?;
        let folders: Vec<_> = image.layers.iter().map(|layer| images.layer_path(&layer.diff_id)).collect();
        let tree = merged(images, &folders)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(tree.as_fd(), target.trim_start_matches('/'), flags, Mode::empty(), how) {
            Ok(place) => Ok(Some(place)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno).with_context(|| format!("{target} of the image")),
        }
    }
}

impl Store {
    /// Gives an empty volume its files: made beside, brought to the disk, renamed. In no moment is it half there. Whoever
    /// calls has the volume's lock to itself.
    ///
    /// # Errors
    /// What `fill` says; then the volume is as empty as it was.
    pub(super) fn filled<T>(&self, name: &str, fill: impl FnOnce(OwnedFd) -> Result<T>) -> Result<T> {
        let beside = self.folder(name).join("filling");
        remove_tree(&beside).with_context(|| beside.display().to_string())?; // of somebody who was killed
        DirBuilder::new().mode(0o755).create(&beside).with_context(|| beside.display().to_string())?;
        let filled = File::open(&beside).map_err(Into::into).and_then(|root| fill(root.into()));
        let named = filled.and_then(|done| {
            rustix::fs::syncfs(File::open(&beside)?).context("syncfs")?;
            // An empty folder may be renamed over.
            fs::rename(&beside, self.data(name)).with_context(|| self.data(name).display().to_string())?;
            Ok(done)
        });
        if named.is_err() {
            let _ = remove_tree(&beside);
        }
        named
    }
}

/// As a tar through a pipe, so that one piece of code knows what belongs to a file.
fn copy(from: &OwnedFd, to: OwnedFd) -> Result<()> {
    let (read, write) = std::io::pipe().context("pipe")?;
    thread::scope(|scope| {
        let packing = scope.spawn(move || {
            let mut write = BufWriter::new(write);
            pack(from.as_fd(), As::Tree, &mut write)?;
            write.flush().context("write")
        });
        let unpacked = unpack(BufReader::new(read), to).map(drop);
        let packed = packing.join().map_err(|_| anyhow!("packing the image's files panicked"))?;
        // Whoever reads no further breaks the pipe of who writes: the reader's reason is the one.
        unpacked.and(packed)
    })
}
