//! A container from an image: chapter 03's list, with a stack of layers in the root's slot.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use ch00_process::kernel::{self, Kernel};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch00_process::signal::Number;
use ch00_process::wait::Ended;
use ch02_namespaces::only::Rooms as Only;
use ch02_namespaces::run::{Options as Rooms, UserNamespace};
use ch02_namespaces::seal::User;
use ch02_namespaces::time::parse_span;
use ch03_cgroups::limits::Limits;
use ch03_cgroups::run as below;
use clap::Args;
use nix::unistd::geteuid;
use oci_spec::image::Config;

use crate::change::set_variable;
use crate::container::{Container, parse_name};
use crate::import;
use crate::mapped;
use crate::overlay::{Overlay, Way};
use crate::own::{Own, failure};
use crate::passwd::{self, Someone};
use crate::store::image::Image;
use crate::store::{Lease, Store};
use crate::workdir::WorkingDir;

/// What the image of chapter 01's base is called.
const BASE: &str = "base";

/// What the command line may say: chapter 03's words but for --rootfs, in whose place there is an image.
#[derive(Debug, Args)]
#[group(id = "moulded")]
pub struct Options {
    /// How much it may use
    #[command(flatten)]
    pub limits: Limits,
    /// Keep the container under this name when it ends, for diff, commit and export; its group is called by its id
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub name: Option<String>,
    /// Remove the container at its end; the default without --name
    #[arg(long)]
    pub rm: bool,
    /// The group below which its group is made, from the top of the hierarchy
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<PathBuf>,
    /// No group of its own: it is in the group of whoever starts it
    #[arg(long, conflicts_with = "cgroup_parent")]
    pub no_group: bool,
    /// Nothing of the root can be written
    #[arg(long)]
    pub read_only: bool,
    /// Who the command is, by name or number [default: the image's USER]
    #[arg(long, short, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Where the command stands [default: the image's WORKDIR]
    #[arg(long, short, value_name = "DIR")]
    pub workdir: Option<String>,
    /// What is run in place of the image's ENTRYPOINT; empty for none
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Set a variable inside (KEY alone: take it over from here)
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub env: Vec<OsString>,
    /// The signal that asks the command to end [default: the image's STOPSIGNAL]; for whoever stops it later
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// The hostname inside [default: boxroom]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// A user namespace of its own, or the host's [default: auto for an ordinary user, host for root]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub userns: Option<UserNamespace>,
    /// Put a small init in front of the command, which reaps and passes signals on
    #[arg(long)]
    pub init: bool,
    /// Only these namespaces: mnt,pid,uts,ipc,net,user,cgroup,time; mnt is needed for the image
    #[arg(long, value_name = "LIST")]
    pub only: Option<Only>,
    /// How much longer the machine shall seem to have been up (90s, 12h, 10y)
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "0", hide_default_value = true)]
    pub boottime: u64,
    /// By which calls the layers are stacked [default: the newer, where the kernel has them]
    #[arg(long, value_enum, value_name = "WAY")]
    pub stack_by: Option<Way>,
    /// The container that is there already and shall be stood in again; no word of the command line
    #[arg(skip)]
    pub resolved: Option<Resolved>,
    /// The id that a new container shall have, for who has to know it before; no word of the command line
    #[arg(skip)]
    pub id: Option<String>,
    /// The image: a name, or the first digits of its digest
    pub image: String,
    /// The command and its arguments [default: the image's CMD]
    #[arg(trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// A container that is there already, with what was looked up for it when it was made: nothing is asked for again.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The container.
    pub container: Container,
    /// Who the command is.
    pub someone: Someone,
    /// What the image says, as far as it still counts.
    pub words: Config,
}

/// Runs the command in a container of the image.
///
/// # Errors
/// The image isn't there or damaged, or the step of the launch that failed.
pub fn run(options: Options, k: &Kernel) -> kernel::Result<Ended> {
    launch(options, k)?.run(k)
}

/// The launch itself, not begun yet: a later chapter adds its own to the list. What isn't unpacked yet of the image is
/// unpacked here.
///
/// # Errors
/// The image isn't there or damaged; what the options ask for makes no sense, or this user can't have it.
pub fn launch(options: Options, k: &Kernel) -> kernel::Result<Launch<impl Chain + use<>, impl Root + use<>>> {
    let Settled { below, root, own, workdir } = settle(options, k).map_err(failure)?;
    // ANCHOR: launch
    let launch = below::launch(below)?.root(root).with(own).with(workdir.map(|path| WorkingDir { path }));
    // ANCHOR_END: launch
    Ok(launch)
}

