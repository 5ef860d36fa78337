//! Layers unpacked: each once, under its diff_id, shared by every image and container that has it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::apply::{Notes, apply};
use crate::digest::{Digest, Hashing};
use crate::progress::Work;
use crate::store::blob::damaged;
use crate::store::image::{Image, Layer};
use crate::store::{Store, blame};

/// More at once only wait for the same disk.
const MOST_THREADS: usize = 4;
/// Read from the disk in pieces of this size, bytes.
const PIECE: usize = 256 << 10;

impl Store {
    /// Where the layer is, once it is unpacked.
    #[must_use]
    pub fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.layers().join(diff_id.hex())
    }

    /// Unpacks what isn't unpacked yet. Returns the layers' folders, the lowest first, and what could not be made.
    ///
    /// # Errors
    /// A layer is damaged, hostile or of an unknown kind; the disk is full. Nothing is left of what was begun.
    pub fn unpack(&self, image: &Image) -> Result<(Vec<PathBuf>, Notes)> {
        let paths = image.layers.iter().map(|layer| self.layer_path(&layer.diff_id)).collect();
        let mut seen = HashSet::new();
        let mut missing: Vec<&Layer> = image
            .layers
            .iter()
            .filter(|layer| seen.insert(layer.diff_id) && !self.layer_path(&layer.diff_id).is_dir())
            .collect();
        if missing.is_empty() {
            return Ok((paths, Notes::default()));
        }
        missing.sort_by_key(|layer| std::cmp::Reverse(layer.size)); // the longest first: nobody waits for it alone
        let notes = self.all(&missing)?;
        Ok((paths, notes))
    }

    /// Several at a time, none of them named before all are on the disk.
    fn all(&self, missing: &[&Layer]) -> Result<Notes> {
        let work = Work::begin("unpacking", missing.iter().map(|layer| layer.size).sum())?;
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let one = || {
            while let Some(layer) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = self.beside_unpacked(layer, &work);
                let failed = result.is_err();
                results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*layer, result));
                if failed {
                    next.store(missing.len(), Ordering::Relaxed);
                }
            }
        };
        let threads =
            thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(missing.len());
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(one);
            }
            one();
        });
        let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut whole = Ok(Notes::default());
        let mut ready = Vec::new();
        for (layer, result) in results {
            match (result, &mut whole) {
                (Ok((folder, more)), Ok(notes)) => {
                    notes.merge(more);
                    ready.push((layer, folder));
                }
                (Ok(_), Err(_)) => {} // swept with the folder's guard
                (Err(error), whole) => {
                    *whole =
                        Err(error.context(format!("layer {} (diff_id {})", layer.digest, layer.diff_id)));
                }
            }
        }
        let notes = whole?;
        self.name_all(ready)?;
        Ok(notes)
    }

    /// On the disk first, then the names: a layer that is there is whole, after a power cut too.
    fn name_all(&self, ready: Vec<(&Layer, Beside)>) -> Result<()> {
        let folder = File::open(self.layers())?;
        rustix::fs::syncfs(&folder).context("syncfs")?;
        for (layer, beside) in ready {
            match fs::rename(&beside.0, self.layer_path(&layer.diff_id)) {
                Ok(()) => {}
                // Somebody else had the same layer ready first.
                Err(_) if self.layer_path(&layer.diff_id).is_dir() => {}
                Err(error) => bail!(blame(&error, format!("could not name layer {}", layer.diff_id))),
            }
        }
        Ok(folder.sync_all()?)
    }

    fn beside_unpacked(&self, layer: &Layer, work: &Work) -> Result<(Beside, Notes)> {
        let folder = Beside::new(self, layer)?;
        let root: OwnedFd = File::open(&folder.0)?.into();
        let blob = self.blob(&layer.digest, layer.size)?;
        let notes = verified(layer, work.reading(blob), root)?;
        Ok((folder, notes))
    }
}

/// One pass over the blob: it is hashed as it is stored, decompressed, hashed again as plain tar, and applied.
/// Nothing of it is believed before both digests are what the manifest and the config say.
// ANCHOR: verified
fn verified(layer: &Layer, blob: impl Read, root: OwnedFd) -> Result<Notes> {
    let mut blob = Hashing::new(blob);
    let applied: Result<_> = (|| {
        let plain = layer.compression.bounded(BufReader::with_capacity(PIECE, &mut blob), layer.size)?;
        let mut plain = Hashing::new(plain);
        let notes = apply(&mut plain, root)?;
        Ok((notes, plain.finish().0))
    })();
    io::copy(&mut blob, &mut io::sink())?;
    let (digest, ..) = blob.finish();
    // ANCHOR: task-digest
    if digest != layer.digest {
        // Whatever else was wrong with it: this is why.
        bail!(damaged(&layer.digest, format!("its content has {digest}")));
    }
    let (notes, diff_id) = applied.map_err(|error: anyhow::Error| error.context("could not be unpacked"))?;
    if diff_id != layer.diff_id {
        bail!(
            "its tar has the digest {diff_id}, and the config says {} (a layer's digest is of the compressed blob, its \
             diff_id of the plain tar)",
            layer.diff_id
        );
    }
    Ok(notes)
    // ANCHOR_END: task-digest
}
// ANCHOR_END: verified

/// A folder for a layer that isn't whole yet; gone where it gets no name.
struct Beside(PathBuf);

impl Beside {
    fn new(store: &Store, layer: &Layer) -> Result<Self> {
        let name = format!("layer-{}-{}", layer.diff_id.short(), std::process::id());
        let path = (0..).map(|n| store.beside().join(format!("{name}-{n}"))).find(|path| !path.exists());
        let path = path.context("no name is free")?;
        fs::create_dir(&path).map_err(|error| blame(&error, format!("could not make {}", path.display())))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode)?; // the root of a system, where the archive says nothing else
        Ok(Self(path))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Renamed by now, or not wanted. What can't be removed here, prune removes.
        let _ = remove_tree(&self.0);
    }
}

/// Removes a folder with all that is in it, where it is there.
///
/// # Errors
/// As the kernel says.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
