//! A disk without room: what is known of a container is written all the same, where its file has room already.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Error;
use ch00_process::failure::Failure;
use nix::errno::Errno;

/// Whether it failed for want of room, or because the quota is used up.
#[must_use]
pub fn is(error: &Error) -> bool {
    let io = |error: &io::Error| error.raw_os_error();
    let errno = match (error.downcast_ref::<Failure>(), error.downcast_ref::<io::Error>()) {
        (Some(failure), _) => Some(failure.errno),
        (_, error) => error.and_then(io),
    };
    errno.is_some_and(|errno| [Errno::ENOSPC, Errno::EDQUOT].contains(&Errno::from_raw(errno)))
}

/// Writes a file of text over what it had. Not cut off first: its blocks are given back then, and somebody else has them
/// before this comes to write. What is left of the old text becomes blanks, and is cut off when all is there.
///
/// # Errors
/// There is no such file; it has to grow, and can't.
pub fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let seen = file.metadata()?;
    let before = usize::try_from(seen.len()).unwrap_or(0);
    if bytes.len() as u64 > (seen.blocks() * 512).max(seen.len()) {
        return Err(Errno::ENOSPC.into()); // rather the old text than half of the new one
    }
    let mut text = bytes.to_vec();
    text.resize(before.max(bytes.len()), b' ');
    file.write_all(&text)?; // one write: whoever reads meanwhile has the one or the other
    file.set_len(bytes.len() as u64)?;
    file.sync_data()
}

/// What a container has said is given up: for want of its room the container itself could not be removed.
pub fn give_up_log(folder: &Path, files: u32) {
    for age in 0..=files {
        let _ = fs::remove_file(crate::log::file(folder, age));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_full_disk_is_known_by_its_errno() {
        let full = || Error::from(io::Error::from_raw_os_error(Errno::ENOSPC as i32));
        assert!(is(&full()) && is(&full().context("state.json")));
        assert!(!is(&io::Error::from_raw_os_error(Errno::EACCES as i32).into()));
        let mut told = Failure::said("could not write", "", "");
        assert!(!is(&told.clone().into()));
        told.errno = Errno::EDQUOT as i32;
        assert!(is(&told.into()));
    }

    #[test]
    fn ch06_a_text_is_written_over_another() {
        let path = std::env::temp_dir().join(format!("ch06-rewrite-{}", std::process::id()));
        for (old, new) in [("a long old text", "new"), ("old", "a long new text"), ("old", "")] {
            fs::write(&path, old).unwrap();
            rewrite(&path, new.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), new);
        }
        fs::remove_file(&path).unwrap();
        assert!(rewrite(&path, b"x").is_err(), "nothing is made");
    }
}
