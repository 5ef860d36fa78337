//! The list of mechanisms that is this chapter: chapter 05's, a terminal where one is asked for, and a life.

use std::ffi::OsString;

use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch04_images::run as images;
use ch05_volumes::run as below;

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
    let below = below::launch(options(&life.container.config), k)?;
    // Without anybody to type, standard input is the host's /dev/null.
    Ok(below.with(silent.then_some(Silence { all: false })).with(terminal).with(life))
}
// ANCHOR_END: launch

/// The config in the words of the chapters below.
fn options(config: &Config) -> below::Options {
    let words = |list: &[String]| list.iter().map(OsString::from).collect();
    let below = images::Options {
        limits: config.limits.clone(),
        name: None,
        rm: config.remove,
        cgroup_parent: config.cgroup_parent.clone(),
        no_group: config.no_group,
        read_only: config.read_only,
        user: Some(config.user.clone()),
        // Nothing of the image is to come back that the command line has taken away.
        workdir: Some(config.workdir.clone().unwrap_or_else(|| "/".into())),
        entrypoint: Some(String::new()),
        env: words(&config.env),
        stop_signal: None,
        hostname: Some(config.hostname.clone()),
        userns: config.userns,
        init: config.init,
        only: config.only,
        boottime: config.boottime,
        stack_by: config.stack_by,
        id: None,
        standing_in: Some(config.container.clone()),
        image: config.container.image.clone(),
        command: words(&config.command),
    };
    below::Options { mounts: config.mounts.clone(), below }
}
