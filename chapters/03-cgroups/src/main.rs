//! `ch03-cgroups`: a process in rooms of its own, and how much it may use.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use ch00_process::keyboard;
use ch00_process::output::Output;
use ch01_chroot::as_root::Run;
use ch03_cgroups::run::{self, Options};
use ch03_cgroups::stats::{self, Show};
use ch03_cgroups::{neighbours, tree};
use clap::Parser;

/// Chapter 03: limits. How much memory, processor, processes and io a container may use
#[derive(Parser)]
#[command(name = "ch03-cgroups", version)]
enum Cli {
    /// Run a command in namespaces of its own, within limits
    Run(Box<Run<Options>>),
    /// What the groups use, every second (or once); like docker stats
    Stats {
        /// Once; the processor's column is seconds then
        #[arg(long)]
        no_stream: bool,
        /// One JSON object for each group, on a line
        #[arg(long)]
        json: bool,
        /// Only these groups
        names: Vec<String>,
    },
    /// Which groups there are, who waits for them, where they are
    Ls,
    /// Draw the control groups of this machine, ours marked
    Tree,
    /// The noisy neighbour: what a loud container leaves to a quiet one, measured and drawn (a few seconds)
    Neighbours,
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let mut output = Output::new(io::stdout());
    let out = &mut output;
    let done = match cli {
        Cli::Run(run) => {
            let ended = run.start(Box::new(io::stderr()), run::run);
            return keyboard::tell_end("ch03-cgroups", ended, &mut io::stderr()).into();
        }
        Cli::Stats { no_stream, json, names } => {
            stats::run(out, &Show { names, once: no_stream, json, terminal: std::io::stdout().is_terminal() })
        }
        Cli::Ls => stats::list(out),
        Cli::Tree => tree::draw(out).map_err(Into::into),
        Cli::Neighbours => {
            std::env::current_exe().map_err(Into::into).and_then(|program| neighbours::run(out, &program))
        }
    };
    output.end("ch03-cgroups", done.map(|()| 0), &mut io::stderr()).into()
}
