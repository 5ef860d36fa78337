//! The chapters' pictures: the base, the gym, the groups.

use std::path::PathBuf;

use anyhow::Result;
use ch00_process::gym;
use ch00_process::output::Output;
use ch01_chroot::base;
use ch03_cgroups::tree;
use ch04_images::verbs;
use ch06_lifecycle::verbs::Io;
use clap::Subcommand;

use crate::images;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// This machine's own system as an image called base, or as a folder
    Base {
        /// A folder for it; it must not be there yet, or be such a base (chapter 01)
        dir: Option<PathBuf>,
    },
    /// Draw the processes of this machine by the rooms that they are in (chapter 00)
    Gym,
    /// Draw the control groups of this machine, ours marked (chapter 03)
    Tree,
}

pub(crate) fn run(verb: Verb, io: &mut Io<'_>) -> Result<u8> {
    match verb {
        Verb::Base { dir: Some(dir) } => writeln!(io.out, "{}", base::make(&dir)?)?,
        Verb::Base { dir: None } => {
            let name = "base".parse().map_err(|why| anyhow::anyhow!("{why}"))?;
            return images::perform(verbs::Verb::Base { name }, io);
        }
        Verb::Gym => gym::draw(&mut Output::new(std::fs::File::from(io.seat.out.try_clone_to_owned()?)))?,
        Verb::Tree => tree::draw(&mut io.out)?,
    }
    Ok(0)
}
