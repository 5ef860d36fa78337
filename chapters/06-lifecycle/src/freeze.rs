//! Standing still: `pause` and `unpause`, by the container's group. cgroups(7).

use std::fs;

use anyhow::Result;
use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch00_process::record::Owner;
use ch03_cgroups::group::Group;
use ch03_cgroups::hierarchy::Version;
use nix::unistd::Pid;

use crate::containers::Container;
use crate::state::{Move, State};

/// `pause` (`still`), `unpause`.
///
/// # Errors
/// It doesn't run, or has no group that could be frozen.
pub fn freeze(container: &Container, still: bool, k: &Kernel) -> Result<()> {
    let _lock = container.lock()?;
    let state = container.state();
    let status = state.status.after(if still { Move::Pause } else { Move::Unpause }, container.name())?;
    // Killed between the two: it is called paused, and may be let go on.
    let after = State { status, ..state.clone() };
    if !still {
        set(container, &state, false, k)?;
        return container.write_state(&after, false);
    }
    container.write_state(&after, false)?;
    set(container, &state, true, k).inspect_err(|_| drop(container.write_state(&state, false)))
}

/// Whoever is frozen can't be asked, and with version 1 can't even be killed. Whatever the state says: who froze it may have
/// been killed before that was written down.
pub(crate) fn thaw(state: &State, k: &Kernel) {
    if let Some(group) = state.process.as_ref().and_then(group_of) {
        let _ = group.freeze(k, false); // it may have ended meanwhile
    }
}

/// Whether a container's first process stands still.
pub(crate) fn is_frozen(first: &Owner) -> bool {
    let Some(group) = group_of(first) else { return false };
    let Some(part) = group.part("freezer") else { return false };
    let file = if part.version == Version::V1 { "freezer.state" } else { "cgroup.freeze" };
    fs::read_to_string(part.folder.join(file)).is_ok_and(|text| !["THAWED", "0"].contains(&text.trim()))
}

fn group_of(first: &Owner) -> Option<Group> {
    Group::of(Pid::from_raw(first.pid.cast_signed()))
}

/// The group itself.
///
/// # Errors
/// It has none.
fn set(container: &Container, state: &State, still: bool, k: &Kernel) -> Result<()> {
    let group = state.process.as_ref().and_then(group_of).ok_or_else(|| {
        let cause = "it has no control group of its own, and only a group can be frozen";
        Failure::said(
            format!("container {} can't be paused", container.name()),
            cause,
            "create it without --no-group",
        )
        .code(1)
    })?;
    Ok(group.freeze(k, still)?)
}
