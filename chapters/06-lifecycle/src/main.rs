//! `ch06-lifecycle`: containers that are made, run, stopped and thrown away.

use std::io::Write;
use std::process::ExitCode;

use ch00_process::failure::{ENGINE, Failure};
use ch00_process::keyboard::{self, Watch};
use ch06_lifecycle::containers::Containers;
use ch06_lifecycle::exec_verb;
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
            exec_verb::run(*options, &k, &mut std::io::stdout(), &mut std::io::stderr())
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
