//! The stack while it is written to: what of a file the layers have, what the container's own folder has, and what the
//! command therefore sees. Only the upper directory is looked at, again and again: the layers don't change.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use crate::apply::tree::{is_whiteout, names};
use crate::container::Container;
use crate::pack::is_opaque;
use crate::show;
use crate::store::Store;
use crate::view::{Merged, merged};

/// How often it is looked at.
const OFTEN: Duration = Duration::from_millis(50);
/// How long a container may take until it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is in the upper directory under a path: enough to notice a change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    what: String,
    stamp: (u64, i64, i64),
}

/// Tells each change when it happens, until the container has ended; of one that has, what it changed. Waits for a
/// container that isn't there yet.
///
/// # Errors
/// There is none, its folders can't be read, or the writer's.
pub fn watch(store: &Store, name: &str, mut say: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let container = awaited(store, name)?;
    let below = merged(store, &container.layer_paths(store)?)?;
    let upper = File::open(store.folder_of(&container).join("upper")).context("upper")?;
    say(&format!("{:<28}{:<16}{:<26}{}\n", "", "lower", "upper", "merged"))?;
    let mut told: BTreeMap<String, Own> = BTreeMap::new();
    let mut before: BTreeMap<String, Own> = BTreeMap::new();
    loop {
        // Whether it has ended is asked first: what it did last is still told.
        let is_over = store.at_rest(&container).is_ok();
        let mut now = BTreeMap::new();
        // A file may go while it is looked at; then the next look tells.
        let whole = look(upper.as_fd(), "", &mut now);
        // A file is there before it is whole, and its folder before it is: what two looks saw alike is a change.
        let is_settled = |path: &String| is_over || before.get(path) == now.get(path);
        for (path, own) in now.iter().filter(|(path, _)| is_settled(path)) {
            if told.get(path) != Some(own) && !is_way(own, path, &now) {
                say(&line(&below, path, &own.what))?;
            }
            told.insert(path.clone(), own.clone());
        }
        let gone: Vec<String> =
            told.keys().filter(|path| !now.contains_key(*path) && is_settled(path)).cloned().collect();
        for path in gone {
            say(&line(&below, &path, "-"))?;
            told.remove(&path);
        }
        before = now;
        if is_over {
            return whole;
        }
        std::thread::sleep(OFTEN);
    }
}

/// A folder that was copied up for the sake of what is in it is told with that.
fn is_way(own: &Own, path: &str, now: &BTreeMap<String, Own>) -> bool {
    own.what == FOLDER && now.keys().any(|other| other.starts_with(path) && other.len() > path.len())
}

const FOLDER: &str = "folder";

fn awaited(store: &Store, name: &str) -> Result<Container> {
    let end = Instant::now() + PATIENCE;
    loop {
        match store.container(name) {
            Err(_) if Instant::now() < end => std::thread::sleep(OFTEN),
            other => return other,
        }
    }
}

fn look(folder: BorrowedFd<'_>, path: &str, found: &mut BTreeMap<String, Own>) -> Result<()> {
    for name in names(folder)? {
        let full = format!("{path}/{}", String::from_utf8_lossy(&name).escape_debug());
        let seen = rustix::fs::statat(folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        let mut what = shown(&seen);
        if what == FOLDER {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inside = rustix::fs::openat(folder, name.as_slice(), flags, Mode::empty())?;
            if is_opaque(inside.as_fd()) {
                what = "folder, opaque".into();
            }
            look(inside.as_fd(), &full, found)?;
        }
        let size = u64::try_from(seen.st_size).unwrap_or(0);
        // A folder's time changes with whatever is made in it, and that has a line of its own.
        let stamp = match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory => (0, 0, 0),
            _ => (size, seen.st_mtime, i64::try_from(seen.st_mtime_nsec).unwrap_or(0)),
        };
        found.insert(full, Own { what, stamp });
    }
    Ok(())
}

fn shown(seen: &Stat) -> String {
    if is_whiteout(seen) {
        return "device 0:0 (whiteout)".into();
    }
    match FileType::from_raw_mode(seen.st_mode) {
        FileType::Directory => FOLDER.into(),
        FileType::RegularFile => show::size(u64::try_from(seen.st_size).unwrap_or(0)),
        FileType::Symlink => "symlink".into(),
        _ => "node".into(),
    }
}

/// Lower, upper, and what comes of the two.
fn line(below: &Merged, path: &str, own: &str) -> String {
    let look = rustix::fs::statat(below, path.trim_start_matches('/'), AtFlags::SYMLINK_NOFOLLOW);
    let lower = look.map_or_else(|_| "-".into(), |seen| shown(&seen));
    let merged = match own {
        "-" => lower.as_str(),
        own if own.contains("whiteout") => "gone",
        own => own,
    };
    let told = match (lower.as_str(), own) {
        (_, own) if own.contains("whiteout") => "deleted: a mark hides it",
        (_, "-") => "the own one is gone",
        ("-", _) => "new",
        (_, own) if own.contains("opaque") => "made anew: nothing of the old one shows",
        _ => "copied up, and changed",
    };
    format!("{path:<28}{lower:<16}{own:<26}{merged:<16}{told}\n")
}
