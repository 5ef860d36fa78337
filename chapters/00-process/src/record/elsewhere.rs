//! The records of other run roots. An engine with another `BOXROOM_RUN` is one of ours, too, and what it is about to make
//! or uses is nobody else's to remove, however empty it looks.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::{Record, below};
use crate::place;

/// All records below the run roots that living processes have, ours left out. A living engine's run root is among them,
/// because its environment names it; an ordinary user may look at the own processes only, and could remove nothing of
/// the others'.
///
/// Whoever wants to know what is in use lists that first, and then asks: a record is written before the thing is made.
#[must_use]
pub fn elsewhere() -> Vec<Record> {
    let ours = place::run_root().ok().and_then(|root| fs::metadata(root).ok()).map(|root| id(&root));
    let mut seen: HashSet<(u64, u64)> = ours.into_iter().collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process = entry.file_name().as_bytes().iter().all(u8::is_ascii_digit);
        let Some((root, user)) = is_process.then(|| root_of(&entry.path())).flatten() else { continue };
        let Ok(there) = fs::metadata(&root) else { continue };
        // Nobody speaks for another: a run root belongs to whoever uses it.
        if there.uid() == user.as_raw() && seen.insert(id(&there)) {
            found.extend(below(&root.join("records")).unwrap_or_default());
        }
    }
    found
}

/// The run root of a process, by a path that leads there from here though its mounts are others; and whose it is.
/// proc_pid_environ(5), proc_pid_root(5)
fn root_of(process: &Path) -> Option<(PathBuf, Uid)> {
    let user = Uid::from_raw(fs::metadata(process).ok()?.uid());
    let environment = fs::read(process.join("environ")).ok()?;
    let root = place::run_root_of(user, |name| value(&environment, name));
    let below = root.strip_prefix("/").ok()?.to_path_buf();
    Some((process.join("root").join(below), user))
}

/// A variable of `environ` that is set to something.
fn value(environment: &[u8], name: &str) -> Option<OsString> {
    let mut pairs = environment.split(|byte| *byte == 0);
    let value = pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    (!value.is_empty()).then(|| OsStr::from_bytes(value).to_owned())
}

fn id(folder: &fs::Metadata) -> (u64, u64) {
    (folder.dev(), folder.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_a_variable_is_found_whole_in_an_environ() {
        let environ = b"A=1\0BOXROOM_RUN_NOT=/x\0BOXROOM_RUN=/run=1\0EMPTY=\0";
        assert_eq!(value(environ, "BOXROOM_RUN"), Some("/run=1".into()));
        assert_eq!((value(environ, "EMPTY"), value(environ, "BOXROOM")), (None, None));
    }
}
