//! The program that goes in must not be writable from inside (CVE-2019-5736).
//!
//! Whoever enters a container is for a moment a process in it that runs a program of the *host's*. Root inside can make
//! the command that is to be run a script whose first line is `#!/proc/self/exe`: then the kernel starts the host's
//! program again, inside, and `/proc/PID/exe` of that process is a way to write to the host's file as soon as it has ended.
//! The next exec on that machine runs what the attacker wrote, as root.
//!
//! So before it goes anywhere this program becomes itself once more, from a place that nobody can write to: root has a mount
//! of the one file, read-only and attached nowhere; an ordinary user may not mount, and gets a sealed copy in memory.

use std::os::fd::AsFd;
use std::path::Path;

use ch00_process::explain::Process;
use ch00_process::kernel::{Kernel, Result};
use nix::errno::Errno;

const ME: &str = "/proc/self/exe";

/// [`protect`] for a program that is told to `exec`, before it has read its words: who begins anew reads them again, and that
/// is a tenth of an exec. Where the launch is to be told this is left to the verb, so that it is told as well; the verb sees
/// to it in any case.
///
/// # Errors
/// As [`protect`].
pub fn protect_early() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let enters = words.next().is_some_and(|verb| verb == "exec");
    let is_watched = |word: &[u8]| word == b"--step" || word.starts_with(b"--explain");
    if enters && !words.any(|word| is_watched(word.as_encoded_bytes())) {
        protect(&Kernel::new(Process::Host, None))?;
    }
    Ok(())
}

/// Goes on as a program that can't be written; comes back when it is one already.
///
/// # Errors
/// The kernel gives neither a mount nor a file in memory.
// ANCHOR: protect
pub fn protect(k: &Kernel) -> Result<()> {
    k.by("06-lifecycle/own-program");
    if k.why("has that been done already?").own_program_is_read_only()? {
        return Ok(());
    }
    let tree = k.why("a mount of this one file, attached nowhere").open_tree(Path::new(ME));
    let program = match tree {
        Ok(tree) => {
            k.why("/proc/PID/exe leads over this mount: it can be read there, and never written")
                .mount_setattr_read_only(tree.as_fd(), false)?;
            tree
        }
        Err(failure) if failure.errno() == Errno::EPERM => k
            .why("who may not mount takes a copy in memory along, sealed")
            .sealed_copy(Path::new(ME), "boxroom")?,
        Err(failure) => return Err(failure),
    };
    k.why("the same program with the same words, from there")
        .become_again(program.as_fd())
        .map(|never| match never {})
}
// ANCHOR_END: protect
