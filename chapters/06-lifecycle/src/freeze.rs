//! Standing still: `pause` and `unpause`, by the container's group. cgroups(7).

use anyhow::Result;
use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch03_cgroups::group::Group;
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
    set(container, &state, still, k)?;
    container.write_state(&State { status, ..state }, false)
}

/// The group itself.
///
/// # Errors
/// It has none.
pub(crate) fn set(container: &Container, state: &State, still: bool, k: &Kernel) -> Result<()> {
    let group =
        state.process.as_ref().and_then(|process| Group::of(Pid::from_raw(process.pid.cast_signed())));
    let group = group.ok_or_else(|| {
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
