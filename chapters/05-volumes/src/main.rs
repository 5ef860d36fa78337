//! `ch05-volumes`: a container, and what is plugged into it.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::{self, Watch};
use ch00_process::output::Output;
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
    let mut out = Output::new(io::stdout());
    if let Some(done) = asked() {
        return out.end("ch05-volumes", done.map(|()| 0), &mut io::stderr()).into();
    }
    let done = match keyboard::command_line() {
        Ok(Cli::Run(run)) => {
            let ended = run.start(Box::new(io::stderr()), start);
            Ok(keyboard::tell_end("ch05-volumes", ended, &mut io::stderr()))
        }
        Ok(Cli::Volume(verb)) if is_needed() && verb::touches_files(&verb) => {
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            let k = Watch::default().kernel(Box::new(io::stderr()));
            k.and_then(|k| in_the_map(words, &k)).map(|ended| ended.code).map_err(Into::into)
        }
        Ok(Cli::Volume(verb)) => {
            let notes = verb::run(verb, &mut out, &mut io::stderr(), io::stdout().is_terminal());
            for note in notes.iter().flatten() {
                let _ = writeln!(io::stderr(), "ch05-volumes: {note}");
            }
            notes.map(|_| 0)
        }
        Err(code) => return code.into(),
    };
    out.end("ch05-volumes", done, &mut io::stderr()).into()
}

fn start(Plugged { by_path, options }: Plugged, k: &Kernel) -> Result<Ended, Failure> {
    if by_path { run::run_by_path(options, k) } else { run::run(options, k) }
}
