//! The calls of a launch, by what they are about. Each is the plain call of nix, rustix or [`super::raw`],
//! told with its arguments. ARCHITECTURE.md has the table of which comes from where.

mod files;
mod groups;
mod ids;
mod joining;
mod mounts;
mod processes;
mod terminals;

use std::os::fd::{AsRawFd, BorrowedFd};

/// A descriptor as an argument: its number, or AT_FDCWD.
fn fd(descriptor: BorrowedFd<'_>) -> String {
    match descriptor.as_raw_fd() {
        libc::AT_FDCWD => "AT_FDCWD".into(),
        number => number.to_string(),
    }
}
