//! Chapter 02's list of mechanisms, and one more.

use std::path::PathBuf;

use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch00_process::wait::Ended;
use ch02_namespaces::run as below;
use clap::Args;

use crate::cgroup::{Cgroup, parse_name};
use crate::limits::Limits;

/// What the command line may say: chapter 02's words and the limits.
#[derive(Debug, Args)]
#[group(id = "limited")]
pub struct Options {
    /// How much it may use
    #[command(flatten)]
    pub limits: Limits,
    /// The name of its group, as ls and stats show it [default: made up]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub name: Option<String>,
    /// The container, where a chapter above has one: its group is called so, if there can be a group.
    #[arg(skip)]
    pub container: Option<String>,
    /// The group below which it is made, from the top of the hierarchy [default: root: the top (v2) or the own group
    /// (v1); an ordinary user: the own group, where it was given to them]
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<PathBuf>,
    /// No group of its own: chapter 02's container, in the group of whoever starts it
    #[arg(long, conflicts_with_all = ["name", "cgroup_parent"])]
    pub no_group: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub below: below::Options,
}

/// Runs the command in rooms of its own, within limits.
///
/// # Errors
/// The step that failed.
pub fn run(options: Options, k: &Kernel) -> Result<Ended> {
    launch(options)?.run(k)
}

/// The launch itself, not begun yet: a later chapter adds its own to the list.
///
/// # Errors
/// What the options ask for makes no sense, or this user can't have it.
// ANCHOR: launch
pub fn launch(options: Options) -> Result<Launch<impl Chain, impl Root>> {
    let Options { limits, name, container, cgroup_parent, no_group, below } = options;
    limits.check()?;
    if no_group && !limits.is_empty() {
        return Err(Failure::said(
            "--no-group with a limit",
            "it is the group that is limited",
            "one of the two",
        ));
    }
    Ok(below::launch(below)?
        .with((!no_group).then(|| Cgroup::new(limits, name, cgroup_parent).of(container))))
}
// ANCHOR_END: launch
