//! `boxroom`: the engine, a thin command line over the chapters. It adds no mechanism of its own, and has the verbs of the
//! chapters that are there, by the names that Docker has for them.
//!
//! # Layout
//! - [`images`]: images in and out, by name; what a container has changed (chapter 04)
//! - [`lessons`]: the pictures: base, gym, tree (chapters 00, 01, 03)
//! - [`papers`]: shell completions and man pages, made of the command line itself
//!
//! All that is about a container's life is chapter 06's ([`ch06_lifecycle::verbs`]), volumes with it.

use std::process::ExitCode;

use anyhow::Result;
use ch04_images::progress;
use ch06_lifecycle::verbs::{self, Io};
use clap::Parser;

mod images;
mod lessons;
mod papers;

/// A small container engine: the sum of the chapters
#[derive(Parser)]
#[command(name = "boxroom", version)]
pub(crate) enum Cli {
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
    progress::draw_on(std::io::stderr);
    let standard = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    verbs::main("boxroom", &standard, run)
}

fn run(cli: Cli, io: &mut Io<'_>) -> Result<u8> {
    match cli {
        Cli::Life(verb) => verbs::run(verb, io),
        Cli::Images(verb) => images::run(verb, io).map_err(verbs::one),
        Cli::Lessons(verb) => lessons::run(verb, io).map_err(verbs::one),
        Cli::Papers(verb) => papers::run(&verb, io).map_err(verbs::one),
    }
}
