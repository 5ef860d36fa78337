//! `ch06-lifecycle`: containers that are made, run, stopped and thrown away.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use ch00_process::keyboard;
use ch00_process::output::Output;
use ch05_volumes::mapped;
use ch06_lifecycle::terminal::Seat;
use ch06_lifecycle::verbs::{self, Io, Verb};
use clap::Parser;

/// Chapter 06: a container's life. Made, started, stopped, thrown away
#[derive(Parser)]
#[command(name = "ch06-lifecycle", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let program = "ch06-lifecycle";
    if let Some(done) = mapped::asked() {
        let told = done.map_err(|error| writeln!(std::io::stderr(), "{program}: {error:#}"));
        return u8::from(told.is_err()).into();
    }
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let (input, out, err) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let seat = Seat { input: input.as_fd(), out: out.as_fd(), err: err.as_fd() };
    let mut output = Output::new(&out);
    let done = verbs::run(cli.verb, &mut Io { out: &mut output, err: &mut &err, program, seat });
    output.end(program, done, &mut &err).into()
}
