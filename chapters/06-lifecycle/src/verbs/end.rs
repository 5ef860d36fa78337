//! Verbs that end something: stop, kill, wait, rm.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use ch00_process::failure::Failure;
use ch00_process::record::Record;
use ch04_images::run::signal_of;
use ch05_volumes::volume::Store as Volumes;
use clap::Args;
use nix::sys::signal::Signal;

use super::{Io, unwatched};
use crate::attach::{self, Manner, Over};
use crate::containers::{Container, Containers, Lock, hold};
use crate::damaged::{Damaged, Found};
use crate::freeze;
use crate::full_disk;
use crate::keys::Keys;
use crate::life::Life;
use crate::mend::mend;
use crate::process::Process;
use crate::state::{Move, Status};
use crate::terminal::Seat;

/// `stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// Seconds between the stop signal and SIGKILL [default: the container's]
    #[arg(long, short, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Another signal than its own
    #[arg(long, short, value_name = "SIGNAL")]
    signal: Option<String>,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `kill`
#[derive(Debug, Args)]
pub struct Kill {
    /// The signal
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `wait`
#[derive(Debug, Args)]
pub struct Wait {
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `rm`
#[derive(Debug, Args)]
pub struct Rm {
    /// End it first, if it runs
    #[arg(long, short)]
    force: bool,
    /// Its volumes without a name, too
    #[arg(long, short)]
    volumes: bool,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// So many are waited for at once.
const AT_ONCE: usize = 64;

/// # Errors
/// What could not be done.
pub(super) fn stop(stop: &Stop, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    let patience = stop.time.map(patience_of);
    // All are asked before anybody is waited for: twenty that are deaf take ten seconds, not two hundred.
    let one = |name: &String| ask(&all.find(name)?, stop.signal.as_deref(), patience);
    Ok(all_at_once(io, &stop.containers, one))
}

/// Seconds; a negative number is Docker's word for no end of patience.
pub(crate) fn patience_of(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs)
}

/// Many at the same time, told in the order in which they were named.
fn all_at_once(io: &mut Io<'_>, names: &[String], one: impl Fn(&String) -> Result<()> + Sync) -> u8 {
    let one = &one;
    let mut done = Vec::new();
    for some in names.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let begun: Vec<_> = some.iter().map(|name| scope.spawn(move || one(name))).collect();
            let joined =
                begun.into_iter().map(|begun| begun.join().unwrap_or_else(|_| bail!("a bug: it panicked")));
            done.extend(joined);
        });
    }
    let mut done = done.into_iter();
    io.each(names, |_, _| done.next().unwrap_or(Ok(())))
}

/// Asks a container to end, and makes it when patience is over. It is no mistake to stop what doesn't run, as Docker has
/// it. Returns when its end is written down.
///
/// # Errors
/// It can't be signalled.
// ANCHOR: stop
pub(crate) fn ask(container: &Container, signal: Option<&str>, patience: Option<Duration>) -> Result<()> {
    let k = unwatched();
    let signal = signal
        .or(container.config.container.stop_signal.as_deref())
        .map_or(Ok(Signal::SIGTERM.into()), signal_of)?;
    let patience = patience.unwrap_or_else(|| patience_of(container.config.stop_timeout));
    let Some(Asked { process, monitor, waits }) = silence_the_policy(container)? else { return Ok(()) };
    if waits && let Some(monitor) = &monitor {
        let _ = monitor.signal(&k, Signal::SIGTERM); // to start what shall not start any more
    }
    if let Some(process) = &process {
        // ANCHOR: task-stop
        if patience > Duration::ZERO {
            process.signal(&k, signal)?;
        }
        if !process.ends_within((patience < Duration::MAX).then_some(patience)) {
            // Pid 1 of a pid namespace ignores what it has no handler for. SIGKILL from outside it can't ignore.
            process.signal(&k, Signal::SIGKILL)?;
        }
        // ANCHOR_END: task-stop
    }
    settle(container, process.as_ref(), monitor.as_ref())
}
// ANCHOR_END: stop

/// Who is to be ended.
struct Asked {
    process: Option<Process>,
    monitor: Option<Process>,
    /// The monitor waits for the moment to start it again. One that doesn't needs no word from us, and may be a `run` in the
    /// foreground: a signal would be taken for the end of that.
    waits: bool,
}

/// From here on the restart policy is silent. `None` where it doesn't run.
fn silence_the_policy(container: &Container) -> Result<Option<Asked>> {
    let _lock = container.lock()?;
    let mut state = container.state();
    if state.status.after(Move::Stop, container.name()).is_err() {
        return Ok(None);
    }
    state.stop_asked = true;
    let waits = state.status == Status::Restarting;
    if waits {
        state.status = Status::Stopped;
    }
    freeze::thaw(&state, &unwatched());
    if state.status == Status::Paused {
        state.status = Status::Running;
    }
    container.write_state(&state, false)?;
    let find = |owner: &Option<_>| owner.as_ref().and_then(Process::find);
    Ok(Some(Asked { process: find(&state.process), monitor: find(&state.monitor), waits }))
}

