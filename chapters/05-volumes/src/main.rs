//! `ch05-volumes`: a container, and what is plugged into it.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::{self, Watch};
use ch00_process::wait::Ended;
use ch01_chroot::as_root::Run;
use ch04_images::mapped::run as in_the_map;
use ch04_images::progress;
use ch05_volumes::mapped::{asked, is_needed};
use ch05_volumes::run::{self, Options};
use ch05_volumes::verb;
use clap::{Args, Parser};

/// Chapter 05: the external drive. What outlives a container, and how it gets in
#[derive(Parser)]
#[command(name = "ch05-volumes", version)]
enum Cli {
    /// Run a command in a container of an image, with what is plugged in
    Run(Box<Run<Plugged>>),
    /// What outlives containers: volumes
    #[command(subcommand)]
    Volume(verb::Verb),
}

#[derive(Args)]
struct Plugged {
    /// Mount by paths, before the root is switched, as engines did until 2021: to be attacked
    #[arg(long, hide = true)]
    by_path: bool,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    progress::draw_on(io::stderr);
    if let Some(done) = asked() {
        return told(done.map(|()| 0));
    }
    match keyboard::command_line() {
        Ok(Cli::Run(run)) => {
            let ended = run.start(Box::new(io::stderr()), start);
            keyboard::tell_end("ch05-volumes", ended, &mut io::stderr()).into()
        }
        Ok(Cli::Volume(verb)) if is_needed() && verb::touches_files(&verb) => {
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            let k = Watch::default().kernel(Box::new(io::stderr()));
            told(k.and_then(|k| in_the_map(words, &k)).map(|ended| ended.code).map_err(Into::into))
        }
        Ok(Cli::Volume(verb)) => {
            let (out, is_terminal) = (&mut io::stdout().lock(), io::stdout().is_terminal());
            let notes = verb::run(verb, out, is_terminal);
            for note in notes.iter().flatten() {
                let _ = writeln!(io::stderr(), "ch05-volumes: {note}");
            }
            told(notes.map(|_| 0))
        }
        Err(code) => code.into(),
    }
}

fn start(Plugged { by_path, options }: Plugged, k: &Kernel) -> Result<Ended, Failure> {
    if by_path { run::run_by_path(options, k) } else { run::run(options, k) }
}

fn told(done: Result<u8>) -> ExitCode {
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "ch05-volumes: {error:#}");
            error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code).into()
        }
    }
}
