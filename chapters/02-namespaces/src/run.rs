//! The list of mechanisms that is this chapter: a container is a process started through it.

use std::ffi::OsString;
use std::path::PathBuf;

use ch00_process::exec::Command;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::mechanism::{Chain, Root};
use ch00_process::wait::Ended;
use ch01_chroot::rootfs;
use clap::{Args, ValueEnum};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupView;
use crate::dev::Dev;
use crate::ipc::Ipc;
use crate::mounts::Mounts;
use crate::net::Net;
use crate::only::Rooms;
use crate::pids::Pids;
use crate::pivot::Pivot;
use crate::proc::Proc;
use crate::reaper;
use crate::seal::{Seal, User, parse_user};
use crate::sys::Sys;
use crate::time::{Time, parse_span};
use crate::users::{Map, Users};
use crate::uts::Uts;
use crate::without::Without;

/// Whether there is a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserNamespace {
    /// One of its own: root inside is nobody outside (root), or the caller (an ordinary user)
    Auto,
    /// The host's: root inside is root outside
    Host,
}

/// What the command line may say.
#[derive(Debug, Args)]
pub struct Options {
    /// The folder that becomes / [default: the base, made on demand]
    #[arg(long, value_name = "DIR")]
    pub rootfs: Option<PathBuf>,
    /// A later chapter fills the root's slot: that there is a `rootfs` says that the root changes, and its path is not looked
    /// at; no word of the command line
    #[arg(skip)]
    pub root_follows: bool,
    /// The hostname inside
    #[arg(long, value_name = "NAME", default_value = "boxroom")]
    pub hostname: String,
    /// The user (and group) inside, by number
    #[arg(long, short, value_name = "UID[:GID]", value_parser = parse_user, allow_hyphen_values = true)]
    pub user: Option<User>,
    /// The user's supplementary groups inside; no word of the command line: names come with the images of chapter 04
    #[arg(skip)]
    pub groups: Vec<u32>,
    /// A user namespace of its own, or the host's [default: auto for an ordinary user, host for root]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub userns: Option<UserNamespace>,
    /// Put a small init in front of the command, which reaps and passes signals on
    #[arg(long)]
    pub init: bool,
    /// Only these namespaces, and no other root unless --rootfs is given: mnt,pid,uts,ipc,net,user,cgroup,time
    #[arg(long, value_name = "LIST")]
    pub only: Option<Rooms>,
    /// How much longer the machine shall seem to have been up (90s, 12h, 10y)
    #[arg(long, value_name = "SPAN", value_parser = parse_span, allow_hyphen_values = true, default_value = "0", hide_default_value = true)]
    pub boottime: u64,
    /// Set a variable inside (KEY alone: take it over from here)
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub env: Vec<OsString>,
    /// That is the whole environment, to which nothing usual and nothing of the caller's is added, whatever `without` says; no
    /// word of the command line
    #[arg(skip)]
    pub env_is_whole: bool,
    /// Leave one mechanism out, to see what it is worth
    #[arg(long, value_name = "MECHANISM", hide = true)]
    pub without: Option<Without>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// Runs the command in rooms of its own.
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
pub fn launch(options: Options) -> Result<Launch<impl Chain, impl Root>> {
    let rooms = rooms(&options)?;
    if let Some(nameless) =
        options.env.iter().find(|pair| matches!(pair.as_encoded_bytes().first(), None | Some(b'=')))
    {
        let what = format!("--env {nameless:?}");
        return Err(Failure::said(what, "the variable has no name", "write KEY=VALUE, or KEY alone"));
    }
    let switches_root = options.only.is_none() || options.rootfs.is_some();
    let rootfs = match &options.rootfs {
        rootfs if options.root_follows => rootfs.clone(),
        rootfs if switches_root => Some(rootfs::find(rootfs.as_deref())?),
        _ => None,
    };

    let map = rooms.user.then(Map::best);
    // `--only user` as root is for a look: the own id, so that files stay where they can be reached.
    let map =
        if switches_root { map } else { map.map(|map| if geteuid().is_root() { Map::OneId } else { map }) };
    let user = options.user.unwrap_or(User { uid: 0, gid: 0 });
    if let Some(map) = map
        && !(map.has(user.uid) && map.has(user.gid))
    {
        let what = format!("--user {}:{}", user.uid, user.gid);
        return Err(Failure::said(
            what,
            "that id isn't mapped in the user namespace",
            "a range in /etc/subuid and /etc/subgid, or --user 0",
        ));
    }
    let lacks = |without| options.without == Some(without);
    // A group that isn't mapped can't be had: the file belongs to nobody inside either.
    let has = |gid: &u32| map.is_none_or(|map| map.has(*gid));
    let groups = options.groups.iter().copied().filter(has).collect();
    let seals = (switches_root || options.user.is_some()) && !lacks(Without::Seal);
    let (pivots, cuts) = (!lacks(Without::Pivot), !lacks(Without::Mnt));
    let has_proc = switches_root && (rooms.pid || lacks(Without::Pid));
    let has_sys = switches_root && (rooms.net || lacks(Without::Net));
    let command = if options.env_is_whole {
        Command::with_env(options.command, options.env)?
    } else if switches_root && !lacks(Without::Env) {
        let env = environment(&options, user);
        Command::with_env(options.command, env)?
    } else {
        Command::inheriting(options.command)?
    };

    // ANCHOR: launch
    let launch = Launch::new(command)
        .init(options.init.then_some(reaper::stay))
        .with(map.map(|map| Users { map }))
        .with(rooms.mnt.then_some(Mounts { both_ways: cuts }))
        .with(rooms.pid.then_some(Pids))
        .with(rooms.uts.then_some(Uts { hostname: options.hostname }))
        .with(rooms.ipc.then_some(Ipc))
        .with(rooms.net.then_some(Net))
        .with(rooms.cgroup.then_some(CgroupView))
        .with(rooms.time.then_some(Time { boottime: options.boottime }))
        .with(has_proc.then_some(Proc))
        .with(has_sys.then_some(Sys))
        .with(switches_root.then_some(Dev {
            bound: rooms.user,
            tty_group: map.is_none_or(|map| map.has(5)),
            queues: rooms.ipc,
        }))
        .with(seals.then_some(Seal { user, groups, has_groups: map != Some(Map::OneId) }))
        .root(rootfs.map(|rootfs| Pivot {
            rootfs,
            id_mapped: matches!(map, Some(Map::Shifted(_))),
            by_chroot: !pivots,
        }));
    // ANCHOR_END: launch
    Ok(launch)
}

/// What was asked for, with what this user can't do without.
fn rooms(options: &Options) -> Result<Rooms> {
    let mut rooms = options.only.unwrap_or(Rooms::CONTAINER);
    match options.userns {
        Some(UserNamespace::Auto) => rooms.user = true,
        Some(UserNamespace::Host) => rooms.user = false,
        // An ordinary user has the privilege for the others only in a user namespace of its own.
        None => rooms.user |= !geteuid().is_root(),
    }
    match options.without {
        Some(Without::Pid) => rooms.pid = false,
        Some(Without::Uts) => rooms.uts = false,
        Some(Without::Ipc) => rooms.ipc = false,
        Some(Without::Net) => rooms.net = false,
        Some(Without::Cgroup) => rooms.cgroup = false,
        Some(Without::Mnt | Without::Pivot | Without::Seal | Without::Env) | None => {}
    }
    if options.boottime > 0 && !rooms.time {
        return Err(Failure::said(
            "--boottime without a time namespace",
            "--only leaves it out",
            "add time to --only",
        ));
    }
    if options.init && !rooms.pid {
        let cause = "only pid 1 of a pid namespace gets the orphans";
        return Err(Failure::said("--init without a pid namespace", cause, "add pid to --only"));
    }
    if options.rootfs.is_some() && !rooms.mnt {
        let cause = "another root is a matter of mounts, and they would be the host's";
        return Err(Failure::said("--rootfs without a mount namespace", cause, "add mnt to --only"));
    }
    Ok(rooms)
}

/// What the command knows of the world: nothing of the caller's but what was named. The same as Docker's.
fn environment(options: &Options, user: User) -> Vec<OsString> {
    let home = if user.uid == 0 { "HOME=/root" } else { "HOME=/" };
    let mut env: Vec<OsString> = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        home.into(),
        format!("HOSTNAME={}", options.hostname).into(),
    ];
    env.extend(taken_over("TERM".as_ref()));
    for pair in &options.env {
        let bytes = pair.as_encoded_bytes();
        let end = bytes.iter().position(|&byte| byte == b'=');
        let key = &bytes[..end.unwrap_or(bytes.len())];
        env.retain(|other| {
            !(other.as_encoded_bytes().starts_with(key)
                && other.as_encoded_bytes().get(key.len()) == Some(&b'='))
        });
        match end {
            Some(_) => env.push(pair.clone()),
            None => env.extend(taken_over(pair)),
        }
    }
    env
}

fn taken_over(key: &std::ffi::OsStr) -> Option<OsString> {
    let mut pair = key.to_owned();
    pair.push("=");
    pair.push(std::env::var_os(key)?);
    Some(pair)
}
