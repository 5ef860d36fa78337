//! The root as a stack: layers that nobody writes to, and on top a directory of the container's own. overlayfs shows
//! them as one tree. Linux, Documentation/filesystems/overlayfs.rst.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result, age};
use ch00_process::mechanism::{Child, Root};
use ch02_namespaces::pivot::Pivot;
use clap::ValueEnum;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use rustix::mount::MountAttrFlags;
use serde::{Deserialize, Serialize};

/// By which calls the stack is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// fsopen and fsconfig: each layer a call of its own (Linux 6.8)
    Fsconfig,
    /// mount(2): all layers in one line of options, which may have a page
    Mount,
}

/// The stack becomes `/`.
#[derive(Debug)]
pub struct Overlay {
    /// The folder from which the names below are short.
    pub beginning: PathBuf,
    /// The layers' folders in its `layers`, the lowest first.
    pub lowers: Vec<PathBuf>,
    /// The container's folder in it, with `upper` and `work`.
    pub own: PathBuf,
    /// In a user namespace overlayfs keeps its books in `user.` attributes: `trusted.` ones are real root's.
    pub user_attributes: bool,
    /// What is written need not survive the power: the container is removed at its end.
    pub volatile: bool,
    /// Nothing can be written.
    pub read_only: bool,
    /// Whether the files shall be owned as the user namespace counts (root with a user namespace).
    pub id_mapped: bool,
    /// By which calls; the newer where the kernel has them.
    pub way: Option<Way>,
}

impl Root for Overlay {
    const NAME: &'static str = "04-images/overlay";

    /// Only the host may id-map a mount, and only after the maps are written: all layers at once, by the folder that
    /// they are in. Linux 5.19 for what overlayfs stacks.
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        if !self.id_mapped {
            return Ok(());
        }
        let userns = PathBuf::from(format!("/proc/{}/ns/user", child.pid));
        let userns = k.why("the child's user namespace").open(&userns, OFlag::O_RDONLY)?;
        for (name, folder) in [(LAYERS, Path::new(LAYERS)), (OWN, &self.own)] {
            let tree =
                k.why("a folder of the stack, attached nowhere").open_tree(&self.beginning.join(folder))?;
            k.why("what root owns on disk, root inside owns too")
                .mount_setattr_idmap(tree.as_fd(), userns.as_fd())?;
            child.hand(name, tree);
        }
        Ok(())
    }

    // ANCHOR: open
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Option<OwnedFd>> {
        let mut sent_in = Vec::new();
        let mut stand = |name, folder: &Path| match handed.take(name) {
            Some(tree) => {
                sent_in.push(tree);
                let tree = sent_in[sent_in.len() - 1].as_fd();
                k.why("the host has sent it in, id-mapped; only what is attached here may be stacked here")
                    .move_mount(tree, "/")?;
                k.why("stand in it: / still means the old root").fchdir(tree)
            }
            None => k.why("names are short from here, and an option may have 255 bytes").chdir(folder),
        };
        stand(LAYERS, &self.beginning.join(LAYERS))?;
        if self.way == Some(Way::Mount) {
            return self.by_mount(k).map(Some);
        }
        let stack = k.why("a new file system: layers as one tree").fsopen("overlay")?;
        let set = |key, value: &Path| {
            k.why("the layers from the top down, each for itself; the container's own on top")
                .fsconfig_string(stack.as_fd(), key, &value.to_string_lossy())
        };
        // ANCHOR: task-overlay
        for lower in self.lowers.iter().rev() {
            match set("lowerdir+", lower) {
                // The key came with 6.5; until 6.8 it took names apart at their colons.
                Err(failure) if failure.errno() == Errno::EINVAL && self.way.is_none() => {
                    return self.by_mount(k).map(Some);
                }
                other => other?,
            }
        }
        stand(OWN, &self.beginning.join(&self.own))?;
        set("upperdir", Path::new("upper"))?;
        set("workdir", Path::new("work"))?;
        // ANCHOR_END: task-overlay
        for (key, value) in BOOKS {
            k.why("what a layer's attributes say leads nowhere else").fsconfig_string(
                stack.as_fd(),
                key,
                value,
            )?;
        }
        if self.user_attributes {
            k.why("deletions are noted where a user namespace may write them")
                .fsconfig_flag(stack.as_fd(), "userxattr")?;
        }
        if self.volatile {
            k.why("it is removed at its end: no flush of the whole disk for it")
                .fsconfig_flag(stack.as_fd(), "volatile")?;
        }
        match k.why("the layers are looked at, and stacked").fsconfig_create(stack.as_fd()) {
            // Until 6.5 every key was taken as it came, and only here is it found that nobody knows it.
            Err(failure) if failure.errno() == Errno::EINVAL && self.way.is_none() => {
                if sent_in.is_empty() {
                    return self.by_mount(k).map(Some);
                }
                let cause = "id-mapped layers can be stacked from Linux 6.5 on";
                return Err(failure.because(cause, "--userns host; or a newer kernel"));
            }
            // In a user namespace it is allowed from 5.11 on.
            Err(failure) if failure.errno() == Errno::EPERM => {
                let cause = age::too_old()
                    .unwrap_or_else(|| "no overlay may be mounted in this user namespace".into());
                return Err(failure.because(cause, "as root: --root"));
            }
            other => other?,
        }
        let attributes =
            if self.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
        let root = k.why("one tree, attached nowhere yet").fsmount(stack.as_fd(), attributes)?;
        for tree in sent_in.iter().rev() {
            // Left where they are, they would hide the old root from the umount that takes it away.
            k.why("the stack has its own hold of it").fchdir(tree.as_fd())?;
            k.why("taken away again, the uppermost first").umount_detach(".")?;
        }
        Ok(Some(root))
    }
    // ANCHOR_END: open

    fn switch(&self, k: &Kernel, root: Option<OwnedFd>) -> Result<()> {
        Pivot { rootfs: PathBuf::new(), id_mapped: false, by_chroot: false }.switch(k, root)
    }
}

