//! The verb `align`: another engine's launch, sorted into our moments.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ch00_process::failure::Failure;
use clap::Args;

use super::Io;
use crate::align;

/// `align`
#[derive(Debug, Args)]
pub struct Align {
    /// What `strace -f -o FILE crun run ...` has written; - for standard input
    #[arg(value_name = "FILE")]
    trace: PathBuf,
}

/// # Errors
/// It can't be read, or is no trace of a launch.
pub(super) fn align(align: &Align, io: &mut Io<'_>) -> Result<u8> {
    let what = || align.trace.display().to_string();
    let bytes = if align.trace == Path::new("-") {
        let mut bytes = Vec::new();
        fs::File::from(io.seat.input.try_clone_to_owned()?).read_to_end(&mut bytes)?;
        bytes
    } else {
        fs::read(&align.trace).with_context(what)?
    };
    let aligned = align::align(&String::from_utf8_lossy(&bytes));
    if aligned.is_empty() {
        let hint = "strace -f -o FILE crun run NAME; the -f is needed, a launch is two processes";
        return Err(Failure::said(format!("{}: no launch of a container is in it", what()), "", hint).into());
    }
    write!(io.out, "{}", aligned.table())?;
    Ok(0)
}
