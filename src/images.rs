//! Images by the names that Docker has for it: import, load, save, images, tag, rmi, history, image.

use std::path::PathBuf;

use anyhow::Result;
use ch04_images::import::{self, About};
use ch04_images::reference::Reference;
use ch04_images::save::{self, Form};
use ch04_images::store::Store;
use ch04_images::{load, mapped, show};
use ch06_lifecycle::verbs::Io;
use clap::{Args, Subcommand};

use crate::files::{in_the_map, sockets, to};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// An image of one layer, from a tar (plain, gzip, zstd, xz), a directory, or - for standard input
    Import {
        /// The tar or directory
        source: PathBuf,
        /// What the image is called
        name: Reference,
        #[command(flatten)]
        words: Words,
    },
    /// Images from an archive (OCI, or docker save's) or a layout's folder
    Load {
        /// The archive or folder; - for standard input
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        input: PathBuf,
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
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// The images that there are
    Images {
        /// Their digests alone
        #[arg(long, short)]
        quiet: bool,
    },
    /// One name more for an image
    Tag {
        /// The image
        image: String,
        /// The name
        name: Reference,
    },
    /// Take away a name, or by its digest an image with all its names
    Rmi {
        /// Names or digests
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// What was done for each layer of an image
    History {
        /// The image
        image: String,
    },
    /// More about images
    #[command(subcommand)]
    Image(Image),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// All that is known about an image, as JSON
    Inspect {
        /// Only this: {{.Config.Cmd}}, {{json .Config}}
        #[arg(long, short, value_name = "TEMPLATE")]
        format: Option<String>,
        /// The image
        image: String,
    },
    /// Draw the stack of an image
    Layers {
        /// The image
        image: String,
    },
    /// Remove blobs and unpacked layers that no image and no container needs
    Prune,
}

/// What is said of an image that is made.
#[derive(Debug, Args)]
pub(crate) struct Words {
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
    pub(crate) fn about(&self) -> About<'_> {
        About { changes: &self.change, message: self.message.as_deref(), author: self.author.as_deref() }
    }
}

pub(crate) fn run(verb: Verb, io: &mut Io<'_>) -> Result<u8> {
    let is_folder = matches!(&verb, Verb::Import { source, .. } if source.is_dir());
    if mapped::is_needed() && (is_folder || matches!(verb, Verb::Image(Image::Prune))) {
        return in_the_map();
    }
    let store = Store::open()?;
    match verb {
        Verb::Import { source, name, words } => {
            let (manifest, left_out) = import::import(&store, &source, &name, &words.about())?;
            sockets(&left_out, io);
            writeln!(io.out, "{}", manifest.digest())?;
        }
        Verb::Load { input, name } => {
            for name in load::load(&store, &input, name.as_ref())? {
                writeln!(io.out, "Loaded image: {name}")?;
            }
        }
        Verb::Save { output, format, images } => {
            to(&output, io, |out| save::save(&store, &images, format, out))?
        }
        Verb::Images { quiet } => write!(io.out, "{}", show::list(&store, quiet)?)?,
        Verb::Tag { image, name } => store.name(&name, &store.find(&image)?)?,
        Verb::Rmi { images } => {
            for image in images {
                for name in store.remove(&image)? {
                    writeln!(io.out, "Untagged: {name}")?;
                }
            }
        }
        Verb::History { image } => write!(io.out, "{}", show::history(&store.image(&image)?))?,
        Verb::Image(Image::Inspect { format, image }) => {
            let value = show::inspect(&store.image(&image)?)?;
            let text = match format {
                Some(template) => show::format(&template, &value)?,
                None => serde_json::to_string_pretty(&value)?,
            };
            writeln!(io.out, "{text}")?;
        }
        Verb::Image(Image::Layers { image }) => {
            write!(io.out, "{}", show::stack(&store, &store.image(&image)?))?
        }
        Verb::Image(Image::Prune) => {
            let pruned = store.prune()?;
            let freed = show::size(pruned.bytes);
            writeln!(
                io.out,
                "Deleted: {} images, {} blobs, {} layers",
                pruned.images, pruned.blobs, pruned.layers
            )?;
            writeln!(io.out, "Total reclaimed space: {freed}")?;
        }
    }
    Ok(0)
}
