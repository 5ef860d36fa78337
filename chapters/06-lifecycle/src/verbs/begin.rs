//! Verbs that begin something: create, run, start, restart.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ch00_process::kernel::Kernel;
use ch00_process::keyboard::{Watch, tell_end};
use ch01_chroot::as_root;
use clap::Args;

use super::{Io, end, unwatched};
use crate::containers::{Container, Containers};
use crate::create::{self, Made, Options};
use crate::launch::launch;
use crate::life::Life;
use crate::mend::mend;
use crate::monitor;
use crate::state::{Move, Status};

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
    #[command(flatten)]
    options: Options,
}

/// `start`
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    watch: Watch,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `restart`
#[derive(Debug, Args)]
pub struct Restart {
    /// Seconds between the stop signal and SIGKILL
    #[arg(long, short, alias = "timeout", value_name = "SECONDS")]
    time: Option<u32>,
    /// Another signal than its own
    #[arg(long, short, value_name = "SIGNAL")]
    signal: Option<String>,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// A kernel that tells the launch, also when standard error has become somebody else's.
fn teller(watch: Watch) -> Result<(Kernel, Arc<File>)> {
    let spare: Arc<File> = Arc::new(std::io::stderr().as_fd().try_clone_to_owned()?.into());
    Ok((watch.kernel(Box::new(Arc::clone(&spare)))?, spare))
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
    let all = Containers::open()?;
    let (k, spare) = teller(run.watch)?;
    let Made { container, lock, record } = create::create(&all, run.options, &k)?;
    let id = container.config.id().to_string();
    let life = Life { container, restarts: 0, lock: Some(lock), record };
    if run.detach {
        let folder = life.container.folder.clone();
        let removes = life.container.config.remove;
        if let Err(failure) = monitor::start(life, k, Some(&spare)) {
            if removes {
                Life::remove(&folder, &unwatched())?;
            }
            return Err(failure.into());
        }
        writeln!(io.out, "{id}")?;
        return Ok(0);
    }
    let ended = launch(life, &k).and_then(|launch| launch.run(&k));
    Ok(tell_end(io.program, ended, &mut io.err))
}

/// # Errors
/// What could not be done.
pub(super) fn start(start: &Start, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    Ok(io.each(&start.containers, |_, name| begin(&all.find(name)?, start.watch)))
}

/// Starts it where it doesn't run; as Docker, it is no mistake to start what runs.
pub(crate) fn begin(container: &Container, watch: Watch) -> Result<()> {
    let lock = container.lock()?;
    let status = mend(container, &unwatched())?.status;
    if status == Status::Running {
        return Ok(());
    }
    status.after(Move::Start, container.name())?;
    if status == Status::Restarting {
        // Its monitor waits; another one starts it now.
        drop(lock);
        end::ask(container, None, Some(Duration::ZERO))?;
        return begin(container, watch);
    }
    let (k, spare) = teller(watch)?;
    let life = Life { container: container.clone(), restarts: 0, lock: Some(lock), record: None };
    monitor::start(life, k, Some(&spare)).map_err(|failure| failure.code(1).into())
}

/// # Errors
/// What could not be done.
pub(super) fn restart(restart: &Restart, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    Ok(io.each(&restart.containers, |_, name| {
        let container = all.find(name)?;
        let patience = restart.time.map(|seconds| Duration::from_secs(seconds.into()));
        end::ask(&container, restart.signal.as_deref(), patience)?;
        begin(&container, Watch::default())
    }))
}
