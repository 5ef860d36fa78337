//! The verbs that look at this machine: chapters 00, 01 and 03.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::Result;
use ch00_process::gym;
use ch01_chroot::base;
use ch03_cgroups::stats::{self, Show};
use ch03_cgroups::tree;
use clap::Subcommand;

/// What can be seen and made without a container.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the base root file system from this machine (chapter 01)
    Base {
        /// Where; it must not be there yet, or be such a base
        dir: PathBuf,
    },
    /// Draw the processes of this machine by the rooms that they are in (chapter 00)
    Gym,
    /// What the containers use, every second or once (chapter 03)
    Stats {
        /// Once; the processor's column is seconds then
        #[arg(long)]
        no_stream: bool,
        /// One JSON object for each, on a line
        #[arg(long)]
        json: bool,
        /// Only these, by the names of their groups
        names: Vec<String>,
    },
    /// Draw the control groups of this machine, ours marked (chapter 03)
    Tree,
}

/// Does it.
///
/// # Errors
/// As the chapter says.
pub(crate) fn perform(verb: Verb, out: &mut (impl io::Write + IsTerminal + AsFd)) -> Result<u8> {
    match verb {
        Verb::Base { dir } => {
            let made = base::make(&dir)?;
            writeln!(out, "{made}")?;
        }
        Verb::Gym => gym::draw(out)?,
        Verb::Stats { no_stream, json, names } => {
            let terminal = out.is_terminal();
            stats::run(out, &Show { names, once: no_stream, json, terminal })?;
        }
        Verb::Tree => tree::draw(out)?,
    }
    Ok(0)
}
