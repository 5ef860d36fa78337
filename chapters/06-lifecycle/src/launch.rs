//! The list of mechanisms that is this chapter: chapter 05's, a terminal where one is asked for, and a life.

use std::ffi::OsString;

use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch04_images::container::Container;
use ch04_images::own::failure;
use ch04_images::passwd::Someone;
use ch04_images::run::{self as images, Resolved};
use ch04_images::store::Store;
use ch05_volumes::run as below;
use oci_spec::image::ConfigBuilder;

use crate::config::Config;
use crate::life::Life;
use crate::pty::Console;
use crate::silence::Silence;

/// The launch of a container that is on disk, not begun yet. It needs nothing but what was resolved at `create`.
///
/// # Errors
/// The image's layers are gone, or this user can't have what the container was made with any more.
// ANCHOR: launch
pub fn launch(
    life: Life,
    terminal: Option<Console>,
    silent: bool,
    k: &Kernel,
) -> Result<Launch<impl Chain + use<>, impl Root + use<>>> {
    let below = below::launch(options(&life.container.config).map_err(failure)?, k)?;
    // Without anybody to type, standard input is the host's /dev/null.
    Ok(below.with(silent.then_some(Silence { all: false })).with(terminal).with(life))
}
// ANCHOR_END: launch

/// The config in the words of the chapters below.
fn options(config: &Config) -> anyhow::Result<below::Options> {
    // What else the image says is in the config already, or the command line has taken it away.
    let volumes = config.volumes.clone().map_or_else(|| image_volumes(&config.container), Ok)?;
    let words = ConfigBuilder::default().env(config.env.clone()).volumes(volumes).build()?;
    let someone = Someone { uid: config.uid, gid: config.gid, groups: config.groups.clone(), home: None };
    let resolved = Resolved { container: config.container.clone(), someone, words };
    let below = images::Options {
        limits: config.limits.clone(),
        name: None,
        rm: config.remove,
        cgroup_parent: config.cgroup_parent.clone(),
        no_group: config.no_group,
        read_only: config.read_only,
        user: None,
        workdir: config.workdir.clone(),
        entrypoint: None,
        env: Vec::new(),
        stop_signal: None,
        hostname: Some(config.hostname.clone()),
        userns: config.userns,
        init: config.init,
        only: config.only,
        boottime: config.boottime,
        stack_by: config.stack_by,
        id: None,
        resolved: Some(resolved),
        image: config.container.image.clone(),
        command: config.command.iter().map(OsString::from).collect(),
    };
    Ok(below::Options { mounts: config.mounts.clone(), below })
}

/// Where the image of a container wants volumes: asked for one that an older build has made.
fn image_volumes(container: &Container) -> anyhow::Result<Vec<String>> {
    let store = Store::open()?;
    let image = store.image_of(&store.manifest_of(container)?)?;
    Ok(image.config.config().as_ref().and_then(|config| config.volumes().clone()).unwrap_or_default())
}
