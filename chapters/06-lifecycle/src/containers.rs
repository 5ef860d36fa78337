//! The containers of one data root: their folders, names and ids; a lock for each; and the truth about it.
//!
//! ```text
//! $BOXROOM_ROOT/containers/ID/   config.json  state.json  upper/  work/  log
//! $BOXROOM_ROOT/containers/.names/NAME -> ID      who has a name, found without reading everybody's config
//! $BOXROOM_RUN/containers/ID/    what ends with the machine: the monitor's socket; with --rm state.json as well
//! ```
//! Two locks (flock(2)), both on folders that are never renamed: whoever changes the state holds the container's
//! own; who runs it, the monitor, holds `upper` as long as it runs (chapter 04 asks for that before it reads there).

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use ch00_process::place;
use ch04_images::store::{Store, json, write_whole};
use nix::fcntl::{Flock, FlockArg};

use crate::config::Config;
use crate::damaged::Found;
use crate::full_disk;
use crate::process::Process;
use crate::state::{State, Status};
use crate::truth;

/// All of them.
#[derive(Debug, Clone)]
pub struct Containers {
    /// The images that they come from.
    pub store: Store,
    run: PathBuf,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Container {
    /// What it was made from.
    pub config: Config,
    /// Its folder, which lasts.
    pub folder: PathBuf,
    /// Its folder until the next boot.
    pub run: PathBuf,
}

/// As long as it lives, nobody else changes the container's state.
#[derive(Debug)]
#[must_use = "without it somebody else may change the state meanwhile"]
pub struct Lock(Flock<File>);

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Flock<File>> for Lock {
    fn from(held: Flock<File>) -> Self {
        Self(held)
    }
}

impl Containers {
    /// Those of [`place::data_root`].
    ///
    /// # Errors
    /// This user may not write there.
    pub fn open() -> Result<Self> {
        let store = Store::open()?;
        let run = place::run_root()?.join("containers");
        for folder in [&run, &store.containers().join(NAMES)] {
            if !folder.is_dir() {
                fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
        }
        Ok(Self { store, run })
    }

    pub(crate) fn at(&self, config: Config) -> Container {
        let (folder, run) = (self.store.containers().join(config.id()), self.run.join(config.id()));
        Container { config, folder, run }
    }

    pub(crate) fn link(&self, name: &str) -> PathBuf {
        self.store.containers().join(NAMES).join(name)
    }

    pub(crate) fn read(&self, id: &str) -> Option<Container> {
        let bytes = fs::read(self.store.containers().join(id).join("config.json")).ok()?;
        serde_json::from_slice::<Config>(&bytes)
            .ok()
            .filter(|config| config.id() == id)
            .map(|config| self.at(config))
    }

    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.store.containers())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                ids.push(name);
            }
        }
        Ok(ids)
    }

    /// Those that are whole, the newest first, as Docker lists them.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut found: Vec<_> = self.ids()?.iter().filter_map(|id| self.read(id)).collect();
        found.sort_by(|a, b| (b.config.created, b.config.id()).cmp(&(a.config.created, a.config.id())));
        Ok(found)
    }

    /// The container of this name, or the only one whose id begins so.
    ///
    /// # Errors
    /// There is none, it is damaged, or there are several; code 1, as Docker's.
    pub fn find(&self, text: &str) -> Result<Container> {
        match self.find_any(text)? {
            Found::Whole(container) => Ok(*container),
            Found::Damaged(one) => Err(one.failure().into()),
        }
    }

    /// The same, for who can do something with one that is damaged.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find_any(&self, text: &str) -> Result<Found> {
        let text = text.strip_prefix('/').unwrap_or(text); // inspect tells names so, as Docker does
        let is_name = !text.is_empty() && !text.contains('/') && !text.starts_with('.');
        let link = if is_name { fs::read_link(self.link(text)).ok() } else { None };
        let linked = link.as_ref().and_then(|id| self.any(&id.to_string_lossy()));
        // A link that was left when a name was changed leads to somebody who has another.
        if let Some(one) = linked.filter(|one| one.may_be_called(text)) {
            return Ok(one);
        }
        let hexadecimal = is_name && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let begin: Vec<String> = if hexadecimal {
            // Who copies an id from elsewhere may have more of it than there is here.
            self.ids()?
                .into_iter()
                .filter(|id| id.starts_with(text) || text.starts_with(id.as_str()))
                .collect()
        } else {
            Vec::new()
        };
        let mut found = begin.iter().filter_map(|id| self.any(id));
        match (found.next(), found.next()) {
            (Some(one), None) => return Ok(one),
            (Some(_), Some(_)) => {
                let what = format!("multiple IDs found with provided prefix: {text}");
                return Err(Failure::said(what, "", "write more of the id, or the name").code(1).into());
            }
            (None, _) => {}
        }
        // The link was lost with the power: the configs know better.
        if is_name && let Some(one) = self.list()?.into_iter().find(|one| one.config.name() == text) {
            return Ok(Found::Whole(Box::new(one)));
        }
        Err(Failure::said(
            format!("No such container: {text}"),
            "",
            "boxroom ps --all shows all that there are",
        )
        .code(1)
        .into())
    }

    fn any(&self, id: &str) -> Option<Found> {
        let whole = self.read(id).map(|one| Found::Whole(Box::new(one)));
        whole.or_else(|| self.damaged(id).map(Found::Damaged))
    }

    /// Claims a name for the container `id`: the link is made by one call, which only one of many can win.
    ///
    /// # Errors
    /// A container has it.
    pub(crate) fn claim(&self, name: &str, id: &str) -> Result<()> {
        let link = self.link(name);
        for _ in 0..3 {
            match symlink(id, &link) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => return other.with_context(|| link.display().to_string()),
            }
            let Ok(holder) = fs::read_link(&link) else { continue };
            if holder == Path::new(id) {
                return Ok(());
            }
            if self.has(&holder, name) {
                let lives = self.read(&holder.to_string_lossy()).is_some_and(|one| one.lives());
                let way = if lives { "rm --force" } else { "rm" }; // without force only what has ended is removed
                let what = format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove \
                     (or rename) that container to be able to reuse that name.",
                    holder.display()
                );
                return Err(Failure::said(what, "", format!("boxroom {way} {name}, or another name")).into());
            }
            let _ = fs::remove_file(&link); // whoever was to have it was killed on the way, or is gone
        }
        bail!("the name {name} is wanted by several at once; try again");
    }

    /// Whether `holder` has the name, or is about to have it: who makes a container holds its lock meanwhile.
    fn has(&self, holder: &Path, name: &str) -> bool {
        let Ok(folder) = File::open(self.store.containers().join(holder)) else { return false };
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Err(_) => true,
            Ok(_held) => self.any(&holder.to_string_lossy()).is_some_and(|one| one.may_be_called(name)),
        }
    }
}

