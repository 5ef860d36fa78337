//! The mechanism: what comes from outside is opened while the host's paths are visible, and attached when they are gone.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Child, Mechanism};
use ch00_process::wait::Ended;
use ch04_images::own::failure;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use rustix::mount::MountAttrFlags;

use crate::request::{self, ReadOnly, Request, Source, Tmpfs};
use crate::target;
use crate::volume::hold::{Held, User};
use crate::volume::seed::Seed;
use crate::volume::{self, Store};

/// Binds, volumes, tmpfs.
#[derive(Debug)]
pub struct Volumes {
    /// Where volumes are.
    pub store: Store,
    /// What is asked for, parents before children.
    pub requests: Vec<Request>,
    /// What a volume with nothing in it gets.
    pub seed: Seed,
    /// The container's id.
    pub container: String,
    /// Whether the container stays when the command has ended, and its volumes without a name with it.
    pub keeps: bool,
    /// Whether a volume's files shall be owned as the user namespace counts (root with a user namespace).
    pub id_mapped: bool,
    /// Whether somebody else puts them in their places ([`crate::by_path`]).
    pub elsewhere: bool,
    /// The volumes, in the order of the requests that ask for one.
    held: Vec<Held>,
}

impl Volumes {
    /// Nothing is made yet.
    #[must_use]
    pub fn new(store: Store, requests: Vec<Request>, seed: Seed, container: String) -> Self {
        Self {
            store,
            requests,
            seed,
            container,
            keeps: false,
            id_mapped: false,
            elsewhere: false,
            held: Vec::new(),
        }
    }

    /// Each request with its place on the host, where it has one.
    fn places(&self) -> impl Iterator<Item = (&Request, Option<PathBuf>)> {
        let mut held = self.held.iter();
        self.requests.iter().map(move |request| match &request.source {
            Source::Bind(path) => (request, Some(path.clone())),
            Source::Volume(_) => (request, held.next().map(|held| held.data.clone())),
            Source::Tmpfs(_) => (request, None),
        })
    }
}

impl Mechanism for Volumes {
    const NAME: &'static str = "05-volumes";
    type Opened = Vec<OwnedFd>;

    // ANCHOR: prepare
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        for request in &self.requests {
            let name = match &request.source {
                Source::Volume(name) => name,
                Source::Bind(path) if is_missing(path) => return Err(request::missing(path)),
                Source::Bind(_) | Source::Tmpfs(_) => continue,
            };
            let goes = name.is_none() && !self.keeps;
            let container = (!goes).then_some(self.container.as_str());
            let user = User { container, target: &request.target };
            let is_anonymous = name.is_none();
            let name = match name {
                Some(name) => name.clone(),
                None => self.store.of_user(&user).map_err(failure)?.map_or_else(volume::new_name, Ok)?,
            };
            if goes {
                let folder = self.store.folder(&name).display().to_string();
                let note = k.why("nobody knows its name: it goes with the container, whoever removes that");
                birth.leaves(note.record(Self::NAME, &folder)?);
            }
            let seed = request.copies.then_some((&self.seed, k));
            self.held.push(self.store.hold(&name, is_anonymous, &user, seed).map_err(failure)?);
        }
        Ok(())
    }
    // ANCHOR_END: prepare

    /// Only the host may id-map a mount. Bound paths stay as they are: whose they are is the host's business.
    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        if !self.id_mapped {
            return Ok(());
        }
        let userns = PathBuf::from(format!("/proc/{}/ns/user", child.pid));
        let userns = k.why("the child's user namespace").open(&userns, OFlag::O_RDONLY)?;
        for held in &self.held {
            let tree = k.why("the volume as a mount that is attached nowhere").open_tree(&held.data)?;
            k.why("what root inside writes, root owns on disk")
                .mount_setattr_idmap(tree.as_fd(), userns.as_fd())?;
            child.hand(&held.data.to_string_lossy(), tree);
        }
        Ok(())
    }

    // ANCHOR: open
    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Vec<OwnedFd>> {
        let mut opened = Vec::new();
        for (request, place) in self.places().filter(|_| !self.elsewhere) {
            let mount = match (&request.source, place) {
                (Source::Tmpfs(tmpfs), _) => new_tmpfs(k, tmpfs)?,
                (_, Some(place)) => match handed.take(&place.to_string_lossy()) {
                    Some(tree) => tree,
                    None => open(k, &place, request.recursive)
                        .map_err(|failure| unopened(failure, request, &place))?,
                },
                (_, None) => return Err(k.refuse(format!("{}: no volume", request.target), "", "")),
            };
            read_only(k, &mount, request.read_only)?;
            opened.push(mount);
        }
        Ok(opened)
    }
    // ANCHOR_END: open

    // ANCHOR: enter
    /// Comes after `/proc`, `/sys` and `/dev` are in their places, and before anything is given up.
    fn enter(&self, k: &Kernel, opened: Vec<OwnedFd>) -> Result<()> {
        let root = k.why("the new root").open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        for (n, (request, mount)) in self.requests.iter().zip(&opened).enumerate() {
            let kind = k.why("is it a directory or a file that is mounted?");
            let is_directory = kind.is_directory(mount.as_fd())?;
            let find = || target::find(k, root.as_fd(), &request.target, is_directory);
            let place = match find() {
                Err(failure) if failure.errno() == Errno::EROFS => {
                    // --read-only is for the command, not for what it is given.
                    k.why("read-only, but not yet").mount_setattr_writable(root.as_fd())?;
                    let found = find();
                    k.why("and from here on").mount_setattr_read_only(root.as_fd(), false)?;
                    found?
                }
                other => other?,
            };
            if let Some(other) = same(k, &place, &opened[..n])? {
                return Err(k.refuse(
                    format!("Duplicate mount point: {} and {}", self.requests[other].target, request.target),
                    "a symlink in the image makes them one place, and the second would hide the first",
                    "one mount for both; an image's VOLUME is replaced by a mount of the same name",
                ));
            }
            attach(k, mount, &place)?;
        }
        Ok(())
    }
    // ANCHOR_END: enter

    fn outcome(&mut self, _: &Kernel, _: &mut Result<Ended>) -> Result<()> {
        self.held.clear(); // nobody uses them any more
        Ok(())
    }

    /// A volume without a name, of a container that isn't kept.
    fn cleanup(k: &Kernel, left: &str) -> Result<()> {
        crate::mapped::remove_left(k, Path::new(left))
    }
}

