//! `boxroom`: the engine, a thin command line over the chapters. It adds no mechanism of its own, and has the
//! verbs of the chapters that are there.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::gym;
use ch00_process::keyboard::{self, Watch};
use ch00_process::wait::Ended;
use ch01_chroot::{as_root, base};
use ch02_namespaces::run::{self, Options};
use clap::{Parser, Subcommand};

/// A small container engine: the sum of the chapters
#[derive(Parser)]
#[command(name = "boxroom", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in a container (chapter 02)
    Run {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Make the base root file system from this machine (chapter 01)
    Base {
        /// Where; it must not be there yet, or be such a base
        dir: PathBuf,
    },
    /// Draw the processes of this machine by the rooms that they are in (chapter 00)
    Gym,
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let done = match cli.verb {
        Verb::Run { root, watch, options } => {
            let ended = start(root, watch, *options);
            return keyboard::tell_end("boxroom", ended, &mut std::io::stderr()).into();
        }
        Verb::Base { dir } => base::make(&dir).map(|made| {
            let _ = writeln!(std::io::stdout(), "{made}");
        }),
        Verb::Gym => gym::draw(&mut std::io::stdout().lock()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "boxroom: {error:#}");
            ENGINE.into()
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
