//! The few files that programs look for: who is who, and which system this is.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::site::Site;

/// Each file in `/etc` and its text.
const FILES: [(&str, &str); 5] = [
    ("passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("hostname", "boxroom\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    (
        "os-release",
        "NAME=\"boxroom base\"\nID=boxroom\nPRETTY_NAME=\"boxroom base, made from this machine\"\nVERSION_ID=1\n",
    ),
];

/// Puts them there.
///
/// # Errors
/// The disk is full, or not to be written.
pub fn put(site: &Site) -> Result<()> {
    FILES.iter().try_for_each(|(name, text)| site.text(Path::new("etc").join(name), text))
}

/// Whether the folder is a finished base of ours. A reader may have changed its name or version since.
#[must_use]
pub fn is_base(dir: &Path) -> bool {
    fs::read_to_string(dir.join("etc/os-release")).is_ok_and(|text| says_boxroom(&text))
}

fn says_boxroom(os_release: &str) -> bool {
    os_release.lines().any(|line| line.trim_end() == "ID=boxroom")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch01_a_base_is_known_by_its_id_alone() {
        let (_, ours) = FILES[4];
        assert!(says_boxroom(ours));
        assert!(says_boxroom("NAME=\"System A\"\nVERSION_ID=5\nID=boxroom\n"));
        assert!(!says_boxroom("ID=debian\nID_LIKE=boxroom\n"));
        assert!(!says_boxroom(""));
    }
}
