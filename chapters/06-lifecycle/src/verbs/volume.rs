//! The verb `volume`: chapter 05's, and one for which a container has to run: `volume plug`.

use std::ffi::OsString;

use anyhow::Result;
use ch00_process::keyboard::Watch;
use ch05_volumes::{mapped, verb as below};
use clap::{Args, Subcommand};

use super::Io;
use crate::containers::Containers;
use crate::plug::{self, Plug};

/// `volume`
#[derive(Debug, Subcommand)]
pub enum Volume {
    /// Plug a volume into a container that runs; it stays there until that ends
    Plug(Plugged),
    #[command(flatten)]
    #[allow(missing_docs)]
    Below(below::Verb),
}

/// `volume plug`
#[derive(Debug, Args)]
pub struct Plugged {
    #[command(flatten)]
    watch: Watch,
    /// Nothing can be written through it
    #[arg(long)]
    read_only: bool,
    /// The volume
    name: String,
    /// Where in the container, absolute
    #[arg(value_name = "DST")]
    target: String,
    /// The container
    container: String,
}

/// # Errors
/// What could not be done.
pub(super) fn volume(volume: Volume, io: &mut Io<'_>) -> Result<u8> {
    match volume {
        Volume::Plug(Plugged { watch, read_only, name, target, container }) => {
            let k = watch.kernel(Box::new(std::fs::File::from(io.seat.err.try_clone_to_owned()?)))?;
            let container = Containers::open()?.find(&container)?;
            plug::plug(&container, &Plug { name, target, read_only }, &k)?;
            Ok(0)
        }
        Volume::Below(verb) if mapped::is_needed() && below::touches_files(&verb) => {
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            Ok(ch04_images::mapped::run(words, &super::unwatched())?.code)
        }
        Volume::Below(verb) => {
            let terminal = std::io::IsTerminal::is_terminal(&io.seat.out);
            for note in below::run(verb, io.out, io.err, terminal)? {
                let _ = writeln!(io.err, "{}: {note}", io.program);
            }
            Ok(0)
        }
    }
}
