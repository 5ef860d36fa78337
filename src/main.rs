//! `boxroom`: the engine, a thin command line over the chapters. It adds no mechanism of its own, and has the
//! verbs of the chapters that are there.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::gym;
use ch00_process::keyboard::{self, Watch};
use ch00_process::wait::Ended;
use ch01_chroot::{as_root, base};
use ch03_cgroups::run::{self, Options};
use ch03_cgroups::stats::{self, Show};
use ch03_cgroups::tree;
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
    /// Run a command in a container, within limits (chapters 02 and 03)
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
    /// What the containers use, every second or once (chapter 03)
    Stats {
        /// Once; the processor's column is seconds then
        #[arg(long)]
        no_stream: bool,
        /// One JSON object for each, on a line
        #[arg(long)]
        json: bool,
        /// Only these, by the names of their groups
        names: Vec<String>,
    },
    /// Draw the control groups of this machine, ours marked (chapter 03)
    Tree,
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
        Verb::Stats { no_stream, json, names } => stats::run(
            &mut std::io::stdout().lock(),
            &Show { names, once: no_stream, json, terminal: std::io::stdout().is_terminal() },
        ),
        Verb::Tree => tree::draw(&mut std::io::stdout().lock()).map_err(Into::into),
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
