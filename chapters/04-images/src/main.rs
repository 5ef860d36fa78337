//! `ch04-images`: images in, containers of them, images out.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::{self, Watch};
use ch01_chroot::as_root;
use ch04_images::container::Container;
use ch04_images::import::{self, About};
use ch04_images::reference::Reference;
use ch04_images::run::{self, Options};
use ch04_images::save::{self, Form};
use ch04_images::store::Store;
use ch04_images::{changes, commit, copy, load, mapped, show};
use clap::{Parser, Subcommand};

/// Chapter 04: the mould. One image, many containers; and a container becomes an image again
#[derive(Parser)]
#[command(name = "ch04-images", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in a container of an image
    Run {
        /// Run as root, by sudo
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// An image of one layer, from a tar (plain, gzip, zstd, xz), a directory, or - for standard input
    Import {
        /// The tar or directory
        source: PathBuf,
        /// What the image is called
        name: Reference,
        #[command(flatten)]
        about: Words,
    },
    /// The machine's own system (chapter 01's base) as an image of two layers
    Base {
        /// What the image is called
        #[arg(default_value = "base")]
        name: Reference,
    },
    /// Images from an archive (OCI, or docker save's), a layout's folder, or - for standard input
    Load {
        /// The archive or folder
        source: PathBuf,
        /// What the image is called, where there is one
        name: Option<Reference>,
    },
    /// Images as one archive
    Save {
        /// Where to; - for standard output
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// Its form
        #[arg(long, value_enum, default_value = "oci")]
        format: Form,
        /// The images
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// The images of the store
    Ls {
        /// Their digests alone
        #[arg(long, short)]
        quiet: bool,
    },
    /// All that is known about an image, as JSON
    Inspect {
        /// Only this: {{.Config.Cmd}}, {{json .Config}}
        #[arg(long, value_name = "TEMPLATE")]
        format: Option<String>,
        /// The image
        image: String,
    },
    /// What was done for each of its layers
    History {
        /// The image
        image: String,
    },
    /// Draw the stack of an image
    Layers {
        /// The image
        image: String,
    },
    /// One name more for an image
    Tag {
        /// The image
        image: String,
        /// The name
        name: Reference,
    },
    /// Take away a name, or by its digest an image with all its names
    Rm {
        /// Names or digests
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// Remove blobs and unpacked layers that no image and no container needs
    Prune,
    /// Unpack an image's layers without running anything
    Unpack {
        /// The image
        image: String,
    },
    /// The containers that are kept
    Containers,
    /// What a kept container has changed: A added, C changed, D deleted
    Diff {
        /// The container
        container: String,
    },
    /// An image from what a kept container has changed
    Commit {
        /// The container
        container: String,
        /// What the image is called
        name: Option<Reference>,
        #[command(flatten)]
        about: Words,
    },
    /// A kept container's whole tree as a tar
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
    /// Remove kept containers
    Discard {
        /// The containers
        #[arg(required = true)]
        containers: Vec<String>,
    },
}

#[derive(clap::Args)]
struct Words {
    /// How it is run, in the Dockerfile's words: 'CMD ["sh"]', 'ENV KEY=VALUE', 'USER app', 'WORKDIR /srv', ...
    #[arg(long, short, value_name = "WORDS")]
    change: Vec<String>,
    /// For the history
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Who made it
    #[arg(long, short, value_name = "NAME")]
    author: Option<String>,
}

impl Words {
    fn about(&self) -> About<'_> {
        About { changes: &self.change, message: self.message.as_deref(), author: self.author.as_deref() }
    }
}

fn main() -> ExitCode {
    if let Some(done) = mapped::asked() {
        return told(done.map(|()| 0));
    }
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let done = match cli.verb {
        Verb::Run { root, watch, options } => start(root, watch, *options),
        verb if mapped::is_needed() && touches_files(&verb) => in_the_map(),
        verb => other(verb).map(|()| 0),
    };
    told(done)
}

fn told(done: Result<u8>) -> ExitCode {
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            let code = error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code);
            let _ = writeln!(io::stderr(), "ch04-images: {error:#}");
            code.into()
        }
    }
}

fn start(root: bool, watch: Watch, options: Options) -> Result<u8> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(io::stderr()))?;
    let ended = run::run(options, &k)?;
    Ok(keyboard::tell_end("ch04-images", Ok(ended), &mut io::stderr()))
}

/// An ordinary user's layers and containers belong to ids of its map, so only somebody in there may touch them. And a
/// folder that is the user's own is root's in there, as it has to be in an image.
fn touches_files(verb: &Verb) -> bool {
    if let Verb::Import { source, .. } = verb {
        return source.is_dir();
    }
    matches!(
        verb,
        Verb::Base { .. }
            | Verb::Unpack { .. }
            | Verb::Prune
            | Verb::Diff { .. }
            | Verb::Commit { .. }
            | Verb::Export { .. }
            | Verb::Cp { .. }
            | Verb::Discard { .. }
    )
}

fn in_the_map() -> Result<u8> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let k: Kernel = Watch::default().kernel(Box::new(io::stderr()))?;
    Ok(mapped::run(words, &k)?.code)
}

