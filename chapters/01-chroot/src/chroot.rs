//! The root switched by chroot(2): one call, and half of what a container needs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Root;

/// `/` becomes another directory, for this process and its children. Who is root inside can leave again:
/// `probe try chroot-escape` does, and chapter 02 replaces this by `pivot_root`.
#[derive(Debug)]
pub struct Chroot {
    /// The folder that becomes `/`.
    pub rootfs: PathBuf,
}

impl Root for Chroot {
    const NAME: &'static str = "01-chroot";

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<Option<OwnedFd>> {
        Ok(None) // chroot takes a path; the descriptor's way comes with chapter 02
    }

    // ANCHOR: switch
    fn switch(&self, k: &Kernel, _: Option<OwnedFd>) -> Result<()> {
        // ANCHOR: task-chroot
        k.why("paths that begin with / begin here from now on").chroot(&self.rootfs)?;
        k.why("chroot moves only /, not where we stand: a working directory left outside is a way out")
            .chdir(Path::new("/"))
        // ANCHOR_END: task-chroot
    }
    // ANCHOR_END: switch
}
