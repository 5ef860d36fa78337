//! Where a command stands that was brought into a running container, and that it stands inside.

use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::failure::{NOT_EXECUTABLE, NOT_FOUND};
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use ch04_images::workdir::is_inside;
use nix::errno::Errno;

/// The working directory: `-w`, else the container's.
#[derive(Debug)]
pub struct Stand {
    /// Its path inside, absolute.
    pub path: String,
}

impl Mechanism for Stand {
    const NAME: &'static str = "06-lifecycle/stand";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    /// Nothing is made here, as it would be at a start; and it is looked at where that leads (CVE-2024-21626).
    // ANCHOR: enter
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        k.why("where the command stands").chdir(Path::new(&self.path)).map_err(|failure| {
            let code = if failure.errno() == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
            failure
                .because("the container has no such folder, or it may not be entered", "--workdir DIR")
                .code(code)
        })?;
        is_inside(k, &self.path)
    }
    // ANCHOR_END: enter
}
