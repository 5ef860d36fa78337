//! `ch01-chroot`: another root directory, and the base root file system to try it with.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use ch00_process::exec::Command;
use ch00_process::failure::Failure;
use ch00_process::keyboard::{self, Watch};
use ch00_process::launch::Launch;
use ch00_process::output::Output;
use ch00_process::wait::Ended;
use ch01_chroot::borrow::OneId;
use ch01_chroot::chroot::Chroot;
use ch01_chroot::escape::Escape;
use ch01_chroot::{as_root, base, rootfs};
use clap::{Parser, Subcommand};
use nix::unistd::geteuid;

/// Chapter 01: another root directory. Without arguments: a first container on the base of this machine
#[derive(Parser)]
#[command(name = "ch01-chroot", version)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the base root file system from this machine
    Base {
        /// Where; it must not be there yet, or be such a base
        dir: PathBuf,
    },
    /// Run a command with another root directory
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// The folder that becomes / [default: the base, made on demand]
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// Run as root, by sudo
    #[arg(long)]
    root: bool,
    /// Leave the new root again before the command runs, to see that chroot(2) is no wall
    #[arg(long)]
    escape: bool,
    #[command(flatten)]
    watch: Watch,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli: Cli = match keyboard::command_line() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    let (mut out, mut err) = (Output::new(std::io::stdout()), std::io::stderr());
    let done = match cli.verb {
        None => Ok(keyboard::tell_end("ch01-chroot", first_container(&mut out), &mut err)),
        Some(Verb::Run(arguments)) => Ok(keyboard::tell_end("ch01-chroot", run(arguments), &mut err)),
        Some(Verb::Base { dir }) => base::make(&dir).and_then(|made| {
            writeln!(out, "{made}")?;
            Ok(0)
        }),
    };
    out.end("ch01-chroot", done, &mut err).into()
}

fn run(Run { rootfs, root, escape, watch, command }: Run) -> Result<Ended, Failure> {
    if root {
        as_root::become_root()?;
    }
    let k = watch.kernel(Box::new(std::io::stderr()))?;
    let chroot = Chroot { rootfs: rootfs::find(rootfs.as_deref())? };
    let launch = Launch::new(Command::inheriting(command)?).with(escape.then_some(Escape));
    if geteuid().is_root() {
        return launch.root(chroot).run(&k);
    }
    let _ = writeln!(
        std::io::stderr(),
        "ch01-chroot: not root, so a user namespace of one id is borrowed from chapter 02 (--root does it by sudo)"
    );
    launch.with(OneId).root(chroot).run(&k)
}

/// What a reader sees first: two answers to the same questions, outside and inside.
fn first_container(out: &mut impl Write) -> Result<Ended, Failure> {
    const LOOK: &str = "echo \"  kernel    $(uname -r)\"; . /etc/os-release; echo \"  system    $PRETTY_NAME\"; echo \"  /         $(echo /*)\"";
    let _ = writeln!(out, "Outside, on the host:");
    let k = Watch::default().kernel(Box::new(std::io::stderr()))?;
    let look = || ["sh", "-c", LOOK].map(OsString::from).to_vec();
    Launch::new(Command::inheriting(look())?).run(&k).map(drop)?;
    let rootfs = rootfs::find(None)?;
    let _ = writeln!(out, "Inside, with another root directory ({}):", rootfs.display());
    let ended = run(Run {
        rootfs: Some(rootfs),
        root: false,
        escape: false,
        watch: Watch::default(),
        command: look(),
    })?;
    let _ = writeln!(out, "The same kernel, another system: that is half of a container already.");
    let _ = writeln!(out, "Go in: ch01-chroot run sh      The story: book/src/ch01-chroot.md");
    Ok(ended)
}
