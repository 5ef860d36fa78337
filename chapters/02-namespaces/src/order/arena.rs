//! A small host of its own for the steps, and the steps themselves: two mechanisms of an ordinary launch.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::kernel::raw::{exit_now, forget_the_host};
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Mechanism};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Uid};
use rustix::mount::MountAttrFlags;

use super::{Step, of};
use crate::mounts::attach;

/// The ordinary user that a step becomes; by custom `daemon`.
pub(super) const SOMEBODY: u32 = 1;

/// Mounts and a hostname that the real host doesn't share, set up as systemd sets up a real host.
#[derive(Debug)]
pub(super) struct Arena {
    /// A folder that is no mount point, to stand in.
    pub(super) away: PathBuf,
}

impl Mechanism for Arena {
    const NAME: &'static str = "02-namespaces/arena";
    type Opened = ();

    fn prepare(&mut self, _: &Kernel, birth: &mut Birth) -> Result<()> {
        birth.needs(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS);
        Ok(())
    }

    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        k.why("whatever goes wrong from here on, the real host doesn't see it").mount_private("/")?;
        k.why("shared among each other, as systemd has them").mount_shared("/")?;
        k.why("the name of this host").sethostname("host")?;
        k.why("where no mount is, so that an umount finds none by chance").chdir(&self.away)?;
        k.why("if the host is killed, this ends too").set_pdeathsig(Signal::SIGKILL)
    }
}

/// The steps, in whatever order. They run at the end of the launch, when nothing else of it can get in between.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) order: Vec<Step>,
    pub(super) rootfs: PathBuf,
}

impl Mechanism for Steps {
    const NAME: &'static str = "02-namespaces/order";
    type Opened = ();

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    fn seal(&self, k: &Kernel) -> Result<()> {
        let mut proc = None;
        for (done, &step) in self.order.iter().enumerate() {
            let (_, name, _) = of(step);
            k.by(name);
            if let Err(failure) = self.take(k, step, &mut proc) {
                if !self.order[..done].contains(&Step::Rooms) {
                    k.by(Arena::NAME);
                    k.why("what the host is called by now").gethostname()?;
                }
                return Err(failure);
            }
        }
        Ok(())
    }
}

impl Steps {
    fn take(&self, k: &Kernel, step: Step, proc: &mut Option<OwnedFd>) -> Result<()> {
        match step {
            Step::Rooms => be_born(k),
            Step::Private => k.why("nothing that is mounted here shall appear elsewhere").mount_private("/"),
            Step::Proc => {
                let context = k.why("a proc that shows the pids of this namespace").fsopen("proc")?;
                k.why("made").fsconfig_create(context.as_fd())?;
                let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
                    | MountAttrFlags::MOUNT_ATTR_NODEV
                    | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                *proc = Some(k.why("attached nowhere yet").fsmount(context.as_fd(), quiet)?);
                Ok(())
            }
            Step::Pivot => {
                let root = k.why("the rootfs as a mount of its own").open_tree(&self.rootfs)?;
                k.why("on top of the root that there is").move_mount(root.as_fd(), "/")?;
                k.why("stand in it").fchdir(root.as_fd())?;
                k.why("old and new change places").pivot_root(".", ".")
            }
            Step::Umount => {
                k.why("what lies here is the old root, if it lies here").umount_detach(".")?;
                k.why("stand in the new one").chdir(Path::new("/"))
            }
            Step::Attach => match proc.take() {
                Some(proc) => attach(k, &proc, "/proc"),
                None => Err(k.refuse(
                    "move_mount(?)",
                    "there is no proc yet that could be attached",
                    "make it first",
                )),
            },
            Step::Name => k.why("the name of the namespace that we are in").sethostname("box"),
            Step::User => {
                k.why("the group first, while it is allowed").setresgid(Gid::from_raw(SOMEBODY))?;
                k.why("an ordinary user from here on").setresuid(Uid::from_raw(SOMEBODY))
            }
        }
    }
}

/// The copy goes on with the next step, in namespaces of its own. Who stays is the host's process, and waits.
fn be_born(k: &Kernel) -> Result<()> {
    let pipe = || std::io::pipe().map_err(|error| k.refuse(format!("pipe2: {error}"), "", ""));
    let (mut told, telling) = pipe()?;
    let rooms = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS;
    let Some((pid, _pidfd)) = k.why("a copy in namespaces of its own").clone3(rooms, None)? else {
        drop(telling);
        // Two speak on one channel: the copy waits for the end of what the other has to say.
        let _ = told.read(&mut [0]);
        return Ok(());
    };
    k.by(Arena::NAME);
    let named = k.why("what the host is called by now").gethostname();
    drop((named, told, telling));
    forget_the_host();
    let _ = waitpid(pid, None);
    exit_now(0)
}
