//! Mounts of its own: what is mounted inside is not seen outside, and the other way. mount_namespaces(7).

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

/// A copy of the host's table of mounts, on which changes stay private.
#[derive(Debug)]
pub struct Mounts {
    /// Whether propagation is cut both ways; `--without mnt` cuts only the way out.
    pub both_ways: bool,
}

impl Mechanism for Mounts {
    const NAME: &'static str = "02-namespaces/mnt";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWNS);
        Ok(())
    }

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        if !self.both_ways {
            return k.why("--without mnt: what the host mounts later goes on arriving").mount_slave("/");
        }
        // ANCHOR: task-private
        k.why("systemd shares all mounts: without this, each mount made here would appear on the host")
            .mount_private("/")
        // ANCHOR_END: task-private
    }
    // ANCHOR_END: open
}

/// Attaches `mount` at `path` of the new root, which is `/` by now. The place is made where the rootfs lacks it.
///
/// # Errors
/// The rootfs is read-only and has no such folder, or something else stands there.
// ANCHOR: attach
pub fn attach(k: &Kernel, mount: &OwnedFd, path: &str) -> Result<()> {
    let place = place(k, path)?;
    k.why("attached to the descriptor itself: a symlink in the image can't lead it elsewhere")
        .move_mount_onto(mount.as_fd(), place.as_fd())
}
// ANCHOR_END: attach

fn place(k: &Kernel, path: &str) -> Result<OwnedFd> {
    let root = k.why("the new root").open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    let inside = path.trim_start_matches('/');
    let find = || {
        k.why("the mount point: no .. leads out of the new root, and no symlink anywhere").open_in_root(
            root.as_fd(),
            Path::new(inside),
            OFlag::O_PATH | OFlag::O_DIRECTORY,
        )
    };
    match find() {
        Err(failure) if failure.errno() == Errno::ENOENT => {
            make(k, root.as_fd(), inside)?;
            find()
        }
        other => other,
    }
}

fn make(k: &Kernel, root: BorrowedFd<'_>, inside: &str) -> Result<()> {
    k.why("the rootfs has no such folder yet").mkdirat(root, inside, 0o755)
}
