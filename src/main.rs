//! `boxroom`: the engine, a thin command line over the chapters. It adds no mechanism of its own, and has the
//! verbs of the chapters that are there.
//!
//! # Layout
//! - [`images`], [`containers`]: images, and containers that are kept (chapter 04)
//! - [`machine`]: this machine (chapters 00, 01, 03)

mod containers;
mod images;
mod machine;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::keyboard::{self, Watch};
use ch01_chroot::as_root;
use ch04_images::mapped;
use ch04_images::run::{self, Options};
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
    /// Run a command in a container of an image; base is the system of this very machine
    Run {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<Options>,
    },
    #[command(flatten)]
    Images(images::Verb),
    #[command(flatten)]
    Containers(containers::Verb),
    #[command(flatten)]
    Machine(machine::Verb),
}

fn main() -> ExitCode {
    if let Some(done) = mapped::asked() {
        return told(done.map(|()| 0));
    }
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    told(perform(cli.verb))
}

fn perform(verb: Verb) -> Result<u8> {
    let k = || Watch::default().kernel(Box::new(io::stderr()));
    match verb {
        Verb::Run { root, watch, options } => start(root, watch, *options),
        Verb::Images(verb) => images::perform(verb, &mut io::stdout(), &mut io::stderr(), &k()?),
        Verb::Containers(verb) => containers::perform(verb, &mut io::stdout(), &mut io::stderr(), &k()?),
        Verb::Machine(verb) => machine::perform(verb, &mut io::stdout()),
    }
}

fn told(done: Result<u8>) -> ExitCode {
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            let code = error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code);
            let _ = writeln!(io::stderr(), "boxroom: {error:#}");
            code.into()
        }
    }
}

fn start(root: bool, watch: Watch, options: Options) -> Result<u8> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(io::stderr()))?;
    let ended = run::run(options, &k)?;
    Ok(keyboard::tell_end("boxroom", Ok(ended), &mut io::stderr()))
}