/// Names as links, beside the folders.
const NAMES: &str = ".names";

impl Container {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.name()
    }

    /// Makes its folder for what ends with the machine, where it isn't there: a reboot takes it away, a logout an ordinary
    /// user's.
    ///
    /// # Errors
    /// This user may not write there.
    pub(crate) fn run_folder(&self) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.run) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(error).with_context(|| self.run.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// The file of its state.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        if self.config.remove { self.run.join("state.json") } else { self.folder.join("state.json") }
    }

    /// Waits until nobody else changes its state.
    ///
    /// # Errors
    /// It is gone: removed while we waited.
    pub fn lock(&self) -> Result<Lock> {
        let gone = || Failure::said(format!("No such container: {}", self.name()), "", "").code(1);
        let folder = File::open(&self.folder).map_err(|_| gone())?;
        let lock =
            Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("flock")?;
        if !self.folder.join("config.json").exists() {
            return Err(gone().into());
        }
        Ok(Lock(lock))
    }

    /// The same, unless somebody else changes it at this moment.
    pub(crate) fn try_lock(&self) -> Option<Lock> {
        let folder = File::open(&self.folder).ok()?;
        Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok().map(Lock)
    }

    /// That nobody runs it, as long as what is returned lives: the monitor's own hold of the container. One whose container
    /// has just ended still removes what that had, and is waited for.
    ///
    /// # Errors
    /// Somebody else runs it, or what it has changed is gone.
    pub fn hold(&self) -> Result<Flock<File>> {
        hold(&self.folder, self.name())?.ok_or_else(|| {
            let what = format!("container {}: its files are gone", self.name());
            let cause = format!("there is no {}", self.folder.join("upper").display());
            Failure::said(what, cause, format!("boxroom rm {}", self.name())).code(1).into()
        })
    }

    /// Its state, whatever has happened: what the file says, set right by what can be seen.
    #[must_use]
    pub fn state(&self) -> State {
        truth::of(self)
    }

    /// Whether it runs, is frozen, or will be started again.
    #[must_use]
    pub fn lives(&self) -> bool {
        let status = self.state().status;
        status.lives() || status == Status::Restarting
    }

    /// Its first process, as long as there is one.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.state().process.as_ref().and_then(Process::find)
    }

    /// Replaces the state as a whole. `lasts`: it shall survive the power, so the disk is waited for.
    ///
    /// # Errors
    /// The disk is full, or not to be written.
    pub fn write_state(&self, state: &State, lasts: bool) -> Result<()> {
        let (target, bytes) = (self.state_file(), json(state)?);
        let written = if lasts && !self.config.remove {
            write_whole(&self.folder, &target, &bytes)
        } else {
            let beside = target.with_extension("json.new");
            let written = fs::write(&beside, &bytes).and_then(|()| fs::rename(&beside, &target));
            written
                .with_context(|| target.display().to_string())
                .inspect_err(|_| drop(fs::remove_file(&beside)))
        };
        match written {
            // Nobody could be stopped or removed, and a container's end would be lost.
            Err(error) if full_disk::is(&error) => full_disk::rewrite(&target, &bytes).map_err(|_| error),
            other => other,
        }
    }
}

/// [`Container::hold`], by the folder alone. Nothing: there are no files that anybody could have mounted.
///
/// # Errors
/// Somebody else runs it.
pub(crate) fn hold(folder: &Path, called: &str) -> Result<Option<Flock<File>>> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let end = Instant::now() + PATIENCE;
    let mut upper = match File::open(folder.join("upper")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.context("upper")?,
    };
    loop {
        match Flock::lock(upper, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(Some(held)),
            Err((file, _)) if Instant::now() < end => upper = file,
            Err(_) => {
                let cause = "a monitor has its files mounted, or somebody reads them";
                let what = format!("container {called} is in use");
                return Err(Failure::said(what, cause, "try again").code(1).into());
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
