//! What a container has changed: diff, commit, export, cp.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::keyboard::Watch;
use ch04_images::reference::Reference;
use ch04_images::store::Store;
use ch04_images::{changes, commit, copy, mapped};
use ch06_lifecycle::containers::Containers;
use ch06_lifecycle::verbs::Io;
use clap::Subcommand;

use crate::images::Words;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What a container has changed: A added, C changed, D deleted
    Diff {
        /// The container
        container: String,
    },
    /// An image from what a container has changed
    Commit {
        /// The container
        container: String,
        /// What the image is called
        name: Option<Reference>,
        #[command(flatten)]
        words: Words,
    },
    /// A container's whole tree as a tar
    Export {
        /// Where to; - for standard output
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// The container
        container: String,
    },
    /// Copy a file: CONTAINER:PATH HOSTPATH, or the other way
    Cp {
        /// From
        from: String,
        /// To
        to: String,
    },
}

pub(crate) fn run(verb: Verb, io: &mut Io<'_>) -> Result<u8> {
    if mapped::is_needed() {
        return in_the_map();
    }
    let (store, all) = (Store::open()?, Containers::open()?);
    let find = |name: &str| all.find(name).map(|found| found.config.container);
    match verb {
        Verb::Diff { container } => {
            for change in changes::of(&store, &find(&container)?)? {
                writeln!(io.out, "{change}")?;
            }
        }
        Verb::Commit { container, name, words } => {
            let container = find(&container)?;
            let (manifest, left_out) = commit::commit(&store, &container, name.as_ref(), &words.about())?;
            sockets(&left_out, io);
            writeln!(io.out, "{}", manifest.digest())?;
        }
        Verb::Export { output, container } => {
            let container = find(&container)?;
            let mut left_out = Vec::new();
            to(&output, io, |out| commit::export(&store, &container, out).map(|left| left_out = left))?;
            sockets(&left_out, io);
        }
        Verb::Cp { from, to } => match (copy::side(&from), copy::side(&to)) {
            (Some((name, path)), None) => copy::out(&store, &find(name)?, path, Path::new(&to))?,
            (None, Some((name, path))) => copy::into(&store, &find(name)?, Path::new(&from), path)?,
            _ => bail!("cp {from} {to}: one side is CONTAINER:PATH, the other a path of the host"),
        },
    }
    Ok(0)
}

/// An ordinary user's layers and containers belong to ids of its map, so only somebody in there may touch them.
pub(crate) fn in_the_map() -> Result<u8> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let k = Watch::default().kernel(Box::new(std::io::stderr()))?;
    Ok(mapped::run(words, &k)?.code)
}

pub(crate) fn sockets(left_out: &[Vec<u8>], io: &mut Io<'_>) {
    for path in left_out {
        let path = String::from_utf8_lossy(path);
        let _ = writeln!(io.err, "{}: left out: {path:?} is a socket, which no tar can hold", io.program);
    }
}

/// Writes to a file that is whole or not there, or to standard output.
pub(crate) fn to(
    output: &Path,
    io: &mut Io<'_>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    if output == Path::new("-") {
        if io.seat.out.is_terminal() {
            bail!("cowardly refusing to save to a terminal: use --output FILE, or send it through a pipe");
        }
        let mut out = BufWriter::new(&mut *io.out);
        write(&mut out)?;
        return Ok(out.flush()?);
    }
    let what = || output.display().to_string();
    let beside = output.with_extension(format!("partial-{}", std::process::id()));
    let written = (|| {
        let mut out = BufWriter::new(File::create(&beside).with_context(what)?);
        write(&mut out)?;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        std::fs::rename(&beside, output).with_context(what)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