fn other(verb: Verb) -> Result<()> {
    let store = Store::open()?;
    match verb {
        Verb::Run { .. } => Ok(()), // main has taken it
        Verb::Import { source, name, about } => {
            let (manifest, left_out) = import::import(&store, &source, &name, &about.about())?;
            sockets(&left_out);
            say(&format!("{}\n", manifest.digest()))
        }
        Verb::Base { name } => say(&format!("{}\n", import::base(&store, &name)?.digest())),
        Verb::Load { source, name } => {
            for name in load::load(&store, &source, name.as_ref())? {
                say(&format!("{name}\n"))?;
            }
            Ok(())
        }
        Verb::Save { output, format, images } => to(&output, |out| save::save(&store, &images, format, out)),
        Verb::Ls { quiet } => say(&show::list(&store, quiet)?),
        Verb::Inspect { format, image } => {
            let value = show::inspect(&store.image(&image)?)?;
            match format {
                Some(template) => say(&format!("{}\n", show::format(&template, &value)?)),
                None => say(&format!("{}\n", serde_json::to_string_pretty(&value)?)),
            }
        }
        Verb::History { image } => say(&show::history(&store.image(&image)?)),
        Verb::Layers { image } => say(&show::stack(&store, &store.image(&image)?)),
        Verb::Tag { image, name } => store.name(&name, &store.find(&image)?),
        Verb::Rm { images } => {
            for image in images {
                for name in store.remove(&image)? {
                    say(&format!("removed {name}\n"))?;
                }
            }
            Ok(())
        }
        Verb::Prune => {
            let pruned = store.prune()?;
            say(&format!(
                "removed {} nameless images, {} blobs ({}), {} unpacked layers\n",
                pruned.images,
                pruned.blobs,
                show::size(pruned.bytes),
                pruned.layers
            ))
        }
        Verb::Unpack { image } => {
            let _lease = store.lease()?;
            let image = store.image(&image)?;
            let bar = Bar::new();
            let (_, notes) = store.unpack(&image, &|what, done, total| bar.at(what, done, total))?;
            bar.end();
            for line in notes.lines() {
                let _ = writeln!(io::stderr(), "ch04-images: {line}");
            }
            Ok(())
        }
        Verb::Containers => {
            for Container { id, name, image, .. } in store.list()? {
                say(&format!("{id}  {}  {image}\n", name.unwrap_or_default()))?;
            }
            Ok(())
        }
        Verb::Diff { container } => {
            let all = changes::of(&store, &store.container(&container)?)?;
            say(&all.iter().map(|change| format!("{change}\n")).collect::<String>())
        }
        Verb::Commit { container, name, about } => {
            let container = store.container(&container)?;
            let (manifest, left_out) = commit::commit(&store, &container, name.as_ref(), &about.about())?;
            sockets(&left_out);
            say(&format!("{}\n", manifest.digest()))
        }
        Verb::Export { output, container } => {
            let container = store.container(&container)?;
            to(&output, |out| commit::export(&store, &container, out).map(|left_out| sockets(&left_out)))
        }
        Verb::Cp { from, to } => match (copy::side(&from), copy::side(&to)) {
            (Some((name, path)), None) => copy::out(&store, &store.container(name)?, path, Path::new(&to)),
            (None, Some((name, path))) => copy::into(&store, &store.container(name)?, Path::new(&from), path),
            _ => bail!("cp {from} {to}: one side is CONTAINER:PATH, the other a path of the host"),
        },
        Verb::Discard { containers } => {
            containers.iter().try_for_each(|name| store.discard(&store.container(name)?))
        }
    }
}

fn say(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has had enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

fn sockets(left_out: &[Vec<u8>]) {
    for path in left_out {
        let path = String::from_utf8_lossy(path);
        let _ = writeln!(io::stderr(), "ch04-images: left out: {path:?} is a socket, which no tar can hold");
    }
}

/// Writes to a file that is whole or not there, or to standard output.
fn to(output: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if output == Path::new("-") {
        if io::stdout().is_terminal() {
            bail!(
                "an archive is nothing for a terminal; name a file (--output FILE), or send it through a pipe"
            );
        }
        let mut out = BufWriter::new(io::stdout().lock());
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

/// How far long work is; nothing where nobody looks.
struct Bar {
    terminal: bool,
    last: Mutex<Instant>,
}

impl Bar {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), last: Mutex::new(Instant::now()) }
    }

    fn at(&self, what: &str, done: u64, total: u64) {
        let Ok(mut last) = self.last.lock() else { return };
        if !self.terminal || last.elapsed() < Duration::from_millis(80) {
            return;
        }
        *last = Instant::now();
        let parts = (done * 30).checked_div(total).unwrap_or(0).min(30);
        let bar: String = (0..30).map(|part| if part < parts { '█' } else { '░' }).collect();
        let (done, total) = (show::size(done), show::size(total));
        let _ = write!(io::stderr(), "\r\x1b[K{what} {bar} {done} of {total}");
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
