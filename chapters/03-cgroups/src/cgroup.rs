//! The mechanism: a group is made before the child, joined before it does anything, read when it has ended, removed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ch00_process::channel::Handed;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Child, Mechanism};
use ch00_process::wait::Ended;
use nix::errno::Errno;

use crate::death::Events;
use crate::delegation::{self, Place};
use crate::group::Group;
use crate::hierarchy::{Hierarchies, Version};
use crate::limits::Limits;
use crate::{v1, v2};

/// A group of its own, with limits.
#[derive(Debug, Default)]
pub struct Cgroup {
    /// The limits.
    pub limits: Limits,
    /// Its name; without one it gets one that nobody has.
    pub name: Option<String>,
    /// The group below which it is made (`--cgroup-parent`).
    pub parent: Option<PathBuf>,
    /// The name where none is asked for: the container's id.
    container: Option<String>,
    made: Option<Group>,
    born: Option<Instant>,
}

/// Controllers that are passed on for the sake of counting.
const COUNTED: [&str; 4] = ["memory", "cpu", "pids", "io"];

impl Cgroup {
    /// Not made yet.
    #[must_use]
    pub fn new(limits: Limits, name: Option<String>, parent: Option<PathBuf>) -> Self {
        Self { limits, name, parent, ..Self::default() }
    }

    /// Called by the id of this container, where nobody asks for another name and where there can be a group.
    #[must_use]
    pub fn of(self, container: Option<String>) -> Self {
        Self { container, ..self }
    }

    /// Where it can be made, with a refusal for each limit that can't be had. Nothing where nothing is asked for
    /// and nothing can be had: then there is no group.
    fn places(&self) -> Result<Vec<Place>> {
        let hierarchies = Hierarchies::read();
        let places = delegation::places(&hierarchies, self.parent.as_deref())?;
        if hierarchies.version() == Some(Version::V1) {
            v1::refuse(&self.limits)?;
        }
        for (controller, flag) in self.limits.controllers() {
            let place = places.iter().find(|place| serves(place, &hierarchies, controller));
            match place {
                Some(place) if !self.is_named(&place.parent) => {
                    let named = self.parent.as_deref().unwrap_or(Path::new("")).display();
                    let what = format!("{flag}: the hierarchy of {controller} has no group {named}");
                    let hint = "make it there, too, or another --cgroup-parent; ch03-cgroups tree";
                    return Err(Failure::said(what, "the limit would be set somewhere else", hint));
                }
                Some(Place { refused: None, controllers, .. }) => {
                    if !controllers.iter().any(|has| has == controller) {
                        return Err(delegation::explain(flag, controller, place));
                    }
                }
                other => return Err(delegation::explain(flag, controller, other)),
            }
        }
        let refused = |place: &Place| place.refused.is_some() || !self.is_named(&place.parent);
        if let (Some(parent), true) = (&self.parent, places.iter().all(refused)) {
            let what = format!("--cgroup-parent {}: no group may be made there", parent.display());
            return Err(Failure::said(
                what,
                "there is none, or it belongs to somebody else",
                "ch03-cgroups tree; or as root",
            ));
        }
        Ok(places.into_iter().filter(|place| place.refused.is_none()).collect())
    }

    /// Whether this folder is the one that `--cgroup-parent` names, where it names one.
    fn is_named(&self, folder: &Path) -> bool {
        self.parent.as_deref().is_none_or(|named| folder.ends_with(named.strip_prefix("/").unwrap_or(named)))
    }
}

/// Whether this is the place for the controller: the tree of version 1 that has it, else version 2.
fn serves(place: &Place, hierarchies: &Hierarchies, controller: &str) -> bool {
    match place.hierarchy.version {
        Version::V1 => place.hierarchy.controllers.iter().any(|has| has == controller),
        Version::V2 => {
            hierarchies.v1(controller).is_none()
                && (hierarchies.version() == Some(Version::V2)
                    || place.hierarchy.controllers.iter().any(|has| has == controller))
        }
    }
}

impl Mechanism for Cgroup {
    const NAME: &'static str = "03-cgroups";
    type Opened = ();

