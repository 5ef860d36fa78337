//! The verbs of images and of kept containers, as every command line above has them: this chapter's own and the engine's.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ch00_process::kernel::Kernel;
use clap::{Args, Subcommand};

use crate::container::Container;
use crate::ends::Ends;
use crate::import::{self, About};
use crate::reference::Reference;
use crate::save::{self, Form};
use crate::store::Store;
use crate::{changes, commit, copy, load, mapped, show, watch};

/// What can be done with images, and with the containers that are kept.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // the fields say it on the command line
pub enum Verb {
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
    Save(Save),
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
    /// Show lower, upper and merged while a container changes its files
    Watch {
        /// The container; it may come yet
        container: String,
    },
    #[command(flatten)]
    Changes(Changes),
    /// Remove kept containers
    Discard {
        /// The containers
        #[arg(required = true)]
        containers: Vec<String>,
    },
}

/// What is done with the files of a container that is kept.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // the fields say it on the command line
pub enum Changes {
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
        about: Words,
    },
    /// A container's whole tree as a tar
    Export {
        /// Where to; - for standard output
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        /// The container
        container: String,
    },
    /// Copy between host and container: CONTAINER:PATH HOSTPATH, or the other way
    Cp {
        /// From
        from: String,
        /// To
        to: String,
    },
}

/// Images, and the archive that they become.
#[derive(Debug, Args)]
pub struct Save {
    /// Where to; - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Its form
    #[arg(long, value_enum, default_value = "oci")]
    format: Form,
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
}

/// What is said about a new image.
#[derive(Debug, Args)]
pub struct Words {
    /// How it is run, in the Dockerfile's words: 'CMD ["sh"]', 'ENV KEY=VALUE', 'USER app', 'WORKDIR /srv', ...
    #[arg(long, short, value_name = "WORDS")]
    pub change: Vec<String>,
    /// For the history
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Who made it
    #[arg(long, short, value_name = "NAME")]
    pub author: Option<String>,
}

impl Words {
    fn about(&self) -> About<'_> {
        About { changes: &self.change, message: self.message.as_deref(), author: self.author.as_deref() }
    }
}

/// Does it; an ordinary user's files by way of the map, in this program again with the same words.
///
/// # Errors
/// As the verb says. What it has to say goes to `ends`.
pub fn perform(verb: Verb, ends: &mut Ends<'_>, k: &Kernel) -> Result<u8> {
    if mapped::is_needed() && touches_files(&verb) {
        return Ok(mapped::run(std::env::args_os().skip(1).collect(), k)?.code);
    }
    here(verb, ends).map(|()| 0)
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
            | Verb::Watch { .. }
            | Verb::Changes(_)
            | Verb::Discard { .. }
    )
}

fn here(verb: Verb, ends: &mut Ends<'_>) -> Result<()> {
    let store = Store::open()?;
    match verb {
        Verb::Import { source, name, about } => {
            let (manifest, left_out) = import::import(&store, &source, &name, &about.about())?;
            ends.sockets(&left_out);
            ends.say(&format!("{}\n", manifest.digest()))
        }
        Verb::Base { name } => ends.say(&format!("{}\n", import::base(&store, &name)?.digest())),
        Verb::Load { source, name } => {
            for name in load::load(&store, &source, name.as_ref())? {
                ends.say(&format!("{name}\n"))?;
            }
            Ok(())
        }
        Verb::Save(Save { output, format, images }) => {
            let total = save::total(&store, &images, format)?;
            ends.to(&output, total, |out, _| save::save(&store, &images, format, out))
        }
        Verb::Ls { quiet } => ends.say(&show::list(&store, quiet)?),
        Verb::Inspect { format, image } => {
            let value = show::inspect(&store.image(&image)?)?;
            match format {
                Some(template) => ends.say(&format!("{}\n", show::format(&template, &value)?)),
                None => ends.say(&format!("{}\n", serde_json::to_string_pretty(&value)?)),
            }
        }
        Verb::History { image } => ends.say(&show::history(&store.image(&image)?)),
        Verb::Layers { image } => ends.say(&show::stack(&store, &store.image(&image)?)),
        Verb::Tag { image, name } => store.name(&name, &store.find(&image)?),
        Verb::Rm { images } => {
            for image in images {
                for name in store.remove(&image)? {
                    ends.say(&format!("removed {name}\n"))?;
                }
            }
            Ok(())
        }
        Verb::Prune => {
            let pruned = store.prune()?;
            ends.say(&format!(
                "removed {} nameless images, {} blobs ({}), {} unpacked layers\n",
                pruned.images,
                pruned.blobs,
                show::size(pruned.bytes),
                pruned.layers
            ))?;
            match pruned.containers {
                0 => Ok(()),
                some => ends.say(&format!("removed {some} containers that were never finished\n")),
            }
        }
        Verb::Unpack { image } => {
            let _lease = store.lease()?;
            let image = store.image(&image)?;
            let (_, notes) = store.unpack(&image)?;
            for line in notes.lines() {
                ends.note(&line);
            }
            Ok(())
        }
        Verb::Containers => {
            for Container { id, name, image, .. } in store.list()? {
                ends.say(&format!("{id}  {}  {image}\n", name.unwrap_or_default()))?;
            }
            Ok(())
        }
        Verb::Watch { container } => watch::watch(&store, &container, |text| {
            // Nobody watches any more: that is its end.
            Ok(ends.out.write_all(text.as_bytes()).and_then(|()| ends.out.flush())?)
        }),
        Verb::Changes(verb) => changed(verb, ends, &store),
        Verb::Discard { containers } => {
            containers.iter().try_for_each(|name| store.discard(&store.container(name)?))
        }
    }
}

fn changed(verb: Changes, ends: &mut Ends<'_>, store: &Store) -> Result<()> {
    match verb {
        Changes::Diff { container } => {
            let all = changes::of(store, &store.container(&container)?)?;
            ends.say(&all.iter().map(|change| format!("{change}\n")).collect::<String>())
        }
        Changes::Commit { container, name, about } => {
            let container = store.container(&container)?;
            let (manifest, left_out) = commit::commit(store, &container, name.as_ref(), &about.about())?;
            ends.sockets(&left_out);
            ends.say(&format!("{}\n", manifest.digest()))
        }
        Changes::Export { output, container } => {
            let container = store.container(&container)?;
            ends.to(&output, 0, |out, ends| {
                commit::export(store, &container, out).map(|left_out| ends.sockets(&left_out))
            })
        }
        Changes::Cp { from, to } => match (copy::side(&from), copy::side(&to)) {
            (Some((name, path)), None) => {
                let left_out = copy::out(store, &store.container(name)?, path, Path::new(&to))?;
                ends.left_out(&left_out);
                Ok(())
            }
            (None, Some((name, path))) => {
                let left_out = copy::into(store, &store.container(name)?, Path::new(&from), path)?;
                ends.left_out(&left_out);
                Ok(())
            }
            _ => bail!("cp {from} {to}: one side is CONTAINER:PATH, the other a path of the host"),
        },
    }
}
