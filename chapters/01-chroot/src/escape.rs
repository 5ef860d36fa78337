//! The way out of a chroot, in three calls. `probe try chroot-escape` is the same from inside; here it is a mechanism, so
//! that the whole launch tells it: `ch01-chroot run --explain --escape`.

use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;

/// Leaves the new root again before the command runs. Who is root inside can always do it: chroot(2) moves `/`, and
/// nothing else.
#[derive(Debug)]
pub struct Escape;

/// More steps up than any path has: at the real root `..` stays where it is.
const UP: usize = 64;

impl Mechanism for Escape {
    const NAME: &'static str = "01-chroot/escape";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    // ANCHOR: seal
    fn seal(&self, k: &Kernel) -> Result<()> {
        // ANCHOR: task-escape
        let up = "../".repeat(UP);
        k.why("/ moves below us, and we stay where we stand: outside of it").chroot(Path::new("tmp"))?;
        k.why("up and up: the one directory that would stop us isn't on this way").chdir(Path::new(&up))?;
        k.why("here is the host's own root; it becomes ours").chroot(Path::new("."))
        // ANCHOR_END: task-escape
    }
    // ANCHOR_END: seal
}
