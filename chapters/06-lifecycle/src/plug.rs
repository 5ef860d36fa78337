//! `volume plug`: the external drive is plugged in while the laptop is on. Docker has no command for it.
//!
//! A mount is made of two things that are in two places: what is mounted is on the host, where it goes is in the container.
//! A mount that is attached nowhere (open_tree(2)) is a descriptor, and goes along when a process changes from the one
//! table of mounts to the other (setns(2)). So it is one process that opens it here and attaches it there.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Result;
use ch00_process::channel::{Channel, FromChild};
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::kernel::raw::exit_now;
use ch00_process::kernel::{self, Kernel};
use ch05_volumes::volume::Store;
use ch05_volumes::volume::hold::User;
use ch05_volumes::{request, target};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid, geteuid};

use crate::containers::Container;
use crate::exec;
use crate::join::Target;

/// What is to be plugged in, and where.
#[derive(Debug)]
pub struct Plug {
    /// The volume's name.
    pub name: String,
    /// The place in the container, absolute.
    pub target: String,
    /// Nothing can be written through it.
    pub read_only: bool,
}

/// Plugs it in.
///
/// # Errors
/// No such volume, the container doesn't run, something is plugged in there already, or the kernel refuses.
pub fn plug(container: &Container, plug: &Plug, k: &Kernel) -> Result<()> {
    k.by("06-lifecycle/plug");
    let plug = &Plug { target: request::target(&plug.target)?, name: plug.name.clone(), ..*plug };
    let running = exec::target(container)?;
    let store = Store::open()?;
    store.volume(&plug.name)?;
    // As long as the container is there the volume stays, whatever volume rm is told.
    let id = container.config.id();
    let note = store.folder(&plug.name).join("users").join(id);
    let had_it = note.exists();
    let held = store.hold(&plug.name, false, &User { container: Some(id), target: &plug.target }, None)?;
    let done = in_between(&running, &held.data, plug, k);
    if done.is_err() && !had_it {
        let _ = fs::remove_file(note);
    }
    Ok(done?)
}

/// In a process of its own: who has changed to the container's mounts doesn't find its way back.
fn in_between(running: &Target, data: &Path, plug: &Plug, k: &Kernel) -> kernel::Result<()> {
    let (ours, theirs) =
        Channel::pair().map_err(|errno| Failure::said(format!("socketpair: {errno}"), "", "ulimit -n"))?;
    let made = k
        .why("who changes to other mounts finds no way back: a copy of us goes")
        .clone3(CloneFlags::empty(), None)?;
    let Some((_, pidfd)) = made else {
        drop(ours);
        if let Err(failure) = road(running, data, plug, k) {
            let _ = theirs.say(&FromChild::Failed(failure), &[]);
            exit_now(ENGINE.into());
        }
        let _ = theirs.say(&FromChild::Ready, &[]);
        exit_now(0)
    };
    drop(theirs);
    let said = ours.hear::<FromChild>();
    k.why("no zombie stays").waitid(pidfd.as_fd())?;
    match said {
        Ok(Some((FromChild::Ready, _))) => Ok(()),
        Ok(Some((FromChild::Failed(failure), _))) => Err(failure),
        _ => Err(k.refuse("the copy ended without a word", "something outside killed it", "try again")),
    }
}

// ANCHOR: road
fn road(running: &Target, data: &Path, plug: &Plug, k: &Kernel) -> kernel::Result<()> {
    let gone = |failure| running.gone(failure);
    let pidfd = running.hold(k)?;
    let rooms = k.why("whose mounts are they, and whose ids?").other_rooms(running.pid()).map_err(gone)?;
    let has_own_users = rooms.contains(CloneFlags::CLONE_NEWUSER);
    let userns = PathBuf::from(format!("/proc/{}/ns/user", running.pid()));
    let is_root = geteuid().is_root();
    if has_own_users && !is_root {
        k.why("who may mount nothing on the host may in the container's user namespace")
            .setns(pidfd.as_fd(), CloneFlags::CLONE_NEWUSER)
            .map_err(gone)?;
    }
    k.why("a table of mounts of our own, in which everything is still to be found")
        .unshare(CloneFlags::CLONE_NEWNS)?;
    k.why("what is mounted on the host later isn't to arrive in the container").mount_private("/")?;
    let tree = k.why("the volume as a mount that is attached nowhere").open_tree(data).map_err(refused)?;
    if has_own_users && is_root {
        let userns = k.why("the container's user namespace").open(&userns, OFlag::O_RDONLY)?;
        k.why("what root owns on disk, root inside owns too")
            .mount_setattr_idmap(tree.as_fd(), userns.as_fd())?;
        k.why("inside, only who has an id inside may make a mount point")
            .setns(pidfd.as_fd(), CloneFlags::CLONE_NEWUSER)
            .map_err(gone)?;
        k.why("the host's groups stay outside").setgroups(&[])?;
        k.why("root's group inside").setresgid(Gid::from_raw(0))?;
        k.why("root inside").setresuid(Uid::from_raw(0))?;
    }
    if plug.read_only {
        k.why("before anybody inside could write").mount_setattr_read_only(tree.as_fd(), true)?;
    }
    k.why("into the container's mounts, with the volume in our hand")
        .setns(pidfd.as_fd(), CloneFlags::CLONE_NEWNS)
        .map_err(gone)?;
    attach(&tree, plug, k)
}
// ANCHOR_END: road

/// Inside, where every name is hostile: chapter 05 finds the place as it does at a start.
fn attach(tree: &OwnedFd, plug: &Plug, k: &Kernel) -> kernel::Result<()> {
    let root = k.why("the container's root").open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    let place = target::find(k, root.as_fd(), &plug.target, true)?;
    let ids = k.why("which one is it?").file_id(tree.as_fd())?;
    if k.why("is it plugged in there already?").file_id(place.as_fd())? == ids {
        let what = format!("volume {} is plugged in at {} already", plug.name, plug.target);
        return Err(k.refuse(what, "", "another place, or another volume"));
    }
    k.why("onto the descriptor that was found, whatever becomes of its name")
        .move_mount_onto(tree.as_fd(), place.as_fd())
        .map_err(refused)
}

fn refused(failure: Failure) -> Failure {
    match failure.errno() {
        Errno::EPERM | Errno::EINVAL if !geteuid().is_root() => failure.because(
            "this kernel lets only root of the machine move a mount from one table of mounts to another",
            "volume plug as root; or start the container anew with --volume",
        ),
        _ => failure,
    }
}
