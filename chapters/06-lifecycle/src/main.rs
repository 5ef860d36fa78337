//! `ch06-lifecycle`: containers that are made, run, stopped and thrown away.

use std::process::ExitCode;

use ch04_images::progress;
use ch06_lifecycle::verbs::{self, Verb};
use clap::Parser;

/// Chapter 06: a container's life. Made, started, stopped, thrown away
#[derive(Parser)]
#[command(name = "ch06-lifecycle", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    progress::draw_on(std::io::stderr);
    let standard = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    verbs::main("ch06-lifecycle", &standard, |cli: Cli, io| verbs::run(cli.verb, io))
}