/// Where the layers are, in the data root.
const LAYERS: &str = "layers";
/// What the host calls the container's own folder when it sends it in.
const OWN: &str = "own";

/// Directories aren't renamed by reference, files not copied up by half, and no layer can say that they were.
const BOOKS: [(&str, &str); 2] = [("redirect_dir", "nofollow"), ("metacopy", "off")];

impl Overlay {
    /// The way of older kernels. The options must fit into a page, so the layers get names of a few letters: symlinks
    /// in the container's own folder.
    fn by_mount(&self, k: &Kernel) -> Result<OwnedFd> {
        k.why("among the container's own").chdir(&self.beginning.join(&self.own))?;
        let here = k.why("this folder").open(Path::new("."), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let mut names = Vec::new();
        for (n, lower) in self.lowers.iter().enumerate().rev() {
            let (name, target) = (format!("l{n}"), Path::new("../../layers").join(lower));
            match k.why("a short name for a layer").symlinkat(&target.to_string_lossy(), here.as_fd(), &name)
            {
                Err(failure) if failure.errno() == Errno::EEXIST => {}
                other => other?,
            }
            names.push(name);
        }
        let mut options = format!("lowerdir={},upperdir=upper,workdir=work", names.join(":"));
        for (key, value) in BOOKS {
            options.push_str(&format!(",{key}={value}"));
        }
        for (on, word) in [(self.user_attributes, ",userxattr"), (self.volatile, ",volatile")] {
            options.push_str(if on { word } else { "" });
        }
        match k.why("a place for the stack").mkdirat(here.as_fd(), "merged", 0o700) {
            Err(failure) if failure.errno() == Errno::EEXIST => {}
            other => other?,
        }
        let place = Path::new("merged");
        k.why("layers as one tree, the lowest last; only this mount namespace sees it").mount_overlay(
            place,
            MsFlags::empty(),
            &options,
        )?;
        let tree = k.why("the tree itself, as a descriptor").open_tree(place)?;
        if self.read_only {
            k.why("of the mount alone, as fsmount has it: the file system stays what it is")
                .mount_setattr_read_only(tree.as_fd(), false)?;
        }
        Ok(tree)
    }
}
