//! `ch06-lifecycle`: containers that are made, run, stopped and thrown away.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::keyboard::{self, Watch};
use ch06_lifecycle::containers::Containers;
use ch06_lifecycle::exec_verb;
use ch06_lifecycle::terminal::Seat;
use clap::{Parser, Subcommand};

/// Chapter 06: a container's life. Made, started, stopped, thrown away
#[derive(Parser)]
#[command(name = "ch06-lifecycle", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List containers
    Ps,
    /// Run a command in a container that runs
    Exec {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<exec_verb::Options>,
    },
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let done = match cli.verb {
        Verb::Ps => Containers::open().and_then(|all| all.list()).map(|all| {
            for one in all {
                let _ = writeln!(std::io::stdout(), "{} {}", one.config.id(), one.name());
            }
            0
        }),
        Verb::Exec { watch, options } => (|| {
            let k = watch.kernel(Box::new(std::io::stderr()))?;
            let (input, out, err) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
            let seat = Seat { input: input.as_fd(), out: out.as_fd(), err: err.as_fd() };
            exec_verb::run(*options, seat, &k)
        })(),
    };
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            let code = error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code);
            let _ = writeln!(std::io::stderr(), "ch06-lifecycle: {error:#}");
            code.into()
        }
    }
}
