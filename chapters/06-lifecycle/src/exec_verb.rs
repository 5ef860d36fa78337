//! The verb `exec`: its words on the command line, and in which way the command is run.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::kernel::Kernel;
use ch00_process::wait::Ended;
use clap::Args;

use crate::attach::{Manner, Over, wants_terminal};
use crate::beside;
use crate::containers::{Container, Containers};
use crate::exec::{Wish, launch};
use crate::fleet;
use crate::join::not_running;
use crate::keys::Keys;
use crate::own_program;
use crate::terminal::{Seat, write_all};

/// What the command line may say. Docker's words, and `--all`.
#[derive(Debug, Args)]
#[group(id = "execd")]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Options {
    /// Keep standard input open
    #[arg(long, short)]
    pub interactive: bool,
    /// Give the command a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// Don't wait for its end
    #[arg(long, short)]
    pub detach: bool,
    /// Set a variable (KEY alone: take it over from here)
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Where the command stands [default: where the container's own does]
    #[arg(long, short, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Who the command is, by name or number [default: as the container's own]
    #[arg(long, short, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// The keys that leave a terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<Keys>,
    /// Refused: a command has no more rights than its container
    #[arg(long, hide = true)]
    pub privileged: bool,
    /// In all running containers at once, or in those of --label; outputs are told apart
    #[arg(long, conflicts_with_all = ["interactive", "tty", "detach"])]
    pub all: bool,
    /// With --all: only in containers that have this label
    #[arg(long, short, value_name = "KEY[=VALUE]", requires = "all")]
    pub label: Vec<String>,
    /// CONTAINER COMMAND [ARG...], or with --all COMMAND [ARG...]
    #[arg(required = true, trailing_var_arg = true, value_name = "CONTAINER COMMAND [ARG]")]
    pub words: Vec<OsString>,
}

/// Runs the command. Its exit code.
///
/// # Errors
/// There is no such container, it isn't running, or the step that failed.
pub fn run(options: Options, seat: Seat<'_>, k: &Kernel) -> Result<u8> {
    if options.privileged {
        let cause = "a command in a container has the rights of that container, and no more";
        return Err(Failure::said("--privileged", cause, "leave it out; --user 0 is root inside").into());
    }
    if options.all {
        return fleet::run(&Containers::open()?, &options, seat);
    }
    let [name, command @ ..] = &options.words[..] else { return Err(no_command().into()) };
    if command.is_empty() {
        return Err(no_command().into());
    }
    wants_terminal(seat, options.interactive, options.tty)?;
    own_program::protect(k)?; // begins anew, so nothing is looked up before
    let container = Containers::open()?.find(&name.to_string_lossy())?;
    let wish = Wish {
        env: options.env,
        env_files: options.env_file,
        workdir: options.workdir,
        user: options.user,
        tty: options.tty.then(|| seat.size()),
        input: options.interactive,
        output: !options.detach,
        command: command.to_vec(),
    };
    let (launch, master) = launch(&container, &wish)?;
    if !options.tty && !options.detach {
        // What the caller has is the command's own: nothing is in between.
        let Ended { code, .. } = launch.run(k).map_err(|failure| ended_meanwhile(failure, &container))?;
        return Ok(code);
    }
    let manner = Manner {
        input: options.interactive,
        output: true,
        proxy: false,
        waits: true,
        alone: true,
        keys: options.detach_keys.unwrap_or_default(),
    };
    match beside::run(launch, master, (!options.detach).then_some((seat, &manner)), k)? {
        Over::Ended(code) => Ok(code),
        Over::Failed(failure) => Err(ended_meanwhile(*failure, &container).into()),
        Over::Signal(number) | Over::Ignored(number) => Ok(128 + number),
        Over::Detached if options.detach => Ok(0),
        Over::Detached => {
            write_all(seat.err, b"read escape sequence\n")?;
            Ok(0)
        }
        Over::Lost => Ok(ENGINE),
    }
}

/// The container may end while somebody goes in: each call has another errno for that, and clone3 says ENOMEM.
fn ended_meanwhile(failure: Failure, container: &Container) -> Failure {
    if failure.code == ENGINE && failure.errno != 0 && container.process().is_none() {
        return not_running(container.name());
    }
    failure
}

fn no_command() -> Failure {
    Failure::said(
        "exec: no command",
        "it takes a container and what is to be run in it",
        "exec CONTAINER COMMAND [ARG...]",
    )
}
