//! The files of a container with `--rm`, which nobody has brought to the disk: its overlay is volatile. While it is mounted
//! it has a mark in `work`, and the kernel mounts nothing where that mark was left behind. overlayfs, 'volatile mount'.
//!
//! Whose monitor was killed has left it, too; but then the kernel still has all that was written, and it may be started
//! again. Not so after the machine was restarted.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Result as IoResult};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use ch00_process::failure::Failure;
use ch00_process::kernel_file;
use ch00_process::record::{self, Record};

use crate::containers::Container;
use crate::life::Life;

/// The kernel's mark, in the folder that it was given to work in.
const MARK: [&str; 3] = ["work", "incompat", "volatile"];

/// Before such a container is started again: takes away the mark and the note of a monitor that was killed. Under the
/// container's lock; nobody has its files mounted.
///
/// # Errors
/// The mark was left before the machine was restarted: what is there may be half of what was written.
pub fn settle(container: &Container) -> Result<()> {
    if !container.config.remove {
        return Ok(());
    }
    unmarked(container)?;
    // Who starts it now writes a note of its own.
    let its = |orphan: &Record| orphan.kind == Life::RECORD && Path::new(&orphan.what) == container.folder;
    record::orphans()?.into_iter().filter(its).try_for_each(Record::forget)
}

fn unmarked(container: &Container) -> Result<()> {
    let mark = MARK.iter().fold(container.folder.join("work"), |path, part| path.join(part));
    let left = match opened(&container.folder.join("work")).and_then(|()| fs::metadata(&mark)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| mark.display().to_string())?,
    };
    if boot().is_some_and(|boot| left.mtime() < boot) {
        let what = format!("container {}: its files may not be whole", container.name());
        let cause = "the machine was restarted while it ran, and with --rm nobody waits for the disk";
        let hint = format!("boxroom rm {}, and run it again", container.name());
        return Err(Failure::said(what, cause, hint).code(1).into());
    }
    fs::remove_dir_all(&mark).with_context(|| mark.display().to_string())
}

/// The kernel makes its own folders there without any rights, and their owner may be an ordinary user.
fn opened(work: &Path) -> IoResult<()> {
    let mut folder = work.to_path_buf();
    MARK.iter().try_for_each(|part| {
        folder.push(part);
        fs::set_permissions(&folder, Permissions::from_mode(0o700))
    })
}

/// When this machine was started: seconds since 1970. proc_stat(5).
fn boot() -> Option<i64> {
    let stat = kernel_file::text(Path::new("/proc/stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ch06_the_machine_was_started_before_now() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let boot = super::boot().unwrap();
        assert!(boot > 1_000_000_000 && boot <= i64::try_from(now).unwrap() + 1);
    }
}
