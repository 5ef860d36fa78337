//! `ch03-cgroups`: a process in rooms of its own, and how much it may use.

use std::process::ExitCode;

use ch00_process::failure::Failure;
use ch00_process::keyboard::{self, Watch};
use ch00_process::wait::Ended;
use ch01_chroot::as_root;
use ch03_cgroups::run::{self, Options};
use clap::{Parser, Subcommand};

/// Chapter 03: limits. How much memory, processor, processes and io a container may use
#[derive(Parser)]
#[command(name = "ch03-cgroups", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in namespaces of its own, within limits
    Run {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<Options>,
    },
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let Verb::Run { root, watch, options } = cli.verb;
    keyboard::tell_end("ch03-cgroups", start(root, watch, *options), &mut std::io::stderr()).into()
}

fn start(root: bool, watch: Watch, options: Options) -> Result<Ended, Failure> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(std::io::stderr()))?;
    run::run(options, &k)
}