/// What the launch is made of.
struct Settled {
    below: below::Options,
    root: Overlay,
    own: Own,
    workdir: Option<String>,
}

/// From the words of the image and of the command line to what will be done.
fn settle(mut options: Options, k: &Kernel) -> Result<Settled> {
    options.limits.check()?; // before anything is made
    let id_mapped = geteuid().is_root() && options.userns == Some(UserNamespace::Auto);
    if id_mapped && options.stack_by == Some(Way::Mount) {
        let cause = "id-mapped layers have no path that mount(2) could be told";
        bail!(Failure::said("--userns auto with --stack-by mount", cause, "leave one of them out"));
    }
    let store = Store::open()?;
    let is_made = options.resolved.is_some();
    let (resolved, lease) = match options.resolved.take() {
        Some(resolved) => {
            layers_of(&store, &resolved.container, k)?;
            (resolved, None)
        }
        None => resolve(&store, &options, k).map(|(resolved, lease)| (resolved, Some(lease)))?,
    };
    let Resolved { mut container, someone, words } = resolved;
    let rooms = rooms(&options, &words, someone, is_made)?;
    let workdir = workdir(&options, &words)?;
    container.stop_signal = options.stop_signal.or(container.stop_signal);
    if let Some(signal) = &container.stop_signal {
        signal_of(signal)?;
    }
    let keeps = (is_made || container.name.is_some()) && !options.rm;
    let root = Overlay {
        beginning: store.root().into(),
        lowers: container.lowers()?,
        own: Path::new("containers").join(&container.id),
        user_attributes: mapped::is_needed() || id_mapped,
        id_mapped,
        volatile: !keeps,
        read_only: options.read_only,
        way: options.stack_by,
    };
    let below = below::Options {
        limits: options.limits,
        // Names are one store's own, groups the whole machine's: so the group is called by the id, as Docker does.
        name: None,
        container: Some(container.id.clone()),
        cgroup_parent: options.cgroup_parent,
        no_group: options.no_group,
        // A folder that is there; the stack takes its place.
        below: Rooms { rootfs: Some(store.root().into()), ..rooms },
    };
    let own = Own { store, container, is_made, keeps, lease, running: None };
    Ok(Settled { below, root, own, workdir })
}

/// A new container of the image, which is nowhere yet.
fn resolve(store: &Store, options: &Options, k: &Kernel) -> Result<(Resolved, Lease)> {
    // Until the container is written down nothing else says that its layers are needed.
    let lease = store.lease()?;
    let image = found(store, &options.image, k)?;
    let layers = unpacked(store, &image, k)?;
    let container = store.conceive(&image, &options.image, options.name.as_deref(), options.id.clone())?;
    let words = image.config.config().clone().unwrap_or_default();
    let user = options.user.clone().or_else(|| words.user().clone()).unwrap_or_default();
    Ok((Resolved { container, someone: passwd::find(&layers, &user)?, words }, lease))
}

/// The layers of a container that is there already. Prune keeps them as long as it is there; should somebody else have
/// removed one, it is unpacked again.
fn layers_of(store: &Store, container: &Container, k: &Kernel) -> Result<()> {
    if container.layer_paths(store)?.iter().all(|path| path.is_dir()) {
        return Ok(());
    }
    let _lease = store.lease()?;
    unpacked(store, &store.image_of(&store.manifest_of(container)?)?, k).map(drop)
}

/// The image of this name. `base`, chapter 01's system, is made where it isn't there yet: so the first container needs
/// nothing from anywhere.
///
/// # Errors
/// There is none of this name, or the base can't be made.
pub fn found(store: &Store, name: &str, k: &Kernel) -> Result<Image> {
    match store.find(name) {
        Ok(descriptor) => return store.image_of(&descriptor).with_context(|| format!("image {name}")),
        Err(error) if name != BASE => return Err(error),
        Err(_) if mapped::is_needed() => {
            mapped::must("base", name, "the base could not be made an image", k)?;
        }
        Err(_) => {
            import::base(store, &name.parse().map_err(|why: String| anyhow::anyhow!(why))?)?;
        }
    }
    store.image(name)
}

