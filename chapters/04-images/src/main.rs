//! `ch04-images`: images in, containers of them, images out.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::keyboard::{self, Watch};
use ch00_process::output::Output;
use ch01_chroot::as_root::Run;
use ch04_images::ends::Ends;
use ch04_images::run::{self, Options};
use ch04_images::verbs::{Verb, perform};
use ch04_images::{mapped, progress};
use clap::Parser;

/// Chapter 04: the mould. One image, many containers; and a container becomes an image again
#[derive(Parser)]
#[command(name = "ch04-images", version)]
enum Cli {
    /// Run a command in a container of an image
    Run(Box<Run<Options>>),
    #[command(flatten)]
    Other(Box<Verb>),
}

fn main() -> ExitCode {
    progress::draw_on(io::stderr);
    let mut out = Output::new(io::stdout());
    if let Some(done) = mapped::asked() {
        return out.end("ch04-images", done.map(|()| 0), &mut io::stderr()).into();
    }
    let done = match keyboard::command_line() {
        Ok(Cli::Run(run)) => {
            let ended = run.start(Box::new(io::stderr()), run::run);
            Ok(keyboard::tell_end("ch04-images", ended, &mut io::stderr()))
        }
        Ok(Cli::Other(verb)) => other(*verb, &mut out),
        Err(code) => return code.into(),
    };
    out.end("ch04-images", done, &mut io::stderr()).into()
}

fn other(verb: Verb, out: &mut dyn Write) -> Result<u8> {
    let k = Watch::default().kernel(Box::new(io::stderr()))?;
    let mut ends = Ends {
        out,
        out_is_terminal: io::stdout().is_terminal(),
        notes: &mut io::stderr(),
        name: "ch04-images",
    };
    perform(verb, &mut ends, &k)
}
