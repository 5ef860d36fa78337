//! `ch05-volumes`: a container, and what is plugged into it.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::failure::Failure;
use ch00_process::keyboard::{self, Watch};
use ch00_process::output::Output;
use ch00_process::wait::Ended;
use ch01_chroot::as_root;
use ch04_images::mapped::run as in_the_map;
use ch05_volumes::mapped::{asked, is_needed};
use ch05_volumes::run::{self, Options};
use ch05_volumes::verb;
use clap::{Parser, Subcommand};

/// Chapter 05: the external drive. What outlives a container, and how it gets in
#[derive(Parser)]
#[command(name = "ch05-volumes", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in a container of an image, with what is plugged in
    Run {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        /// Mount by paths, before the root is switched, as engines did until 2021: to be attacked
        #[arg(long, hide = true)]
        by_path: bool,
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// What outlives containers: volumes
    #[command(subcommand)]
    Volume(verb::Verb),
}

fn main() -> ExitCode {
    let mut out = Output::new(io::stdout());
    if let Some(done) = asked() {
        return out.end("ch05-volumes", done.map(|()| 0), &mut io::stderr()).into();
    }
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let done = match cli.verb {
        Verb::Run { root, by_path, watch, options } => {
            let ended = start(root, by_path, watch, *options);
            Ok(keyboard::tell_end("ch05-volumes", ended, &mut io::stderr()))
        }
        Verb::Volume(verb) if is_needed() && verb::touches_files(&verb) => {
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            let k = Watch::default().kernel(Box::new(io::stderr()));
            k.and_then(|k| in_the_map(words, &k)).map(|ended| ended.code).map_err(Into::into)
        }
        Verb::Volume(verb) => {
            let notes = verb::run(verb, &mut out, io::stdout().is_terminal());
            for note in notes.iter().flatten() {
                let _ = writeln!(io::stderr(), "ch05-volumes: {note}");
            }
            notes.map(|_| 0)
        }
    };
    out.end("ch05-volumes", done, &mut io::stderr()).into()
}

fn start(root: bool, by_path: bool, watch: Watch, options: Options) -> Result<Ended, Failure> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(io::stderr()))?;
    if by_path { run::run_by_path(options, &k) } else { run::run(options, &k) }
}
