//! Blobs: content under its digest. What doesn't have the digest that it should have is refused, on the way in and
//! on the way out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;

use super::{Store, blame, sync_folder};
use crate::digest::{Digest, Hashing};

/// A manifest, an index or a config of more bytes is refused before it is read: a real one has some kilobytes, and
/// registries take no more than 4 MiB.
pub const LONGEST_JSON: u64 = 4 << 20;

/// A blob on its way in: a file without a name, hashed while it is written. Dropped without [`Ingest::keep`] it is gone.
pub struct Ingest<'s> {
    store: &'s Store,
    file: Option<Hashing<File>>,
    partial: PathBuf,
}

impl Store {
    /// Begins a blob whose digest isn't known yet.
    ///
    /// # Errors
    /// The disk can't be written.
    pub fn ingest(&self) -> Result<Ingest<'_>> {
        let (file, partial) = partial(&self.beside())?;
        Ok(Ingest { store: self, file: Some(Hashing::new(file)), partial })
    }

    /// Stores these bytes.
    ///
    /// # Errors
    /// The disk is full, or not to be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let mut ingest = self.ingest()?;
        ingest.write_all(bytes).map_err(|error| blame(&error, "could not write a blob".into()))?;
        ingest.keep(None).map(|(digest, _)| digest)
    }

    /// Where the blob is, if it is there.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.images().join("blobs/sha256").join(digest.hex())
    }

    /// Opens a blob of exactly this size. The content is verified by whoever reads it, in the same pass.
    ///
    /// # Errors
    /// It isn't there, or its size is another.
    pub fn blob(&self, digest: &Digest, size: u64) -> Result<File> {
        let path = self.blob_path(digest);
        let file = File::open(&path).map_err(|error| {
            let cause = "the image names a blob that the store doesn't have";
            Failure::said(format!("blob {digest}: {error}"), cause, "load, import or copy the image again")
        })?;
        let there = file.metadata()?.len();
        if there != size {
            return Err(damaged(digest, format!("it has {there} bytes, and {size} were declared")).into());
        }
        Ok(file)
    }

    /// Reads a small blob whole, and verifies it. `size` where it is declared somewhere.
    ///
    /// # Errors
    /// Not there, too long, or its content has another digest.
    pub fn small(&self, digest: &Digest, size: Option<u64>) -> Result<Vec<u8>> {
        let length = match size {
            Some(size) => size,
            None => fs::metadata(self.blob_path(digest)).with_context(|| format!("blob {digest}"))?.len(),
        };
        if length > LONGEST_JSON {
            bail!(
                "blob {digest} is said to be JSON and has {length} bytes; more than {LONGEST_JSON} are refused"
            );
        }
        let blob = self.blob(digest, length)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length)?); // read at once, in steps of 32 bytes otherwise
        blob.take(length).read_to_end(&mut bytes)?;
        if Digest::of(&bytes) != *digest {
            return Err(damaged(digest, format!("its content has {}", Digest::of(&bytes))).into());
        }
        Ok(bytes)
    }
}

impl Ingest<'_> {
    /// Gives the blob its name; `expected`: only if that is its digest. Returns digest and size.
    ///
    /// # Errors
    /// Another digest than expected, or the disk is full.
    pub fn keep(mut self, expected: Option<&Digest>) -> Result<(Digest, u64)> {
        let Some(file) = self.file.take() else { bail!("a blob is kept once") };
        let (digest, size, file) = file.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(damaged(expected, format!("what came has {digest}")).into());
        }
        let target = self.store.blob_path(&digest);
        if fs::metadata(&target).is_ok_and(|there| there.len() == size) {
            return Ok((digest, size)); // the same content was there: it is stored once
        }
        file.sync_all()
            .and_then(|()| fs::rename(&self.partial, &target))
            .and_then(|()| sync_folder(&target))
            .map_err(|error| blame(&error, format!("could not store blob {digest}")))?;
        Ok((digest, size))
    }
}

impl Write for Ingest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        // Renamed by now, or not wanted.
        let _ = fs::remove_file(&self.partial);
    }
}

/// What is said about content that isn't what its name says.
#[must_use]
pub fn damaged(digest: &Digest, why: String) -> Failure {
    Failure::said(
        format!("blob {digest} is not what its name says: {why}"),
        "it was damaged or tampered with, on the disk or on its way here",
        "remove the image (rm) and prune, then load, import or copy it again",
    )
}

/// A new file that nobody else has, and its name.
pub(crate) fn partial(folder: &Path) -> Result<(File, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("partial-{}-{number}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            // A process that had this number before and was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(blame(&error, format!("could not make {}", path.display())).into()),
        }
    }
}
