//! After a crash: what a killed monitor could not write down or remove is written and removed by whoever comes next.

use std::fs;
use std::path::Path;

use anyhow::Result;
use ch00_process::kernel::Kernel;
use ch00_process::mechanism::Mechanism;
use ch00_process::record;
use ch03_cgroups::cgroup::Cgroup;
use ch03_cgroups::group::MARK;

use crate::containers::Container;
use crate::state::State;

/// The state as it is. Where the file said something else, it is set right, and what was left is removed. Under the
/// container's lock.
///
/// # Errors
/// What was left can't be removed; the disk is full.
pub fn mend(container: &Container, k: &Kernel) -> Result<State> {
    let state = container.state();
    let claimed = fs::read(container.state_file()).ok().map(|bytes| serde_json::from_slice::<State>(&bytes));
    match claimed {
        Some(Ok(claimed)) if claimed == state => return Ok(state),
        None if state == State::default() => return Ok(state), // never started
        _ => {}
    }
    if !state.status.lives() {
        sweep(container, k)?;
    }
    container.run_folder()?;
    container.write_state(&state, true)?;
    Ok(state)
}

/// Removes the groups that are on record for this container by processes that have ended.
fn sweep(container: &Container, k: &Kernel) -> Result<()> {
    let name = format!("{MARK}{}", container.config.id());
    for orphan in record::orphans()? {
        let is_its = orphan
            .what
            .lines()
            .all(|folder| Path::new(folder).file_name().is_some_and(|last| *last == *name));
        if orphan.kind == Cgroup::NAME && is_its {
            Cgroup::cleanup(k, &orphan.what)?;
            orphan.forget()?;
        }
    }
    Ok(())
}
