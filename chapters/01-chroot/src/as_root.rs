//! The same program again, as root, by sudo: `sudo cargo run` rarely works (root has no cargo in its PATH).

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::Watch;
use clap::Args;
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

/// What the `run` of each chapter from here on takes: by whom, how it is watched, and the chapter's own words.
#[derive(Debug, Args)]
pub struct Run<O: Args> {
    /// Run as root, by sudo
    #[arg(long)]
    root: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    options: O,
}

impl<O: Args> Run<O> {
    /// Becomes root where that is asked for, and runs it. What is told of it is written to `told`.
    ///
    /// # Errors
    /// As [`become_root`], [`Watch::kernel`] and `run` say.
    pub fn start<T>(
        self,
        told: Box<dyn Write>,
        run: impl FnOnce(O, &Kernel) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.root {
            become_root()?;
        }
        run(self.options, &self.watch.kernel(told)?)
    }
}
