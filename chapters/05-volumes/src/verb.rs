//! `volume create|ls|inspect|rm|prune|export|import`: what a program with volumes offers besides `run`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::keyboard::agrees;
use ch03_cgroups::size::show as bytes;
use ch04_images::archive::compression::Compression;
use ch04_images::show::format as formatted;
use clap::Subcommand;

use crate::volume::{Store, show};

/// What can be done with volumes.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A new volume; without a name it gets one of 64 digits
    Create {
        /// Something to find it by
        #[arg(long, value_name = "KEY[=VALUE]")]
        label: Vec<String>,
        /// What it is called
        name: Option<String>,
    },
    /// The volumes that there are
    Ls {
        /// Their names alone
        #[arg(long, short)]
        quiet: bool,
        /// Only these: dangling=true|false, name=PART, label=KEY[=VALUE]
        #[arg(long, short, value_name = "KEY=VALUE")]
        filter: Vec<String>,
    },
    /// All that is known of volumes, as JSON
    Inspect {
        /// Only this: {{.Mountpoint}}, {{json .Labels}}
        #[arg(long, short, value_name = "TEMPLATE")]
        format: Option<String>,
        /// The volumes
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove volumes that no container has
    Rm {
        /// That one isn't there is no error
        #[arg(long, short)]
        force: bool,
        /// The volumes
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Remove the volumes without a name that no container has
    Prune {
        /// Those with a name too
        #[arg(long, short)]
        all: bool,
        /// Don't ask
        #[arg(long, short)]
        force: bool,
    },
    /// A volume as a tar
    Export {
        /// Where to; - for standard output
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// The volume
        name: String,
    },
    /// A tar (plain, gzip, zstd, xz) into an empty or new volume
    Import {
        /// The volume
        name: String,
        /// The tar; - for standard input
        #[arg(default_value = "-")]
        source: PathBuf,
    },
}

/// Whether it touches what is in volumes: for an ordinary user that is done in the map.
#[must_use]
pub fn touches_files(verb: &Verb) -> bool {
    !matches!(verb, Verb::Create { .. } | Verb::Ls { .. } | Verb::Inspect { .. })
}

/// Does it, and writes what it says to `out`, which may be a terminal, and a question to `err`. Returns what is to be told
/// beside.
///
/// # Errors
/// In Docker's words.
pub fn run(verb: Verb, out: &mut dyn Write, err: &mut dyn Write, is_terminal: bool) -> Result<Vec<String>> {
    if let Verb::Prune { all, force: false } = verb {
        let which = if all { "all volumes" } else { "all volumes without a name" };
        if !agrees(&format!("This will remove {which} that no container has."), err)? {
            return Ok(Vec::new());
        }
    }
    let (text, notes) = done(verb, out, is_terminal)?;
    match out.write_all(text.as_bytes()) {
        // Whoever reads has had enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(notes)
}

fn done(verb: Verb, out: &mut dyn Write, is_terminal: bool) -> Result<(String, Vec<String>)> {
    let store = Store::open()?;
    let text = match verb {
        Verb::Create { label, name } => {
            let labels = label.iter().map(|text| text.split_once('=').unwrap_or((text, "")));
            let labels = labels.map(|(key, value)| (key.to_string(), value.to_string())).collect();
            store.create(name.as_deref(), labels)?.name + "\n"
        }
        Verb::Ls { quiet, filter } => {
            let mut volumes = store.list()?;
            for one in filter {
                let keep = filter_of(&store, &one)?;
                volumes.retain(|volume| keep(&volume.name, &volume.labels));
            }
            show::table(&volumes, quiet)
        }
        Verb::Inspect { format, names } => {
            let one = |name: &String| show::inspect(&store, &store.volume(name)?);
            let all = names.iter().map(one).collect::<Result<Vec<_>>>()?;
            match format {
                Some(template) => {
                    let line = |value| Ok(formatted(&template, value)? + "\n");
                    all.iter().map(line).collect::<Result<String>>()?
                }
                None => serde_json::to_string_pretty(&all)? + "\n",
            }
        }
        Verb::Rm { force, names } => return remove(&store, force, &names),
        Verb::Prune { all, force: _ } => {
            let (gone, size) = store.prune(all)?;
            let names: String = gone.iter().map(|name| format!("{name}\n")).collect();
            let head = if gone.is_empty() { "" } else { "Deleted Volumes:\n" };
            format!("{head}{names}Total reclaimed space: {}\n", bytes(size))
        }
        Verb::Export { output, name } => {
            if output == Path::new("-") && is_terminal {
                bail!("a tar is nothing for a terminal; name a file (--output FILE), or use a pipe");
            }
            let left_out = match output == Path::new("-") {
                true => store.export(&name, BufWriter::new(out))?,
                false => to(&output, |out| store.export(&name, out))?,
            };
            let told = left_out.iter().map(|path| String::from_utf8_lossy(path).into_owned());
            let told = told.map(|path| format!("left out: {path:?} is a socket, which no tar can hold"));
            return Ok((String::new(), told.collect()));
        }
        Verb::Import { name, source } => {
            let source: Box<dyn Read> = match source.as_os_str().to_str() {
                Some("-") => Box::new(io::stdin()),
                _ => Box::new(File::open(&source).with_context(|| source.display().to_string())?),
            };
            let mut source = BufReader::new(source);
            let compression = Compression::sniff(source.fill_buf().context("the archive")?);
            let notes = store.import(&name, compression.plain(source)?)?;
            return Ok((format!("{name}\n"), notes.lines().collect()));
        }
    };
    Ok((text, Vec::new()))
}

/// Each for itself: that one can't go is no reason to keep the others.
fn remove(store: &Store, force: bool, names: &[String]) -> Result<(String, Vec<String>)> {
    let mut gone = String::new();
    let mut failed = Vec::new();
    for name in names {
        match store.volume(name).and_then(|_| store.remove(name)) {
            Ok(()) => gone += &format!("{name}\n"),
            Err(_) if force && !store.folder(name).exists() => {}
            Err(error) => failed.push(error),
        }
    }
    match failed.len() {
        0 => Ok((gone, Vec::new())),
        1 if names.len() == 1 => Err(failed.remove(0)),
        _ => {
            let texts: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
            let gone: Vec<&str> = gone.lines().collect();
            let gone = if gone.is_empty() { String::new() } else { format!("removed {}; ", gone.join(", ")) };
            bail!("{gone}{}", texts.join("\n"))
        }
    }
}

type Keep = Box<dyn Fn(&str, &BTreeMap<String, String>) -> bool>;

fn filter_of(store: &Store, text: &str) -> Result<Keep> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (store, value) = (store.clone(), value.to_string());
    Ok(match (key, value.as_str()) {
        ("dangling", "true" | "1") => Box::new(move |name, _| store.is_free(name).unwrap_or(false)),
        ("dangling", "false" | "0") => Box::new(move |name, _| !store.is_free(name).unwrap_or(false)),
        ("name", _) => Box::new(move |name, _| name.contains(&value)),
        ("label", _) => Box::new(move |_, labels| match value.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|has| has == value),
            None => labels.contains_key(&value),
        }),
        _ => bail!("invalid filter '{text}': dangling=true|false, name=PART, label=KEY[=VALUE]"),
    })
}

/// Writes to a file that is whole or not there.
fn to<T>(output: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let what = || output.display().to_string();
    let beside = output.with_extension(format!("partial-{}", std::process::id()));
    let written = (|| {
        let mut out = BufWriter::new(File::create(&beside).with_context(what)?);
        let done = write(&mut out)?;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        std::fs::rename(&beside, output).with_context(what)?;
        Ok(done)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
