//! The same program again, as root, by sudo: `sudo cargo run` rarely works (root has no cargo in its PATH).

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ch00_process::failure::Failure;
use nix::unistd::geteuid;

/// Becomes `sudo THIS-PROGRAM ARGS`, without the first `--root`. Returns only for root, who needs none of it.
///
/// # Errors
/// There is no sudo.
pub fn become_root() -> Result<(), Failure> {
    if geteuid().is_root() {
        return Ok(());
    }
    let me = std::env::current_exe().map_err(|error| {
        Failure::said(
            format!("--root: this program's own path: {error}"),
            "is /proc mounted?",
            "run it by sudo yourself",
        )
    })?;
    let mut seen = false;
    let arguments: Vec<OsString> = std::env::args_os()
        .skip(1)
        .filter(|word| {
            seen || {
                seen = word == "--root";
                !seen
            }
        })
        .collect();
    let error = Command::new("sudo").arg("--").arg(&me).args(arguments).exec();
    Err(Failure::said(
        format!("--root: sudo: {error}"),
        "this machine has no sudo, or it isn't in PATH",
        format!("become root some other way (su), then run {}", me.display()),
    ))
}
