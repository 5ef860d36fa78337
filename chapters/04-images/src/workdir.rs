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

    /// The old root is gone by now: whatever the path leads over, it leads to something inside.
    fn enter(&self, k: &Kernel, (): ()) -> Result<()> {
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
