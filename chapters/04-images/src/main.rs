//! `ch04-images`: images in, containers of them, images out.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::keyboard::{self, Watch};
use ch00_process::output::Output;
use ch01_chroot::as_root;
use ch04_images::ends::Ends;
use ch04_images::mapped;
use ch04_images::run::{self, Options};
use ch04_images::verbs::{self, perform};
use clap::{Parser, Subcommand};

/// Chapter 04: the mould. One image, many containers; and a container becomes an image again
#[derive(Parser)]
#[command(name = "ch04-images", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in a container of an image
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
    Other(Box<verbs::Verb>),
}

fn main() -> ExitCode {
    let mut out = Output::new(io::stdout());
    if let Some(done) = mapped::asked() {
        return out.end("ch04-images", done.map(|()| 0), &mut io::stderr()).into();
    }
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let done = match cli.verb {
        Verb::Run { root, watch, options } => start(root, watch, *options),
        Verb::Other(verb) => other(*verb, &mut out),
    };
    out.end("ch04-images", done, &mut io::stderr()).into()
}

fn start(root: bool, watch: Watch, options: Options) -> Result<u8> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(io::stderr()))?;
    let ended = run::run(options, &k)?;
    Ok(keyboard::tell_end("ch04-images", Ok(ended), &mut io::stderr()))
}

fn other(verb: verbs::Verb, out: &mut dyn Write) -> Result<u8> {
    let k = Watch::default().kernel(Box::new(io::stderr()))?;
    let mut ends = Ends {
        out,
        out_is_terminal: io::stdout().is_terminal(),
        notes: &mut io::stderr(),
        notes_is_terminal: io::stderr().is_terminal(),
        name: "ch04-images",
    };
    perform(verb, &mut ends, &k)
}
