//! Where the command stands: the image's WorkingDir, made where the image lacks it, as Docker does.

use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::AsFd;

/// The working directory of the command.
#[derive(Debug)]
pub struct WorkingDir {
    /// Its path inside, absolute.
    pub path: String,
}

impl Mechanism for WorkingDir {
    const NAME: &'static str = "04-images/workdir";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    /// The old root is gone by now; but descriptors of it may be open still.
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
        self.stand(k)?;
        is_inside(k, &self.path)
    }
}

impl WorkingDir {
    fn stand(&self, k: &Kernel) -> Result<()> {
        let stand = || k.why("the image says where its command stands").chdir(Path::new(&self.path));
        match stand() {
            Err(failure) if failure.errno() == Errno::ENOENT => {
                let root = k.why("the new root").open(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
                let mut so_far = String::new();
                for part in self.path.split('/').filter(|part| !part.is_empty()) {
                    so_far = if so_far.is_empty() { part.into() } else { format!("{so_far}/{part}") };
                    match k.why("the image lacks it").mkdirat(root.as_fd(), &so_far, 0o755) {
                        Err(failure) if failure.errno() == Errno::EEXIST => {}
                        other => other?,
                    }
                }
                stand()
            }
            other => other,
        }
    }
}

/// Whether this process stands inside, after a chdir. A path like `/proc/self/fd/7` leads to whatever that descriptor is, a
/// folder of the host's too that somebody has left open (CVE-2024-21626). So the kernel is asked afterwards where we are: to what
/// is not below our root there is no path.
///
/// # Errors
/// It stands outside.
// ANCHOR: inside
pub fn is_inside(k: &Kernel, path: &str) -> Result<()> {
    match k.why("is that inside? to a folder of the host's there is no path from here").getcwd() {
        Ok(here) if here.is_absolute() => Ok(()),
        Err(failure) if failure.errno() != Errno::ENOENT => Err(failure),
        _ => Err(k.refuse(
            format!("working directory {path:?}: it is not inside the container"),
            "the path leads over an open descriptor to a folder of the host's",
            "a folder of the container's",
        )),
    }
}
// ANCHOR_END: inside
