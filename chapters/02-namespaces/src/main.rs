//! `ch02-namespaces`: a process in rooms of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ch00_process::failure::Failure;
use ch00_process::keyboard;
use ch00_process::output::Output;
use ch01_chroot::as_root::{self, Run};
use ch02_namespaces::order;
use ch02_namespaces::run::{self, Options};
use clap::Parser;

/// Chapter 02: rooms. A process with its own mounts, pids, names, network and users
#[derive(Parser)]
#[command(name = "ch02-namespaces", version)]
enum Cli {
    /// Run a command in namespaces of its own
    Run(Box<Run<Options>>),
    /// Sort the eight steps of a launch; an order is run, on a host of its own, to show what comes of it
    Order {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        /// The folder that becomes / [default: the base, made on demand]
        #[arg(long, value_name = "DIR")]
        rootfs: Option<PathBuf>,
        /// Your order, as eight letters; without it the steps are shown, shuffled
        letters: Option<String>,
    },
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    match cli {
        Cli::Run(run) => {
            let ended = run.start(Box::new(std::io::stderr()), run::run);
            keyboard::tell_end("ch02-namespaces", ended, &mut std::io::stderr()).into()
        }
        Cli::Order { root, rootfs, letters } => {
            let mut out = Output::new(std::io::stdout());
            let done = sort(root, rootfs.as_deref(), letters.as_deref()).map_err(anyhow::Error::from);
            let done = done.and_then(|(text, holds)| {
                write!(out, "{text}")?;
                Ok(u8::from(!holds))
            });
            out.end("ch02-namespaces: order", done, &mut std::io::stderr()).into()
        }
    }
}

/// What is shown, and whether the order holds.
fn sort(root: bool, rootfs: Option<&Path>, letters: Option<&str>) -> Result<(String, bool), Failure> {
    let Some(letters) = letters else { return Ok((order::question(), true)) };
    let steps = order::parse(letters)?;
    if root {
        as_root::become_root()?;
    }
    order::run(&steps, rootfs)
}
