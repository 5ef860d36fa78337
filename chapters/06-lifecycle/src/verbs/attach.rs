//! The verb `attach`: to the keyboard of a container that runs.

use std::os::fd::OwnedFd;

use anyhow::Result;
use ch00_process::failure::Failure;
use clap::Args;

use super::Io;
use super::begin::told;
use crate::attach::{self, Manner, Over, wants_terminal};
use crate::containers::{Container, Containers};
use crate::keys::Keys;
use crate::state::{Move, State, Status};

/// `attach`
#[derive(Debug, Args)]
pub struct Attach {
    /// Only look on: what is typed doesn't go in
    #[arg(long)]
    no_stdin: bool,
    /// Pass on signals, where the container has no terminal
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// The keys that leave a terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<Keys>,
    /// The container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// # Errors
/// What could not be done.
pub(super) fn attach(attach: Attach, io: &mut Io<'_>) -> Result<u8> {
    let container = Containers::open()?.find(&attach.container)?;
    let manner = Manner {
        input: !attach.no_stdin && container.config.interactive,
        output: true,
        proxy: attach.sig_proxy,
        waits: false,
        alone: false,
        keys: attach.detach_keys.unwrap_or_default(),
    };
    let socket = reach(&container)?;
    wants_terminal(io.seat, manner.input, container.config.tty)?;
    let over = match attach::stay(&socket, io.seat, &manner)? {
        // Too slow to be told; what is on disk says it.
        Over::Lost => match container.state() {
            State { status: Status::Stopped, code, .. } => {
                let name = container.name();
                let _ = writeln!(
                    io.err,
                    "(it ended before all was shown here: boxroom logs {name} has the rest)"
                );
                Over::Ended(code)
            }
            _ => Over::Lost,
        },
        other => other,
    };
    told(over, container.name(), io)
}

/// The socket of its monitor, where it runs.
fn reach(container: &Container) -> Result<OwnedFd> {
    container.state().status.after(Move::Attach, container.name())?;
    attach::reach(&container.run).map_err(|error| {
        let what = format!("container {}: nobody listens at its keyboard: {error}", container.name());
        let cause =
            "it was started without a monitor (run --rm in the foreground), and whoever did that has it";
        Failure::said(what, cause, format!("boxroom exec -it {} sh", container.name())).code(1).into()
    })
}
