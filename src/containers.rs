//! The verbs of containers that are kept, as far as chapter 04 goes: which there are, and away with them.

use std::io;
use std::io::IsTerminal;

use anyhow::Result;
use ch00_process::kernel::Kernel;
use ch04_images::ends::Ends;
use ch04_images::verbs;
use clap::Subcommand;

/// What can be done with containers that have ended.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The containers that are kept
    Containers,
    /// Remove kept containers
    Rm {
        /// The containers
        #[arg(required = true)]
        containers: Vec<String>,
    },
}

/// Does it.
///
/// # Errors
/// As chapter 04 says.
pub(crate) fn perform(
    verb: Verb,
    out: &mut io::Stdout,
    notes: &mut (impl io::Write + IsTerminal + Send),
    k: &Kernel,
) -> Result<u8> {
    let (out_is_terminal, notes_is_terminal) = (out.is_terminal(), notes.is_terminal());
    let mut ends = Ends { out, out_is_terminal, notes, notes_is_terminal, name: "boxroom" };
    let below = match verb {
        Verb::Containers => verbs::Verb::Containers,
        Verb::Rm { containers } => verbs::Verb::Discard { containers },
    };
    verbs::perform(below, &mut ends, k)
}
