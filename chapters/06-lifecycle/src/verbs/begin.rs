//! Verbs that begin something: create, run, start, restart.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Result;
use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::{Watch, tell_end};
use ch00_process::record::Owner;
use ch01_chroot::as_root;
use clap::Args;

use super::{Io, end, unwatched};
use crate::attach::{Manner, Over, wants_terminal};
use crate::containers::{Container, Containers};
use crate::create::{self, Made, Options};
use crate::exec_verb;
use crate::keys::Keys;
use crate::launch::launch;
use crate::life::Life;
use crate::mend::mend;
use crate::monitor::{self, How};
use crate::process::Process as Known;
use crate::state::{Move, State, Status};
use crate::terminal::Seat;
use crate::unkept;

/// `create`
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    options: Options,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// Run as root, by sudo
    #[arg(long)]
    root: bool,
    #[command(flatten)]
    watch: Watch,
    /// Leave it alone: print its id, and come back
    #[arg(long, short)]
    detach: bool,
    /// The keys that leave a terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<Keys>,
    #[command(flatten)]
    options: Options,
}

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    options: exec_verb::Options,
}

/// `start`
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    watch: Watch,
    /// Show what it says, pass on signals, and end with its exit code
    #[arg(long, short)]
    attach: bool,
    /// Pass on what is typed, where its standard input was kept open
    #[arg(long, short)]
    interactive: bool,
    /// The keys that leave a terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<Keys>,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `restart`
