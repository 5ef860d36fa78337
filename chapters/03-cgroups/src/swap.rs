//! Swap is closed together with memory: what is too much would go on there, the hog would live, and the whole machine
//! would get slow. The file, and what its number counts, differ between the versions; what may go wrong doesn't.

use std::fs;
use std::path::Path;

use ch00_process::kernel::{Kernel, Result};
use nix::errno::Errno;

/// Writes `bytes` into the group's limit on swap.
///
/// # Errors
/// The call that failed. A kernel that counts no swap has no such file (ENOENT): that is an error where there is some,
/// since a limit on memory alone would not hold then.
pub fn close(k: &Kernel, file: &Path, bytes: u64) -> Result<()> {
    let written = k
        .why("swap is limited with it, else what is too much just moves there")
        .write(file, &bytes.to_string());
    match written {
        Err(failure) if failure.errno() != Errno::ENOENT => Err(failure),
        Err(failure) if is_used() => Err(failure.because(
            "this kernel doesn't count swap, and there is some: a limit on memory alone would not hold",
            "boot with swapaccount=1, or swapoff -a",
        )),
        _ => Ok(()),
    }
}

/// Whether this machine swaps: /proc/swaps has a line for each place after its heading.
fn is_used() -> bool {
    fs::read_to_string("/proc/swaps").unwrap_or_default().lines().count() > 1
}
