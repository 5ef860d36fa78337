//! `ch02-namespaces`: a process in rooms of its own.

use std::io::Write;
use std::process::ExitCode;

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::keyboard::{self, Watch};
use ch00_process::wait::Ended;
use ch01_chroot::as_root;
use ch02_namespaces::run::{self, Options};
use clap::{Parser, Subcommand};

/// Chapter 02: rooms. A process with its own mounts, pids, names, network and users
#[derive(Parser)]
#[command(name = "ch02-namespaces", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in namespaces of its own
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
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(if error.use_stderr() { ENGINE.into() } else { 0 })
    });
    let Verb::Run { root, watch, options } = cli.verb;
    match start(root, watch, *options) {
        Ok(ended) => {
            if let Some(note) = keyboard::note(ended) {
                let _ = writeln!(std::io::stderr(), "ch02-namespaces: {note}");
            }
            ended.code.into()
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "ch02-namespaces: {failure}");
            failure.code.into()
        }
    }
}

fn start(root: bool, watch: Watch, options: Options) -> Result<Ended, Failure> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(std::io::stderr()))?;
    run::run(options, &k)
}
