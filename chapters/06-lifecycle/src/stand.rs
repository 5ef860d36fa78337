//! Where a command stands that was brought into a running container, and that it stands inside.

use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::failure::{NOT_EXECUTABLE, NOT_FOUND};
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
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

    /// A path like `/proc/self/fd/7` leads to whatever that descriptor is, a folder of the host's too (CVE-2024-21626).
    /// So the kernel is asked afterwards where we are: to what is not below our root there is no path.
    // ANCHOR: enter
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        k.why("where the command stands").chdir(Path::new(&self.path)).map_err(|failure| {
            let code = if failure.errno() == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
            failure
                .because("the container has no such folder, or it may not be entered", "--workdir DIR")
                .code(code)
        })?;
        let here = k.why("is that inside? to a folder of the host's there is no path from here").getcwd();
        match here {
            Ok(path) if path.is_absolute() => Ok(()),
            Err(failure) if failure.errno() != Errno::ENOENT => Err(failure),
            _ => Err(k.refuse(
                format!("working directory {:?}: it is not inside the container", self.path),
                "the path leads over an open descriptor to a folder of the host's",
                "a folder of the container's",
            )),
        }
    }
    // ANCHOR_END: enter
}
