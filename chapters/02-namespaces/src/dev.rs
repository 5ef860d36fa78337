//! `/dev`: a small tmpfs with the default devices, terminals of its own, shared memory, message queues.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::fcntl::OFlag;
use rustix::mount::MountAttrFlags;

use crate::mounts::attach;

/// The devices that the OCI runtime specification promises (config-linux, Default Devices), with the numbers
/// of the kernel's devices.txt.
const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Devices without the host's: neither its disks nor its terminals.
#[derive(Debug)]
pub struct Dev {
    /// In a user namespace nobody may make device nodes: the host's are bound instead.
    pub bound: bool,
    /// Whether group 5 (tty) is mapped, to which a new terminal belongs by custom.
    pub tty_group: bool,
    /// Whether there is an ipc namespace of its own, whose message queues can be shown.
    pub queues: bool,
}

/// What is made on the host's side and attached inside.
#[derive(Debug)]
pub struct Opened {
    dev: OwnedFd,
    pts: OwnedFd,
    shm: OwnedFd,
    mqueue: Option<OwnedFd>,
    devices: Vec<(PathBuf, OwnedFd)>,
}

impl Mechanism for Dev {
    const NAME: &'static str = "02-namespaces/dev";
    type Opened = Opened;

    // ANCHOR: open
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<Opened> {
        k.why("modes are what is asked for, whatever the caller's umask").umask(0);
        let no_exec = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let sealed = no_exec | MountAttrFlags::MOUNT_ATTR_NODEV;
        let dev = new(k, "tmpfs", &[("mode", "755"), ("size", "64k")], MountAttrFlags::MOUNT_ATTR_NOSUID)?;
        let mut terminal = vec![("mode", "620"), ("ptmxmode", "666")];
        if self.tty_group {
            terminal.push(("gid", "5"));
        }
        let pts = new(k, "devpts", &terminal, no_exec)?;
        let shm = new(k, "tmpfs", &[("mode", "1777"), ("size", "64m")], sealed)?;
        let mqueue = if self.queues { Some(new(k, "mqueue", &[], sealed)?) } else { None };
        for folder in ["pts", "shm", "mqueue"] {
            k.why("a place for what is attached there").mkdirat(dev.as_fd(), folder, 0o755)?;
        }
        for (target, name) in LINKS {
            k.why("by custom programs find them here").symlinkat(target, dev.as_fd(), name)?;
        }
        let mut devices = Vec::new();
        for (name, major, minor) in DEVICES {
            if self.bound {
                let host = Path::new("/dev").join(name);
                k.why("a place for the host's node").create_file_at(dev.as_fd(), name)?;
                let node = k
                    .why("nobody may make nodes in a user namespace: the host's is bound")
                    .open_tree(&host)?;
                devices.push((host, node));
            } else {
                k.why("a harmless device that programs expect").mknod_char_at(
                    dev.as_fd(),
                    name,
                    major,
                    minor,
                )?;
            }
        }
        Ok(Opened { dev, pts, shm, mqueue, devices })
    }
    // ANCHOR_END: open

    // ANCHOR: enter
    fn enter(&self, k: &Kernel, opened: Opened) -> Result<()> {
        attach(k, &opened.dev, "/dev")?;
        attach(k, &opened.pts, "/dev/pts")?;
        attach(k, &opened.shm, "/dev/shm")?;
        if let Some(mqueue) = &opened.mqueue {
            attach(k, mqueue, "/dev/mqueue")?;
        }
        for (place, node) in &opened.devices {
            let place = k.why("the file that waits for it").open(place, OFlag::O_PATH)?;
            k.why("the host's node, and no other of its devices")
                .move_mount_onto(node.as_fd(), place.as_fd())?;
        }
        Ok(())
    }
    // ANCHOR_END: enter
}

/// A new file system with its options, attached nowhere yet.
fn new(k: &Kernel, kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = k.why("a new file system, empty").fsopen(kind)?;
    for (key, value) in options {
        k.why("with this option").fsconfig_string(context.as_fd(), key, value)?;
    }
    k.why("made").fsconfig_create(context.as_fd())?;
    k.why("and attached nowhere yet").fsmount(context.as_fd(), attributes)
}
