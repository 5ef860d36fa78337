//! Images, and what a container has changed, by the names that Docker has for the verbs: each is one of chapter 04's.

use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Result;
use ch00_process::keyboard::{Watch, agrees};
use ch04_images::ends::Ends;
use ch04_images::reference::Reference;
use ch04_images::verbs::{self, Changes, Save, Words};
use ch06_lifecycle::verbs::Io;
use ch06_lifecycle::verbs::late::Late;
use clap::Subcommand;

/// What can be done with images, and with what containers have changed.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// An image from a root file system: a tar (plain, gzip, zstd, xz), a directory, or - for standard input
    Import {
        /// The tar or directory
        source: PathBuf,
        /// What the image is called
        name: Reference,
        #[command(flatten)]
        about: Words,
    },
    /// Images from an archive: an OCI one, or docker save's
    Load {
        /// The archive, or a layout's folder; - for standard input
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        input: PathBuf,
    },
    /// Images as one archive
    Save(Late<Save>),
    /// The images of the store
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
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// What was done for each layer of an image
    History {
        /// The image
        image: String,
    },
    /// More about images
    #[command(subcommand)]
    Image(Late<Image>),
    #[command(flatten)]
    Changes(Changes),
}

/// `image`
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Draw the stack of an image
    Layers {
        /// The image
        image: String,
    },
    /// All that is known about an image, as JSON
    Inspect {
        /// Only this: {{.Config.Cmd}}, {{json .Config}}
        #[arg(long, short, value_name = "TEMPLATE")]
        format: Option<String>,
        /// The image
        image: String,
    },
    /// Show lower, upper and merged while a container changes its files
    Watch {
        /// The container; it may come yet
        container: String,
    },
    /// Remove what no image and no container needs
    Prune {
        /// Don't ask
        #[arg(long, short)]
        force: bool,
    },
}

/// Does it.
///
/// # Errors
/// As chapter 04 says.
pub(crate) fn run(verb: Verb, io: &mut Io<'_>) -> Result<u8> {
    if let Verb::Image(image) = &verb
        && let Image::Prune { force: false } = *image.0
    {
        let warning = "This will remove all images without a name, and what no image and no container needs.";
        if !agrees(warning, io.err)? {
            return Ok(0);
        }
    }
    perform(of_the_chapter(verb), io)
}

/// One of chapter 04's verbs.
pub(crate) fn perform(verb: verbs::Verb, io: &mut Io<'_>) -> Result<u8> {
    let mut notes = File::from(io.seat.err.try_clone_to_owned()?);
    let k = Watch::default().kernel(Box::new(notes.try_clone()?))?;
    let out_is_terminal = io.seat.out.is_terminal();
    let mut ends = Ends { out: io.out, out_is_terminal, notes: &mut notes, name: "boxroom" };
    verbs::perform(verb, &mut ends, &k)
}

fn of_the_chapter(verb: Verb) -> verbs::Verb {
    use verbs::Verb as Below;
    match verb {
        Verb::Import { source, name, about } => Below::Import { source, name, about },
        Verb::Load { input } => Below::Load { source: input, name: None },
        Verb::Save(save) => Below::Save(*save.0),
        Verb::Images { quiet } => Below::Ls { quiet },
        Verb::Tag { image, name } => Below::Tag { image, name },
        Verb::Rmi { images } => Below::Rm { images },
        Verb::History { image } => Below::History { image },
        Verb::Image(image) => match *image.0 {
            Image::Layers { image } => Below::Layers { image },
            Image::Inspect { format, image } => Below::Inspect { format, image },
            Image::Watch { container } => Below::Watch { container },
            Image::Prune { .. } => Below::Prune,
        },
        Verb::Changes(verb) => Below::Changes(verb),
    }
}
