//! An ordinary user's volumes: what is in them belongs to ids of the map, so filling, packing and removing is done in
//! there, by this program again. Chapter 04's `mapped` does the same for containers.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};
use ch00_process::failure::Failure;
use ch00_process::kernel::{self, Kernel};
use ch00_process::wait::Ended;
use ch04_images::mapped;
pub use ch04_images::mapped::is_needed;
use ch04_images::own::failure;

use crate::volume::seed::Seed;
use crate::volume::{Store, of_record};

/// The first word of a program that asks itself.
const WORD: &str = "in-the-map-of-volumes";

/// Asks this program, whichever it is, to do one thing in the map; its `main` begins with [`asked`].
///
/// # Errors
/// No user namespace for this user.
pub(crate) fn ask(k: &Kernel, words: &[&str]) -> kernel::Result<Ended> {
    mapped::run([WORD].iter().chain(words).map(OsString::from).collect(), k)
}

/// What a launch asks of the program that it is in, done; chapter 04's questions too. None where nothing was asked. Every
/// program that starts containers with volumes begins with this.
#[must_use]
pub fn asked() -> Option<Result<()>> {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WORD, words @ ..] => Some(answer(words)),
        _ => mapped::asked(),
    }
}

fn answer(words: &[&str]) -> Result<()> {
    match *words {
        ["seed", image, name, target] => {
            Seed { image: image.into() }.fill_here(&Store::open()?, name, target)
        }
        ["remove", folder] => remove(Path::new(folder)),
        _ => bail!("{WORD} {}: no verb of this program; is it of another version?", words.join(" ")),
    }
}

/// Removes the volume that a record names; in the map where that is needed.
///
/// # Errors
/// It isn't such a folder, or as the kernel says. That it is gone already is no error, nor that somebody else uses it by
/// now.
pub fn remove_left(k: &Kernel, folder: &Path) -> kernel::Result<()> {
    if !is_needed() {
        return remove(folder).map_err(failure);
    }
    let ended = ask(k, &["remove", &folder.to_string_lossy()])?;
    if ended.code == 0 {
        return Ok(());
    }
    let what = format!("{} could not be removed", folder.display());
    Err(k.refuse(what, "see above", "cargo workshop clean tries again"))
}

fn remove(folder: &Path) -> Result<()> {
    let (root, name) = of_record(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let store = Store::at(&root)?;
    match store.remove(&name) {
        Err(error) if error.downcast_ref::<Failure>().is_some() && !store.is_free(&name).unwrap_or(true) => {
            Ok(()) // another container has it by now; it goes with volume prune
        }
        other => other,
    }
}