/// Waits until all is written down, by the monitor; by us, where that was killed.
fn settle(container: &Container, process: Option<&Process>, monitor: Option<&Process>) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let k = unwatched();
    if let Some(monitor) = monitor
        && !monitor.ends_within(Some(PATIENCE))
    {
        let what = format!("container {}: its monitor ({}) doesn't end", container.name(), monitor.pid());
        return Err(Failure::said(what, "", "kill -9 it; rm --force removes the container then")
            .code(1)
            .into());
    }
    // One that was killed takes its container along, and doesn't wait for it.
    if let Some(process) = process
        && !process.ends_within(Some(PATIENCE))
    {
        bail!("container {}: process {} doesn't end", container.name(), process.pid());
    }
    match container.lock() {
        Ok(_lock) => mend(container, &k).map(drop),
        Err(_) => Ok(()), // with --rm it is gone by now
    }
}

/// # Errors
/// What could not be done.
pub(super) fn kill(kill: &Kill, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    let signal = match signal_of(&kill.signal) {
        Ok(signal) => signal,
        Err(error) => return Err(Failure::said(format!("{error:#}"), "", "").code(1).into()),
    };
    Ok(io.each(&kill.containers, |_, name| {
        let container = all.find(name)?;
        let k = unwatched();
        if signal == Signal::SIGKILL.into() {
            container.state().status.after(Move::Kill, container.name())?;
            return ask(&container, None, Some(Duration::ZERO)); // as Docker: it has ended when this comes back
        }
        let process = {
            let _lock = container.lock()?;
            let state = container.state();
            state.status.after(Move::Kill, container.name())?;
            state.process.as_ref().and_then(Process::find)
        };
        process.map_or(Ok(()), |process| Ok(process.signal(&k, signal)?))
    }))
}

/// # Errors
/// What could not be done.
pub(super) fn wait(wait: &Wait, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    let mut code = 0;
    for name in &wait.containers {
        match all.find(name) {
            Ok(container) => writeln!(io.out, "{}", code_of(&container, io.seat))?,
            Err(error) => {
                io.fail(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}

/// Waits for a container's end; its exit code. The monitor says it, where there is one: with --rm nothing else will know it
/// in a moment.
pub(crate) fn code_of(container: &Container, seat: Seat<'_>) -> u8 {
    let only_the_end = Manner {
        input: false,
        output: false,
        proxy: false,
        waits: false,
        alone: false,
        keys: Keys::default(),
    };
    loop {
        let state = container.state();
        if !state.status.lives() && state.status != Status::Restarting {
            return state.code;
        }
        if let Ok(socket) = attach::reach(&container.run)
            && let Ok(Over::Ended(code)) = attach::stay(&socket, seat, &only_the_end)
        {
            return code;
        }
        // Run in the foreground: between the end of the process and the next look it is written down.
        let process = state.process.as_ref().and_then(Process::find);
        match process.or_else(|| state.monitor.as_ref().and_then(Process::find)) {
            Some(process) => drop(process.ends_within(Some(Duration::from_millis(200)))),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// # Errors
/// What could not be done.
pub(super) fn rm(rm: &Rm, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    // Most of the time of one is spent waiting, until the kernel is done with its namespaces.
    let one = |name: &String| {
        let found = all.find_any(name)?;
        let volumes = Volumes::open()?;
        let id = match &found {
            Found::Whole(container) => container.config.id(),
            Found::Damaged(one) => &one.id,
        };
        let its = if rm.volumes { volumes.anonymous_of(id)? } else { Vec::new() };
        match &found {
            Found::Whole(container) => remove(container, rm.force)?,
            Found::Damaged(one) => remove_damaged(one, &all)?,
        }
        its.iter().try_for_each(|name| volumes.remove(name))
    };
    Ok(all_at_once(io, &rm.containers, one))
}

/// Removes a container, and ends it first where that is asked for.
///
/// # Errors
/// It runs; it is gone already; as the kernel says.
pub(crate) fn remove(container: &Container, force: bool) -> Result<()> {
    if force {
        ask(container, None, Some(Duration::ZERO))?;
    }
    let lock = match container.lock() {
        Err(_) if force => return Ok(()), // with --rm its monitor has removed it
        other => other?,
    };
    let step = if force { Move::Discard } else { Move::Remove };
    mend(container, &unwatched())?.status.after(step, container.name())?;
    erase(&container.folder, container.name(), container.config.log.files, lock)
}

/// Removes what is left of a container, of which nobody can say what it was.
///
/// # Errors
/// It runs; it is gone already; as the kernel says.
pub(crate) fn remove_damaged(one: &Damaged, all: &Containers) -> Result<()> {
    let lock = one.lock(all)?;
    one.must_rest()?;
    erase(&one.folder, &one.id, Damaged::log_files(), lock)
}

/// Its folder, its name and what else it has, on record before it goes.
fn erase(folder: &Path, called: &str, log_files: u32, lock: Lock) -> Result<()> {
    let record = || Record::until_reboot(Life::RECORD, &folder.display().to_string());
    let record = match record() {
        Err(error) if full_disk::is(&error) => {
            full_disk::give_up_log(folder, log_files);
            record()?
        }
        other => other?,
    };
    // Whoever has its files mounted has ended; who reads them from below is waited for.
    let hold = hold(folder, called);
    if let Err(error) = hold {
        record.forget()?;
        return Err(error);
    }
    Life::remove(folder, &unwatched())?;
    drop(lock);
    record.forget()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_less_than_no_time_is_for_ever() {
        assert_eq!(patience_of(0), Duration::ZERO);
        assert_eq!(patience_of(2), Duration::from_secs(2));
        assert_eq!(patience_of(-1), Duration::MAX);
    }
}
