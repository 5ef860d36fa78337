//! The few files that programs look for: who is who, and which system this is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::geteuid;

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

/// The devices that a shell opens by itself, for chapter 01, whose `/dev` is this folder. Only root may make
/// them; an ordinary user's base is without, and chapter 02 brings a `/dev` of its own to both.
///
/// # Errors
/// The disk is full, or the file system doesn't take devices.
pub fn devices(root: &Path) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let node = root.join("dev").join(name);
        let mode = Mode::from_bits_truncate(0o666);
        match mknod(&node, SFlag::S_IFCHR, mode, makedev(major, minor)) {
            // Root of a container around us may not, either.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno).with_context(|| node.display().to_string()),
        }
        let _ = fs::set_permissions(&node, fs::Permissions::from_mode(0o666)); // the umask took some away
    }
    Ok(())
}

/// Whether the folder is a finished base of ours.
#[must_use]
pub fn is_base(dir: &Path) -> bool {
    fs::read_to_string(dir.join("etc/os-release")).is_ok_and(|text| text == OS_RELEASE)
}