/// The layers' folders; an ordinary user's are unpacked in the map.
///
/// # Errors
/// The image has none, is damaged, or the disk is full.
pub fn unpacked(store: &Store, image: &Image, k: &Kernel) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = image.layers.iter().map(|layer| store.layer_path(&layer.diff_id)).collect();
    if paths.is_empty() {
        bail!("the image has no layers: there is no program in it that could be run");
    }
    if paths.iter().all(|path| path.is_dir()) {
        return Ok(paths);
    }
    if mapped::is_needed() {
        mapped::must("unpack", &image.digest()?.to_string(), "the image could not be unpacked", k)?;
        return Ok(paths);
    }
    store.unpack(image).map(|(paths, _)| paths)
}

/// What chapter 02 is asked for: the image's words, and the command line's over them. Of a container that is made already
/// the environment is settled.
fn rooms(options: &Options, config: &Config, someone: Someone, is_made: bool) -> Result<Rooms> {
    let mut env = variables_of(config);
    if !is_made && !env.iter().any(|pair| pair.starts_with("HOME=")) {
        set_variable(&mut env, &format!("HOME={}", someone.home.as_deref().unwrap_or("/")));
    }
    let env = env.into_iter().map(OsString::from).chain(options.env.iter().cloned()).collect();
    Ok(Rooms {
        rootfs: None,
        root_follows: true,
        hostname: options.hostname.clone().unwrap_or_else(|| "boxroom".into()),
        groups: someone.groups,
        user: Some(User { uid: someone.uid, gid: someone.gid }),
        userns: options.userns,
        init: options.init,
        only: options.only,
        without: None,
        boottime: options.boottime,
        env,
        env_is_whole: is_made,
        command: command(options, config)?,
    })
}

/// What the image says of the environment. A name without a value would be the caller's variable, which is no image's to
/// ask for.
#[must_use]
pub fn variables_of(config: &Config) -> Vec<String> {
    config.env().iter().flatten().filter(|pair| pair.contains('=')).cloned().collect()
}

/// ENTRYPOINT and then CMD, each replaced by what the command line says; another ENTRYPOINT makes the image's CMD
/// void. As Docker has it.
///
/// # Errors
/// Neither the image nor the command line names one.
pub fn command(options: &Options, config: &Config) -> Result<Vec<OsString>> {
    let words = |list: &Option<Vec<String>>| list.iter().flatten().map(OsString::from).collect::<Vec<_>>();
    let entrypoint = match options.entrypoint.as_deref() {
        Some("") => Vec::new(),
        Some(program) => vec![program.into()],
        None => words(config.entrypoint()),
    };
    let rest = match (&options.entrypoint, options.command.is_empty()) {
        (_, false) => options.command.clone(),
        (None, true) => words(config.cmd()),
        (Some(_), true) => Vec::new(),
    };
    let all = [entrypoint, rest].concat();
    if all.is_empty() {
        bail!(Failure::said(
            format!("run {}: no command", options.image),
            "the image names neither CMD nor ENTRYPOINT",
            format!("name one: run {} CMD [ARG...]", options.image),
        ));
    }
    Ok(all)
}

/// Where the command stands, unless that is `/`.
///
/// # Errors
/// It is relative.
pub fn workdir(options: &Options, config: &Config) -> Result<Option<String>> {
    let path = options.workdir.clone().or_else(|| config.working_dir().clone()).unwrap_or_default();
    match path.as_str() {
        "" | "/" => Ok(None),
        path if path.starts_with('/') => Ok(Some(path.into())),
        path => bail!("working directory {path:?}: a working directory begins with /"),
    }
}

/// `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`.
///
/// # Errors
/// There is none of this name.
pub fn signal_of(text: &str) -> Result<Number> {
    text.parse().map_err(anyhow::Error::msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_an_image_asks_for_no_variable_of_the_callers() {
        let said = |pairs: &[&str]| {
            let env: Vec<String> = pairs.iter().map(ToString::to_string).collect();
            oci_spec::image::ConfigBuilder::default().env(env).build().unwrap()
        };
        assert_eq!(variables_of(&said(&["A=1", "SECRET", "B="])), ["A=1", "B="]);
        assert!(variables_of(&Config::default()).is_empty());
    }
}