/// A path of the host, as a mount of its own that is attached nowhere.
fn open(k: &Kernel, path: &Path, recursive: bool) -> Result<OwnedFd> {
    // ANCHOR: task-open
    if recursive {
        k.why(
            "a copy of the mount, with those below it, attached nowhere: the source is found here, for good",
        )
        .open_tree(path)
    } else {
        k.why("a copy of the one mount, without those below it (bind-recursive=disabled)")
            .open_tree_alone(path)
    }
    // ANCHOR_END: task-open
}

fn unopened(failure: Failure, request: &Request, place: &Path) -> Failure {
    match failure.errno() {
        Errno::EINVAL if !request.recursive => failure.because(
            "mounts below it are locked in a user namespace: without them it would show what they hide",
            "leave out bind-recursive=disabled",
        ),
        Errno::EACCES => failure.because(
            format!("root of this container may not pass through to {}", place.display()),
            "namei -l PATH shows where; a folder of yours, or a volume",
        ),
        _ => failure,
    }
}

/// While it is still attached nowhere: there is no moment in which anybody inside could write.
fn read_only(k: &Kernel, mount: &OwnedFd, what: ReadOnly) -> Result<()> {
    // ANCHOR: task-read-only
    match what {
        ReadOnly::No => Ok(()),
        ReadOnly::Top => k
            .why("this mount alone (bind-recursive=writable): what is mounted below it stays writable")
            .mount_setattr_read_only(mount.as_fd(), false),
        ReadOnly::Tree => k
            .why("read-only is a flag of each mount: the ones below need it as well")
            .mount_setattr_read_only(mount.as_fd(), true),
    }
    // ANCHOR_END: task-read-only
}

fn attach(k: &Kernel, mount: &OwnedFd, place: &OwnedFd) -> Result<()> {
    // ANCHOR: task-attach
    k.why(
        "onto the descriptor that was found: whatever the image does with the name meanwhile, it lands there",
    )
    .move_mount_onto(mount.as_fd(), place.as_fd())
    // ANCHOR_END: task-attach
}

/// Which of the mounts so far stands at this place already.
fn same(k: &Kernel, place: &OwnedFd, mounts: &[OwnedFd]) -> Result<Option<usize>> {
    let number = |file: &OwnedFd| k.why("has something been mounted here already?").file_id(file.as_fd());
    if mounts.is_empty() {
        return Ok(None);
    }
    let here = number(place)?;
    for (n, mount) in mounts.iter().enumerate() {
        if number(mount)? == here {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

fn new_tmpfs(k: &Kernel, tmpfs: &Tmpfs) -> Result<OwnedFd> {
    let context = k.why("a file system in memory, empty, gone with its last user").fsopen("tmpfs")?;
    for (key, value) in &tmpfs.options {
        k.why("as it was asked for").fsconfig_string(context.as_fd(), key, value).map_err(|failure| {
            let cause = format!("tmpfs takes no {key}={value}, or the id isn't mapped here");
            failure.because(cause, "--tmpfs /run:size=64m,mode=1777; tmpfs(5)")
        })?;
    }
    k.why("made").fsconfig_create(context.as_fd())?;
    let mut attributes = MountAttrFlags::empty();
    for (has, without) in [
        (tmpfs.setuid, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (tmpfs.devices, MountAttrFlags::MOUNT_ATTR_NODEV),
        (tmpfs.exec, MountAttrFlags::MOUNT_ATTR_NOEXEC),
    ] {
        attributes.set(without, !has);
    }
    k.why("attached nowhere yet; it holds data, unless more was asked for")
        .fsmount(context.as_fd(), attributes)
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
