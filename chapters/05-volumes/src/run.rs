//! Chapter 04's list of mechanisms, and one more.

use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch00_process::wait::Ended;
use ch02_namespaces::run::UserNamespace;
use ch04_images::container::new_id;
use ch04_images::own::failure;
use ch04_images::run::{self as below, Resolved};
use ch04_images::store::Store as Images;
use ch04_images::workdir::WorkingDir;
use clap::Args;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::by_path::{self, ByPath};
use crate::request::{self, Request};
use crate::volume::Store;
use crate::volume::seed::Seed;
use crate::volumes::Volumes;

/// What the command line may say: chapter 04's words, and what is plugged in.
#[derive(Debug, Args)]
#[group(id = "plugged")]
pub struct Options {
    /// What is mounted where
    #[command(flatten)]
    pub mounts: Mounts,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub below: below::Options,
}

/// What is mounted where.
#[derive(Debug, Default, Clone, Args, Serialize, Deserialize)]
pub struct Mounts {
    /// Mount a path of the host (/SRC or ./SRC) or a volume (NAME) at DST; DST alone: a new volume
    #[arg(long, short, value_name = "[SRC:]DST[:ro]")]
    pub volume: Vec<String>,
    /// The same, each part by its name: type=bind|volume|tmpfs,source=SRC,target=DST,readonly
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub mount: Vec<String>,
    /// A file system in memory at DST
    #[arg(long, value_name = "DST[:OPTIONS]")]
    pub tmpfs: Vec<String>,
}

impl Mounts {
    /// What is asked for, and the image's VOLUMEs besides.
    ///
    /// # Errors
    /// One that makes no sense, or two for one target: in Docker's words.
    pub fn requests(&self, image: &[String]) -> Result<Vec<Request>> {
        request::all(&self.volume, &self.mount, &self.tmpfs, image)
    }
}

/// Runs the command in a container of the image, with what is plugged in.
///
/// # Errors
/// The step that failed.
pub fn run(options: Options, k: &Kernel) -> Result<Ended> {
    launch(options, k)?.run(k)
}

/// The launch itself, not begun yet: a later chapter adds its own to the list.
///
/// # Errors
/// What the options ask for makes no sense, or this user can't have it.
// ANCHOR: launch
pub fn launch(options: Options, k: &Kernel) -> Result<Launch<impl Chain + use<>, impl Root + use<>>> {
    let Options { mounts, mut below } = options;
    let (volumes, workdir) = settle(&mounts, &mut below, k)?;
    // Once more, after the volumes: the place where the command stands may be in one of them.
    let again = workdir.filter(|_| !volumes.requests.is_empty()).map(|path| WorkingDir { path });
    Ok(below::launch(below, k)?.with(volumes).with(again))
}
// ANCHOR_END: launch

/// The same, mounted by paths before the root is switched: to be attacked.
///
/// # Errors
/// The step that failed.
pub fn run_by_path(options: Options, k: &Kernel) -> Result<Ended> {
    let Options { mounts, mut below } = options;
    let (mut volumes, _) = settle(&mounts, &mut below, k)?;
    let paths = by_path::paths(&volumes.store, &volumes.requests)?;
    let rootfs = Images::open().map_err(failure)?.containers().join(&volumes.container);
    volumes.elsewhere = true;
    let launch = below::launch(below, k)?.with(volumes);
    launch.map_root(|root| ByPath { root, rootfs, mounts: paths }).run(k)
}

/// What is asked for, looked at as far as it can be before anything is made; and where the command stands.
fn settle(mounts: &Mounts, below: &mut below::Options, k: &Kernel) -> Result<(Volumes, Option<String>)> {
    let (id, image, words) = match &below.resolved {
        Some(Resolved { container, words, .. }) => {
            (container.id.clone(), container.manifest.clone(), words.clone())
        }
        None => {
            let id = below.id.clone().map_or_else(new_id, Ok).map_err(failure)?;
            let image = Images::open().and_then(|images| below::found(&images, &below.image, k));
            let image = image.map_err(failure)?;
            let words = image.config.config().clone().unwrap_or_default();
            (id, image.digest().map_err(failure)?.to_string(), words)
        }
    };
    let requests = mounts.requests(words.volumes().as_deref().unwrap_or_default())?;
    let workdir = below::workdir(below, &words).map_err(failure)?;
    below.id = Some(id.clone());
    let seed = Seed { image };
    let mut volumes = Volumes::new(Store::open().map_err(failure)?, requests, seed, id);
    volumes.keeps = (below.resolved.is_some() || below.name.is_some()) && !below.rm;
    volumes.id_mapped = geteuid().is_root() && below.userns == Some(UserNamespace::Auto);
    Ok((volumes, workdir))
}
