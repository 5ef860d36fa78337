//! The few files that programs look for: who is who, and which system this is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n";
const OS_RELEASE: &str =
    "NAME=\"boxroom base\"\nID=boxroom\nPRETTY_NAME=\"boxroom base, made from this machine\"\nVERSION_ID=1\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Writes them.
///
/// # Errors
/// The disk is full, or not to be written.
pub fn write(root: &Path) -> Result<()> {
    for (name, text) in [("passwd", PASSWD), ("group", GROUP), ("os-release", OS_RELEASE), ("hosts", HOSTS)] {
        let file = root.join("etc").join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Whether the folder is a finished base of ours.
#[must_use]
pub fn is_base(dir: &Path) -> bool {
    fs::read_to_string(dir.join("etc/os-release")).is_ok_and(|text| text == OS_RELEASE)
}