#[derive(Debug, Args)]
pub struct Restart {
    /// Seconds between the stop signal and SIGKILL
    #[arg(long, short, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Another signal than its own
    #[arg(long, short, value_name = "SIGNAL")]
    signal: Option<String>,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// A kernel that tells the launch, also when standard error has become somebody else's.
fn teller(watch: Watch, seat: Seat<'_>) -> Result<(Kernel, Weak<File>)> {
    let spare: Arc<File> = Arc::new(seat.err.try_clone_to_owned()?.into());
    let seen = Arc::downgrade(&spare);
    Ok((watch.kernel(Box::new(spare))?, seen))
}

/// # Errors
/// What could not be done.
pub(super) fn create(create: Create, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    let Made { container, lock, record } = create::create(&all, create.options, &unwatched())?;
    drop(lock);
    // It has never run: until it does, nobody removes it at its end.
    record.map_or(Ok(()), ch00_process::record::Record::forget)?;
    writeln!(io.out, "{}", container.config.id())?;
    Ok(0)
}

/// # Errors
/// What could not be done.
pub(super) fn run(run: Run, io: &mut Io<'_>) -> Result<u8> {
    if run.root {
        as_root::become_root()?;
    }
    let Run { detach, detach_keys, options, .. } = run;
    let (tty, interactive) = (options.tty, options.interactive);
    if !detach {
        wants_terminal(io.seat, interactive, tty)?;
    }
    let all = Containers::open()?;
    let (k, spare) = teller(run.watch, io.seat)?;
    let Made { container, lock, record } = create::create(&all, options, &k)?;
    let (id, name) = (container.config.id().to_string(), container.name().to_string());
    let (removes, folder) = (container.config.remove, container.folder.clone());
    let life = Life { container, restarts: 0, lock: Some(lock), record };
    if removes && !detach && !tty {
        // Nobody could look at it later: this very process is its parent, and what the caller has is the command's own.
        let ended = launch(life, None, !interactive, &k).and_then(|launch| launch.run(&k));
        if ended.is_err() && folder.exists() {
            give_up(&folder, io);
        }
        return Ok(tell_end(io.program, ended, &mut io.err));
    }
    let manner = Manner {
        input: interactive,
        output: true,
        proxy: true,
        waits: true,
        alone: false,
        keys: detach_keys.unwrap_or_default(),
    };
    let how = How { teller: spare, attached: (!detach).then_some((io.seat, &manner)) };
    match monitor::start(life, k, &how) {
        Ok(None) => {
            writeln!(io.out, "{id}")?;
            Ok(0)
        }
        Ok(Some(over)) => told(over, &name, io),
        Err(failure) => {
            if removes {
                give_up(&folder, io);
            }
            Err(failure.into())
        }
    }
}

/// Takes away what a refused launch was to have. If that can't be done it is told beside the refusal, not in its place.
fn give_up(folder: &Path, io: &mut Io<'_>) {
    if let Err(left) = Life::give_up(folder, &unwatched()) {
        let _ = writeln!(io.err, "{}: {left}", io.program);
    }
}

/// How an attachment ended, in words where it needs some. The exit code.
pub(crate) fn told(over: Over, name: &str, io: &mut Io<'_>) -> Result<u8> {
    match over {
        Over::Ended(code) => Ok(code),
        Over::Detached => {
            writeln!(io.err, "read escape sequence")?;
            Ok(0)
        }
        Over::Signal(number) => Ok(128 + number),
        Over::Ignored(number) => {
            // Docker's words; and what it leaves unsaid.
            let what = format!("got 3 SIGTERM/SIGINTs, forcefully exiting; container {name} goes on");
            let cause = "a command that is pid 1 gets no signal for which it has no handler";
            let way = format!("boxroom stop {name}, or boxroom attach {name}");
            Err(Failure::said(what, cause, way).code(128 + number).into())
        }
        Over::Failed(failure) => Err((*failure).into()),
        Over::Lost => {
            let what = format!("container {name}: its monitor has ended without a word");
            Err(Failure::said(what, "it was killed", format!("boxroom ps --all; boxroom start {name}"))
                .into())
        }
    }
}

/// # Errors
/// What could not be done.
pub(super) fn exec(exec: Exec, io: &mut Io<'_>) -> Result<u8> {
    let k = exec.watch.kernel(Box::new(File::from(io.seat.err.try_clone_to_owned()?)))?;
    exec_verb::run(exec.options, io.seat, &k)
}

/// # Errors
/// What could not be done.
pub(super) fn start(start: &Start, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    if !start.attach && !start.interactive {
        return Ok(io.each(&start.containers, |io, name| {
            begin(&all.find(name)?, start.watch, io.seat, None).map(drop)
        }));
    }
    let [name] = &start.containers[..] else {
        let what = "you cannot start and attach multiple containers at once";
        return Err(Failure::said(what, "", "one after the other, or without --attach").code(1).into());
    };
    let container = all.find(name)?;
    wants_terminal(io.seat, start.interactive, container.config.tty)?;
    let manner = Manner {
        input: start.interactive,
        output: true,
        proxy: true,
        waits: true,
        alone: false,
        keys: start.detach_keys.clone().unwrap_or_default(),
    };
    match begin(&container, start.watch, io.seat, Some(&manner))? {
        Some(over) => told(over, container.name(), io),
        None => Err(Failure::said(
            format!("container {} is already running", container.name()),
            "",
            format!("boxroom attach {}", container.name()),
        )
        .code(1)
        .into()),
    }
}

/// Starts it where it doesn't run; as Docker, it is no mistake to start what runs.
pub(crate) fn begin(
    container: &Container,
    watch: Watch,
    seat: Seat<'_>,
    attached: Option<&Manner>,
) -> Result<Option<Over>> {
    let lock = container.lock()?;
    let State { status, monitor, process, .. } = mend(container, &unwatched())?;
    if status == Status::Running {
        // Whose monitor was killed is about to end as well.
        let find = |owner: Option<Owner>| owner.as_ref().and_then(Known::find);
        return match (find(monitor), find(process)) {
            (None, Some(process)) if process.ends_within(Some(Duration::from_secs(2))) => {
                drop(lock);
                begin(container, watch, seat, attached)
            }
            _ => Ok(None),
        };
    }
    status.after(Move::Start, container.name())?;
    if status == Status::Restarting {
        // Its monitor waits; another one starts it now.
        drop(lock);
        end::ask(container, None, Some(Duration::ZERO))?;
        return begin(container, watch, seat, attached);
    }
    unkept::settle(container)?;
    container.run_folder()?;
    let (k, spare) = teller(watch, seat)?;
    let life = Life { container: container.clone(), restarts: 0, lock: Some(lock), record: None };
    let how = How { teller: spare, attached: attached.map(|manner| (seat, manner)) };
    monitor::start(life, k, &how).map_err(|failure| failure.code(1).into())
}

/// # Errors
/// What could not be done.
pub(super) fn restart(restart: &Restart, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    Ok(io.each(&restart.containers, |io, name| {
        let container = all.find(name)?;
        let patience = restart.time.map(end::patience_of);
        end::ask(&container, restart.signal.as_deref(), patience)?;
        begin(&container, Watch::default(), io.seat, None).map(drop)
    }))
}
