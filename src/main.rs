//! `boxroom`: the engine, a thin command line over the chapters. It adds no mechanism of its own, and has the verbs of the
//! chapters that are there, by the names that Docker has for them.
//!
//! # Layout
//! - [`images`]: images in and out, by name; what a container has changed (chapter 04)
//! - [`lessons`]: the pictures: base, gym, tree (chapters 00, 01, 03)
//! - [`papers`]: shell completions and man pages, made of the command line itself
//!
//! All that is about a container's life is chapter 06's ([`ch06_lifecycle::verbs`]), volumes with it.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use ch00_process::keyboard;
use ch00_process::output::Output;
use ch05_volumes::mapped;
use ch06_lifecycle::terminal::Seat;
use ch06_lifecycle::verbs::{self, Io};
use clap::{Parser, Subcommand};

mod images;
mod lessons;
mod papers;

/// A small container engine: the sum of the chapters
#[derive(Parser)]
#[command(name = "boxroom", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(flatten)]
    Life(verbs::Verb),
    #[command(flatten)]
    Images(images::Verb),
    #[command(flatten)]
    Lessons(lessons::Verb),
    #[command(flatten)]
    Papers(papers::Verb),
}

fn main() -> ExitCode {
    let program = "boxroom";
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
    let mut io = Io { out: &mut output, err: &mut &err, program, seat };
    let done = match cli.verb {
        Verb::Life(verb) => verbs::run(verb, &mut io),
        Verb::Images(verb) => images::run(verb, &mut io).map_err(verbs::one),
        Verb::Lessons(verb) => lessons::run(verb, &mut io).map_err(verbs::one),
        Verb::Papers(verb) => papers::run(&verb, &mut io).map_err(verbs::one),
    };
    output.end(program, done, &mut &err).into()
}
