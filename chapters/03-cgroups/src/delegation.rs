//! Below which group this user may make one: root at the top, everybody else where a subtree was given to them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, geteuid};

use crate::hierarchy::{Hierarchies, Hierarchy, Version, controllers};
use crate::v2::ASIDE;

/// A hierarchy, and the folder in it below which a group of ours may be made.
#[derive(Debug, Clone)]
pub struct Place {
    /// The hierarchy.
    pub hierarchy: Hierarchy,
    /// The folder of the parent.
    pub parent: PathBuf,
    /// What a group below it can be limited in.
    pub controllers: Vec<String>,
    /// Why none may be made there.
    pub refused: Option<Refused>,
}

/// Why no group may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The file system is read-only, even for root.
    ReadOnly,
    /// The parent belongs to somebody else.
    NotOurs,
    /// The parent is one of the user's own service manager, who has not given it to us.
    NotDelegated,
}

/// The places, one for each hierarchy. `below` is what `--cgroup-parent` names: a path from the top.
///
/// # Errors
/// `below` leads nowhere.
pub fn places(hierarchies: &Hierarchies, below: Option<&Path>) -> Result<Vec<Place>> {
    hierarchies
        .0
        .iter()
        .map(|hierarchy| {
            let named = match below {
                None => None,
                Some(below) => named(hierarchy, hierarchies.version(), below)?,
            };
            // A hierarchy without that group is joined all the same, in the usual place: one that isn't is the host's.
            let (hierarchy, parent) = named.unwrap_or_else(|| usual(hierarchy));
            let refused = refused(&hierarchy, &parent);
            let same = hierarchy.version == Version::V1 || parent == hierarchy.point;
            let controllers = if same { hierarchy.controllers.clone() } else { controllers(&parent) };
            Ok(Place { hierarchy, parent, controllers, refused })
        })
        .collect()
}

/// Version 1 lets a group have processes and groups in it, so ours is below the one that we are in, whose limits
/// hold for us, too. Version 2 doesn't (no internal processes): root makes it at the top, where that rule doesn't
/// hold; who isn't root has nothing but the own group.
fn usual(hierarchy: &Hierarchy) -> (Hierarchy, PathBuf) {
    let at_the_top = hierarchy.version == Version::V2 && geteuid().is_root() && is_real_top(&hierarchy.point);
    let parent = if at_the_top { &hierarchy.point } else { before_aside(&hierarchy.own) };
    (hierarchy.clone(), parent.to_path_buf())
}

/// An engine before this one may have moved us aside: what was given is the group above.
fn before_aside(own: &Path) -> &Path {
    match own.parent() {
        Some(above) if own.file_name().is_some_and(|name| name == ASIDE) => above,
        _ => own,
    }
}

/// Whether it is the machine's topmost group. That one lacks the files that are about a group among others. In a container what is
/// mounted is a group like any other, and has them.
#[must_use]
pub fn is_real_top(point: &Path) -> bool {
    !point.join("cgroup.events").exists()
}

fn named(
    hierarchy: &Hierarchy,
    version: Option<Version>,
    below: &Path,
) -> Result<Option<(Hierarchy, PathBuf)>> {
    let what = |why: &str| format!("--cgroup-parent {}: {why}", below.display());
    let relative = below.strip_prefix("/").unwrap_or(below);
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        let hint = "a path from the top of the hierarchy, such as /machine.slice";
        return Err(Failure::said(what("leads upward or nowhere"), "", hint));
    }
    let parent = hierarchy.point.join(relative);
    if parent.is_dir() {
        return Ok(Some((hierarchy.clone(), parent)));
    }
    // Beside the version that limits, a hierarchy that has no such group has nothing to do with it.
    if version == Some(hierarchy.version) && version == Some(Version::V2) {
        let cause = format!("there is no group {}", parent.display());
        return Err(Failure::said(
            what("no such group"),
            cause,
            "ch03-cgroups tree shows those that there are",
        ));
    }
    Ok(None)
}

fn refused(hierarchy: &Hierarchy, parent: &Path) -> Option<Refused> {
    match access(parent, AccessFlags::W_OK) {
        Err(Errno::EROFS) => return Some(Refused::ReadOnly),
        Err(_) => return Some(Refused::NotOurs),
        Ok(()) => {}
    }
    if geteuid().is_root() || hierarchy.version == Version::V1 {
        return None;
    }
    // A folder alone is not a subtree: these files must be ours, too (cgroup-v2, "Delegation").
    let ours = ["cgroup.procs", "cgroup.subtree_control"];
    if !ours.iter().all(|file| access(&parent.join(file), AccessFlags::W_OK).is_ok()) {
        return Some(Refused::NotOurs);
    }
    (!is_given(parent)).then_some(Refused::NotDelegated)
}

/// systemd marks what it gives away by an attribute. Without systemd a subtree is given by giving its folder away:
/// then the one above belongs to somebody else.
fn is_given(parent: &Path) -> bool {
    let mut value = [0_u8; 8];
    let marked = rustix::fs::getxattr(parent, "user.delegate", &mut value[..])
        .is_ok_and(|length| value.get(..length) == Some(b"1"));
    let owner = |path: &Path| fs::metadata(path).map(|file| file.uid()).ok();
    marked || parent.parent().is_none_or(|above| owner(above) != owner(parent))
}

/// What a refused limit says: which flag, why, and how to get there.
#[must_use]
pub fn explain(flag: &str, controller: &str, place: Option<&Place>) -> Failure {
    const OFFER: &str = "systemd-run --user --scope -p Delegate=yes COMMAND starts it in a subtree of its own (with systemd); \
                         or as root: --root";
    let Some(place) = place else {
        let what = format!("{flag}: no {controller} controller is mounted here");
        let cause = format!("the kernel was built or booted without {controller}, or nobody has mounted it");
        return Failure::said(what, cause, "cat /proc/cgroups; cargo workshop doctor");
    };
    let what = format!("{flag}: no group of ours may be made below {}", place.parent.display());
    let (cause, hint) = match place.refused {
        Some(Refused::ReadOnly) => (
            "the cgroup file system is read-only here, even for root: a container around us",
            "start that container with a writable one (docker run --privileged --cgroupns=private), or on the machine itself",
        ),
        Some(Refused::NotDelegated) => (
            "it belongs to this user's systemd, which has not given it away: two masters of one group undo each other's work",
            OFFER,
        ),
        Some(Refused::NotOurs) => ("it belongs to somebody else, who has given this user no subtree", OFFER),
        None => {
            let has = place.controllers.join(" ");
            let what = format!("{flag}: {} has no {controller} controller", place.parent.display());
            let cause = format!("the group above has not passed it on (it has passed on: {has})");
            let hint = "Delegate=cpu cpuset io memory pids in the unit user@.service (cargo workshop doctor has the command); or as root";
            return Failure::said(what, cause, hint);
        }
    };
    Failure::said(what, cause, hint)
}
