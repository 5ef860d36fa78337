//! This chapter's mechanism: what happens to the container is on disk. Its process before the command runs, its end
//! before anything is removed; and one that nobody keeps is removed from its record alone.

use std::fs;
use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Birth, Child, Mechanism};
use ch00_process::place;
use ch00_process::record::{self, Owner, Record};
use ch00_process::wait::Ended;
use ch04_images::own::{Own, failure};
use nix::fcntl::{Flock, FlockArg};

use crate::config::{Config, Restart};
use crate::containers::{Container, Lock};
use crate::state::{State, Status};
use crate::when::When;

/// What is written down of a container's life.
#[derive(Debug)]
pub struct Life {
    /// The container.
    pub container: Container,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// Held since somebody decided to start it, until its process is on disk. Nothing: it is taken for that.
    pub lock: Option<Lock>,
    /// Of one that is removed at its end, where it is on record by this very process already.
    pub record: Option<Record>,
}

impl Life {
    /// The kind of the record of a container that is half made, or removed at its end.
    pub const RECORD: &'static str = Self::NAME;

    /// Removes a container with all that it has, name and run folder too. What is gone already is no error.
    ///
    /// # Errors
    /// The call that failed.
    pub fn remove(folder: &Path, k: &Kernel) -> Result<()> {
        let Some(id) = folder.file_name() else { return Ok(()) };
        let names = folder.with_file_name(".names");
        let config = fs::read(folder.join("config.json")).ok();
        let config = config.and_then(|bytes| serde_json::from_slice::<Config>(&bytes).ok());
        match config.filter(|config| Path::new(config.id()) == id) {
            Some(config) => free(&names.join(config.name()), Path::new(id)),
            // Killed before it was written down, or damaged: whichever link leads here is its.
            None => fs::read_dir(&names)
                .into_iter()
                .flatten()
                .flatten()
                .for_each(|link| free(&link.path(), Path::new(id))),
        }
        Own::cleanup(k, &folder.display().to_string())?;
        let run = place::run_root().map_err(failure)?.join("containers").join(id);
        match fs::remove_dir_all(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(k.refuse(format!("{}: {error}", run.display()), "", ""))
            }
            _ => Ok(()),
        }
    }

    /// Removes a container whose launch has failed before this mechanism's turn came, and this process's note of it.
    ///
    /// # Errors
    /// The call that failed.
    pub fn give_up(folder: &Path, k: &Kernel) -> Result<()> {
        Self::remove(folder, k)?;
        let me = Owner::me().map_err(failure)?;
        let all = record::all().map_err(failure)?.into_iter();
        let ours =
            |one: &Record| one.kind == Self::RECORD && Path::new(&one.what) == folder && one.owner == me;
        all.filter(ours).try_for_each(Record::forget).map_err(failure)
    }

    /// Removes what an ended process has left of a container, unless somebody runs it: a removal that was begun, and given up
    /// for a new start, is no order any more. Whether it was removed.
    ///
    /// # Errors
    /// The call that failed.
    pub fn sweep(folder: &Path, k: &Kernel) -> Result<bool> {
        let held = fs::File::open(folder.join("upper"))
            .map(|upper| Flock::lock(upper, FlockArg::LockExclusiveNonblock));
        if matches!(held, Ok(Err(_))) {
            return Ok(false);
        }
        Self::remove(folder, k).map(|()| true)
    }

    /// The state is changed under the container's lock, whatever somebody else has written meanwhile.
    fn note(&mut self, lasts: bool, change: impl FnOnce(&mut State, &Config)) -> Result<()> {
        let _lock = match self.lock.take() {
            Some(lock) => lock,
            None => self.container.lock().map_err(failure)?,
        };
        let mut state = fs::read(self.container.state_file())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        change(&mut state, &self.container.config);
        self.container.write_state(&state, lasts).map_err(failure)
    }
}

/// Takes a name away, where it is this container's.
fn free(link: &Path, id: &Path) {
    if fs::read_link(link).is_ok_and(|holder| holder == id) {
        let _ = fs::remove_file(link); // a link that leads to nothing is given to whoever wants the name next
    }
}

impl Mechanism for Life {
    const NAME: &'static str = "06-lifecycle";
    type Opened = ();

    fn prepare(&mut self, k: &Kernel, birth: &mut Birth) -> Result<()> {
        if self.container.config.remove {
            let record = match self.record.take() {
                Some(record) => record,
                None => k
                    .why("it is removed at its end; should we be killed, by whoever finds this note")
                    .record(Self::NAME, &self.container.folder.display().to_string())?,
            };
            birth.leaves(record);
        }
        Ok(())
    }

    /// The child waits: who it is stands on disk before its command does anything.
    fn supervise(&mut self, _: &Kernel, child: &mut Child<'_>) -> Result<()> {
        let (process, restarts) = (Owner::of(child.pid.as_raw().cast_unsigned()), self.restarts);
        let monitor = Owner::me().map_err(failure)?;
        self.note(false, |state, _| {
            *state = State {
                status: Status::Running,
                process,
                monitor: Some(monitor),
                started: Some(When::now()),
                restarts,
                log_full: state.log_full,
                ..State::default()
            };
        })
    }

    fn open(&self, _: &Kernel, _: &mut Handed) -> Result<()> {
        Ok(())
    }

    /// Read before anything is removed, and it lasts: fsync.
    fn outcome(&mut self, _: &Kernel, end: &mut Result<Ended>) -> Result<()> {
        let restarts = self.restarts;
        let lasts = !self.container.config.remove;
        self.note(lasts, |state, config| {
            state.process = None;
            state.finished = Some(When::now());
            match end {
                Ok(ended) => {
                    (state.code, state.oom, state.error) = (ended.code, ended.oom, ended.notes.join("; "));
                    let again = !state.stop_asked && again(config.restart, ended.code, restarts);
                    state.status = if again { Status::Restarting } else { Status::Stopped };
                }
                // It never ran: as Docker has it, it is still what it was, with the reason.
                Err(failure) => {
                    (state.code, state.error) = (failure.code, failure.to_string());
                    state.status = if restarts > 0 { Status::Stopped } else { Status::Created };
                }
            }
            if state.status != Status::Restarting {
                state.monitor = None;
            }
        })
    }

    fn cleanup(k: &Kernel, left: &str) -> Result<()> {
        Self::remove(Path::new(left), k)
    }
}

/// Whether a container that ended with this code, after so many restarts, is started again.
#[must_use]
pub fn again(policy: Restart, code: u8, restarts: u32) -> bool {
    match policy {
        Restart::No => false,
        Restart::OnFailure(most) => code != 0 && most.is_none_or(|most| restarts < most),
        Restart::Always | Restart::UnlessStopped => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_the_policy_decides_by_the_code() {
        assert!(!again(Restart::No, 1, 0));
        assert!(again(Restart::Always, 0, 99) && again(Restart::UnlessStopped, 0, 0));
        assert!(again(Restart::OnFailure(None), 1, 99) && !again(Restart::OnFailure(None), 0, 0));
        assert!(again(Restart::OnFailure(Some(2)), 1, 1) && !again(Restart::OnFailure(Some(2)), 1, 2));
    }
}
