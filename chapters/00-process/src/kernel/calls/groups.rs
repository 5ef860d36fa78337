//! Control groups are folders, and what can be asked of them are files: made, read, removed. Written beforehand:
//! the record of what will have to be removed. cgroups(7).

use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::kernel::{Call, Result};
use crate::record::Record;

impl Call<'_> {
    /// Notes on disk that `what` is about to be made, for whoever has to clean it ([`Record::until_reboot`]).
    ///
    /// # Errors
    /// The run root can't be written.
    pub fn record(self, kind: &str, what: &str) -> Result<Record> {
        let record = Record::until_reboot(kind, what).map_err(|error| {
            let hint = "BOXROOM_RUN names another folder";
            // A group has a folder in each hierarchy, one a line: the first says enough.
            let first = what.lines().next().unwrap_or_default();
            self.kernel.refuse(format!("the record of {first}: {error:#}"), "", hint)
        })?;
        let path = record.path();
        let beside =
            path.with_file_name(format!(".{}", path.file_stem().unwrap_or_default().to_string_lossy()));
        self.tell(&format!("rename({beside:?}, {path:?})"), 0);
        Ok(record)
    }

    /// Removes such a note: what it names is gone.
    ///
    /// # Errors
    /// The run root can't be written.
    pub fn forget(self, record: Record) -> Result<()> {
        let call = format!("unlink({:?})", record.path());
        record.forget().map_err(|error| self.kernel.refuse(format!("{error:#}"), "", ""))?;
        self.tell(&call, 0);
        Ok(())
    }

    /// `mkdir`. mkdir(2).
    ///
    /// # Errors
    /// EEXIST: there is something. EROFS: read-only. EACCES: not ours. EAGAIN: cgroup.max.descendants is reached.
    pub fn mkdir(self, path: &Path, mode: u32) -> Result<()> {
        let answer = nix::unistd::mkdir(path, Mode::from_bits_truncate(mode));
        self.plain(answer, || format!("mkdir({path:?}, 0{mode:o})"))
    }

    /// `rmdir`. rmdir(2).
    ///
    /// # Errors
    /// EBUSY: a control group with processes or groups in it. ENOENT: gone already.
    pub fn rmdir(self, path: &Path) -> Result<()> {
        self.plain(remove(path), || format!("rmdir({path:?})"))
    }

    /// `rmdir`, tried again while the kernel is not done with the last process that was in the group.
    ///
    /// # Errors
    /// EBUSY: still so after `patience`. As rmdir(2).
    pub fn rmdir_once_empty(self, path: &Path, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        let answer = loop {
            match remove(path) {
                Err(Errno::EBUSY) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                other => break other,
            }
        };
        self.plain(answer, || format!("rmdir({path:?})"))
    }

    /// A folder with all that is in it: `openat`, `unlinkat` for each, no symlink followed; told as one. unlink(2).
    ///
    /// # Errors
    /// EACCES, EPERM: something in it belongs to somebody else. That it is gone already is none.
    pub fn remove_tree(self, path: &Path) -> Result<()> {
        let answer = match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        };
        self.plain(answer, || format!("unlinkat({path:?} and all below it, AT_REMOVEDIR)"))
    }

    /// Reads a file of the kernel's, whole.
    ///
    /// # Errors
    /// ENOENT: the kernel has no such file here.
    pub fn read(self, path: &Path) -> Result<String> {
        let answer = crate::kernel_file::text(path)
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
        let shown = |text: &String| {
            let one: Vec<&str> = text.lines().take(3).collect();
            format!("{:?}", one.join(", "))
        };
        self.done(answer, shown, || format!("read({path:?})"))
    }

    /// `kill`, for a process that can't end meanwhile: it is frozen, so the number is still its own. kill(2).
    ///
    /// # Errors
    /// ESRCH: it has ended. EPERM: not ours.
    pub fn kill(self, pid: Pid, signal: Signal) -> Result<()> {
        self.plain(nix::sys::signal::kill(pid, signal), || format!("kill({pid}, {signal})"))
    }
}

/// nix has no rmdir; the standard library's is the plain call.
fn remove(path: &Path) -> Result<(), Errno> {
    std::fs::remove_dir(path).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}
