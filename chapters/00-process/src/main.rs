//! `ch00-process`: runs a command as a process, and shows the gym that processes live in.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use ch00_process::exec::Command;
use ch00_process::failure::Failure;
use ch00_process::keyboard::{self, Watch};
use ch00_process::launch::Launch;
use ch00_process::output::Output;
use ch00_process::wait::Ended;
use clap::Parser;

/// Chapter 00: a process, and how the kernel is asked for one
#[derive(Parser)]
#[command(name = "ch00-process", version)]
enum Cli {
    /// Run a command as a process of its own and wait for it
    Run {
        #[command(flatten)]
        watch: Watch,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// Draw the processes of this machine by the rooms (sets of namespaces) that they are in
    Gym,
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    match cli {
        Cli::Run { watch, command } => {
            keyboard::tell_end("ch00-process", run(watch, command), &mut std::io::stderr()).into()
        }
        Cli::Gym => {
            let mut out = Output::new(std::io::stdout());
            let done = ch00_process::gym::draw(&mut out).map(|()| 0).context("gym");
            out.end("ch00-process", done, &mut std::io::stderr()).into()
        }
    }
}

fn run(watch: Watch, command: Vec<OsString>) -> Result<Ended, Failure> {
    let k = watch.kernel(Box::new(std::io::stderr()))?;
    Launch::new(Command::inheriting(command)?).run(&k)
}
