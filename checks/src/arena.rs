//! A host of its own for a test: a thread with its own mounts, hostname and ipc, so that root harms nobody.
//!
//! Namespaces belong to a thread, not to a process: the rest of the program stays where it was, and what the
//! arena's thread starts (processes and threads) is born in the arena.

use std::thread;

use anyhow::{Context, Result, anyhow};
use ch00_process::kernel::raw;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Does `work` on a host of its own. An ordinary user has the real one: there is little that he could harm.
///
/// # Errors
/// No namespace for root (a container without CAP_SYS_ADMIN), or what `work` says.
pub fn inside<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter().context("could not make an arena for the test")?;
            work()
        });
        thread.join().map_err(|_| anyhow!("the test panicked in the arena"))?
    })
}

fn enter() -> Result<()> {
    // A kernel without keys is no obstacle: then the probe for them has no baseline.
    let _ = raw::join_session_keyring();
    if !geteuid().is_root() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
        .context("unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)")?;
    propagate(MsFlags::MS_PRIVATE).context("cutting the arena's mounts off from the host's")?;
    // As systemd has it on a real host: what is mounted here shows wherever propagation isn't stopped.
    propagate(MsFlags::MS_SHARED).context("sharing the arena's mounts")
}

fn propagate(how: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | how, None::<&str>)
}
