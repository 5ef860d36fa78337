//! The root switched by pivot_root(2): not a view on the host's tree as with chroot, but another tree, and
//! the old one taken away.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Child, Root};
use nix::fcntl::OFlag;

/// A folder becomes `/` as a mount of its own.
#[derive(Debug)]
pub struct Pivot {
    /// The folder on the host.
    pub rootfs: PathBuf,
    /// Whether its files shall be owned as the user namespace counts (root with a user namespace).
    pub id_mapped: bool,
    /// `--without pivot`: by chapter 01's chroot instead, which leaves the old root where it is.
    pub by_chroot: bool,
}

impl Root for Pivot {
    const NAME: &'static str = "02-namespaces/pivot";

    /// Only the host may id-map a mount, and only after the maps are written.
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        if !self.id_mapped {
            return Ok(());
        }
        let tree = k.why("the rootfs as a mount that is attached nowhere").open_tree(&self.rootfs)?;
        let userns = PathBuf::from(format!("/proc/{}/ns/user", child.pid));
        let userns = k.why("the child's user namespace").open(&userns, OFlag::O_RDONLY)?;
        k.why("what root owns on disk, root inside owns too")
            .mount_setattr_idmap(tree.as_fd(), userns.as_fd())?;
        child.hand("rootfs", tree);
        Ok(())
    }

    // ANCHOR: open
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Option<OwnedFd>> {
        if let Some(tree) = handed.take("rootfs") {
            return Ok(Some(tree));
        }
        k.why("a mount of its own, as pivot_root wants, without a mount point to clean up")
            .open_tree(&self.rootfs)
            .map(Some)
    }
    // ANCHOR_END: open

    // ANCHOR: switch
    fn switch(&self, k: &Kernel, root: Option<OwnedFd>) -> Result<()> {
        let Some(root) = root else { return Ok(()) };
        if self.by_chroot {
            k.why("--without pivot: a view on the host's tree, as in chapter 01").chroot(&self.rootfs)?;
            return k.why("--without pivot: and inside of it").chdir(Path::new("/"));
        }
        // ANCHOR: task-pivot
        k.why("on top of the host's root, where it hides it").move_mount(root.as_fd(), "/")?;
        k.why("stand in it: / still means the old root for this process").fchdir(root.as_fd())?;
        k.why("old and new change places; the old one ends up on top of the new").pivot_root(".", ".")?;
        k.why("and is taken away: from here no path leads to the host").umount_detach(".")?;
        k.why("stand in the new root").chdir(Path::new("/"))
        // ANCHOR_END: task-pivot
    }
    // ANCHOR_END: switch
}