    // ANCHOR: prepare
    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        let places = self.places()?;
        if places.is_empty() {
            return self.name.as_deref().map_or(Ok(()), |name| Err(nameless(name)));
        }
        let known = self.name.clone().or_else(|| self.container.clone());
        let name = known.map_or_else(made_up, Ok)?;
        let group = Group::at(&places, &name);
        if group.exists() {
            return Err(taken(&name));
        }
        let record = k
            .why("whoever finds this note knows what to remove, should we be killed")
            .record(Self::NAME, &group.to_record())?;
        let asked: Vec<&str> = self.limits.controllers().iter().map(|(controller, _)| *controller).collect();
        let made =
            places.iter().filter(|place| place.hierarchy.version == Version::V2).try_for_each(|place| {
                let asked: Vec<&str> = asked
                    .iter()
                    .copied()
                    .filter(|name| place.controllers.iter().any(|has| has == name))
                    .collect();
                v2::enable(k, &place.hierarchy.point, &place.parent, &asked, &COUNTED)
            });
        let made = made.and_then(|()| group.make(k, &self.limits));
        if let Err(failure) = &made
            && failure.errno() == Errno::EEXIST
        {
            // Somebody made a group of this name since we looked: it isn't ours, and must not be removed as ours.
            group.give_way(k, failure)?;
            k.why("it is another's group, not ours to remove").forget(record)?;
            return made;
        }
        birth.leaves(record);
        made?;
        birth.cgroup = group.birthplace(k)?;
        birth.doors = group.doors(k)?;
        self.made = Some(group);
        Ok(())
    }
    // ANCHOR_END: prepare

    fn supervise(&mut self, _: &Kernel, _: &mut Child<'_>) -> Result<()> {
        self.born = Some(Instant::now());
        Ok(())
    }

    /// Chapter 02's cgroup view is opened at this moment, when the child is in its group: so inside it is `/`.
    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: outcome
    fn outcome(&mut self, k: &Kernel, end: &mut Result<Ended>) -> Result<()> {
        let Some(group) = &self.made else { return Ok(()) };
        let took = self.born.map(|born| born.elapsed()).unwrap_or_default();
        let events = Events::read(k, group, &self.limits);
        match end {
            Ok(ended) => {
                ended.oom = events.killed > 0;
                ended.notes.extend(events.told(&self.limits, ended.code == 137, took));
            }
            // The launch itself didn't fit in.
            Err(failure) if events.killed > 0 => {
                let cause = events.told(&self.limits, true, took).join("; ");
                *failure = failure.clone().because(cause, "a larger --memory");
            }
            Err(_) => {}
        }
        Ok(())
    }
    // ANCHOR_END: outcome

    fn cleanup(k: &Kernel, left: &str) -> Result<()> {
        // Usually everybody has ended, and this is all.
        if Group::remove_empty(k, left)? {
            return Ok(());
        }
        Group::from_record(left, &Hierarchies::read())?.remove(k)
    }
}

/// A name for `--name`: part of a path, so it may lead nowhere.
///
/// # Errors
/// What may be in it.
pub fn parse_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(good) || text.starts_with(['.', '-']) {
        return Err(format!("{text:?} is no name for a group; up to 64 letters, digits, and _ . - within"));
    }
    Ok(text.into())
}

/// A name was asked for, and there will be no group that could have it.
fn nameless(name: &str) -> Failure {
    let what = format!("--name {name}: no group of ours may be made here");
    let cause = "it is the group that has the name, and this user has been given no place for one";
    Failure::said(
        what,
        cause,
        "leave it out; ch03-cgroups tree shows whose the groups are; or as root: --root",
    )
}

fn taken(name: &str) -> Failure {
    let what = format!("--name {name}: there is a group of this name already");
    Failure::said(
        what,
        "a running container has it, or one that was killed left it",
        "another name; ch03-cgroups ls shows them; cargo workshop clean removes what is left",
    )
}

/// Eight letters and digits that nobody else has.
fn made_up() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(|error| {
        Failure::said(format!("{}: {error}", path.display()), "", "name the group by --name")
    })?;
    Ok(format!("{:08x}", u32::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_a_name_leads_nowhere() {
        assert!(parse_name("web-1.a").is_ok());
        for wrong in ["", "..", "a/b", "-x", ".x", "a b", &"x".repeat(65)] {
            assert!(parse_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
