//! `create`: from the words of the image and of the command line to a container on disk. Nothing runs yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::failure::Failure;
use ch00_process::kernel::Kernel;
use ch00_process::record::Record;
use ch03_cgroups::size::parse_size;
use ch04_images::own::like_the_image;
use ch04_images::run::variables_of;
use ch04_images::store::{json, write_whole};
use ch04_images::{passwd, run};
use ch05_volumes::run::{self as below, Mounts};
use clap::Args;
use nix::fcntl::{Flock, FlockArg};

use crate::config::{Config, LogLimit, Restart};
use crate::containers::{Container, Containers, Lock};
use crate::exec::{lines_of, set_or_take_over};
use crate::life::Life;
use crate::name;
use crate::when::When;

/// What the command line of `create` and `run` may say: the chapters' words below, and what is about a longer life.
#[derive(Debug, Args)]
#[group(id = "lived")]
// What is said otherwise here than in chapter 04, where a container without a name is not kept.
#[command(
    mut_arg("name", |arg| arg.help("What the container is called [default: two words, drawn by lot]; its group is called by its id")),
    mut_arg("rm", |arg| arg.help("Remove the container at its end; without it, it stays there until it is removed")),
    mut_arg("hostname", |arg| arg.help("The hostname inside [default: the container's id]"))
)]
pub struct Options {
    /// Note something about it, for filters
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Notes from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<PathBuf>,
    /// What happens at its end: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub restart: Restart,
    /// Seconds between the stop signal and SIGKILL; -1 for no SIGKILL
    #[arg(long, value_name = "SECONDS", default_value_t = 10, allow_negative_numbers = true)]
    pub stop_timeout: i64,
    /// Variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Give it a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// Keep its standard input open
    #[arg(long, short)]
    pub interactive: bool,
    /// How much of its output is kept: max-size=10m, max-file=3
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
    /// Write its id to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub below: below::Options,
}

/// A container that was just made, and whom nobody else can touch yet.
#[derive(Debug)]
pub struct Made {
    /// The container.
    pub container: Container,
    /// Its lock.
    pub lock: Lock,
    /// Of one that is removed at its end: who is to remove it, should we be killed.
    pub record: Option<Record>,
}

/// Makes a container of an image.
///
/// # Errors
/// The image isn't there, what was asked for makes no sense, the name is taken, the disk is full. Nothing is left.
pub fn create(all: &Containers, options: Options, k: &Kernel) -> Result<Made> {
    if options.below.below.rm && options.restart != Restart::No {
        let hint = "one of the two";
        return Err(
            Failure::said("conflicting options: cannot specify both --restart and --rm", "", hint).into()
        );
    }
    options.below.below.limits.check()?; // before anything is asked of the store
    let cidfile = options.cidfile.clone().map(IdFile::new).transpose()?;
    // Until the container is written down nothing else says that its layers are needed.
    let lease = all.store.lease()?;
    let config = settled(all, options, k)?;
    let made = made(all, config, k)?;
    drop(lease);
    let Some(Err(error)) = cidfile.map(|file| file.write(made.container.config.id())) else {
        return Ok(made);
    };
    Life::remove(&made.container.folder, k)?;
    made.record.map_or(Ok(()), Record::forget)?;
    Err(error)
}

/// `--cidfile`: there before the container is, so that none is made whose id couldn't be written. Gone again, where it was
/// made for nothing.
struct IdFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl IdFile {
    fn new(path: PathBuf) -> Result<Self> {
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file, is_written: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            ),
            Err(error) => Err(error)
                .with_context(|| format!("failed to create the container ID file: {}", path.display())),
        }
    }

    fn write(mut self, id: &str) -> Result<()> {
        self.file.write_all(id.as_bytes()).with_context(|| self.path.display().to_string())?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.is_written {
            let _ = fs::remove_file(&self.path); // an empty one would keep the next from being made
        }
    }
}

/// All that can be said before anything is made.
fn settled(all: &Containers, options: Options, k: &Kernel) -> Result<Config> {
    let store = &all.store;
    let image = run::found(store, &options.below.below.image, k)?;
    let layers = run::unpacked(store, &image, k)?;
    let words = image.config.config().clone().unwrap_or_default();
    let user = options.below.below.user.clone().or_else(|| words.user().clone()).unwrap_or_default();
    let someone = passwd::find(&layers, &user)?;
    let mut container =
        store.conceive(&image, &options.below.below.image, options.below.below.name.as_deref(), None)?;
    container.stop_signal = options.below.below.stop_signal.clone().or(container.stop_signal);
    if let Some(signal) = &container.stop_signal {
        run::signal_of(signal)?;
    }
    let hostname = options.below.below.hostname.clone().unwrap_or_else(|| container.id.clone());
    let home = someone.home.clone().unwrap_or_else(|| "/".into());
    let env = environment(&options, &words, &hostname, &home)?;
    let mut labels: BTreeMap<String, String> =
        words.labels().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut given = Vec::new();
    for file in &options.label_file {
        given.extend(lines(file)?);
    }
    given.extend(options.label.iter().cloned());
    for label in given {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        if key.is_empty() {
            bail!("invalid label {label:?}: empty name");
        }
        labels.insert(key.into(), value.into());
    }
    let command = run::command(&options.below.below, &words)?;
    let workdir = run::workdir(&options.below.below, &words)?;
    let log = log_limit(&options.log_opt)?;
    let below::Options { mounts, below } = options.below;
    let mounts = absolute(mounts)?;
    let volumes = words.volumes().clone().unwrap_or_default();
    mounts.requests(&volumes)?;
    Ok(Config {
        created: When::now(),
        command: command.into_iter().map(text).collect::<Result<_>>()?,
        env,
        workdir,
        uid: someone.uid,
        gid: someone.gid,
        groups: someone.groups,
        user,
        hostname,
        userns: below.userns,
        only: below.only,
        boottime: below.boottime,
        stack_by: below.stack_by,
        init: below.init,
        read_only: below.read_only,
        mounts,
        volumes: Some(volumes),
        limits: below.limits,
        cgroup_parent: below.cgroup_parent,
        no_group: below.no_group,
        labels,
        restart: options.restart,
        stop_timeout: options.stop_timeout,
        remove: below.rm,
        tty: options.tty,
        interactive: options.interactive,
        log,
        container,
    })
}

/// What the command knows of the world: the usual, the image's words, the files', the command line's.
fn environment(
    options: &Options,
    words: &oci_spec::image::Config,
    hostname: &str,
    home: &str,
) -> Result<Vec<String>> {
    let mut env: Vec<String> = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        format!("HOSTNAME={hostname}"),
        format!("HOME={home}"),
    ];
    if options.tty {
        env.push("TERM=xterm".into());
    }
    let mut given = variables_of(words);
    for file in &options.env_file {
        given.extend(lines_of(file)?);
    }
    for pair in &options.below.below.env {
        given.push(text(pair.clone())?);
    }
    for pair in given {
        if pair.is_empty() || pair.starts_with('=') {
            return Err(Failure::said(
                format!("invalid environment variable: {pair}"),
                "the variable has no name",
                "write KEY=VALUE, or KEY alone",
            )
            .into());
        }
        set_or_take_over(&mut env, &pair)?;
    }
    Ok(env)
}

/// `./SRC` is meant from here; whoever starts the container later is somewhere else.
fn absolute(mut mounts: Mounts) -> Result<Mounts> {
    for word in mounts.volume.iter_mut().filter(|word| word.starts_with('.')) {
        let (source, rest) = word.split_once(':').unwrap_or((word, ""));
        let whole = fs::canonicalize(source).or_else(|_| std::path::absolute(source))?;
        *word = format!("{}:{rest}", text(whole.into_os_string())?);
    }
    Ok(mounts)
}

/// The lines of a file that say something.
fn lines(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("open {}", file.display()))?;
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    Ok(text.lines().map(str::trim_start).filter(said).map(Into::into).collect())
}

/// `config.json` holds text.
fn text(word: OsString) -> Result<String> {
    word.into_string().map_err(|word| anyhow::anyhow!("{word:?}: no UTF-8; config.json can't hold it"))
}

fn log_limit(options: &[String]) -> Result<LogLimit> {
    let mut limit = LogLimit::default();
    for option in options {
        let wrong =
            |why: &str| anyhow::anyhow!("--log-opt {option}: {why}; known are max-size=SIZE, max-file=N");
        match option.split_once('=') {
            Some(("max-size", size)) => limit.size = parse_size(size).map_err(|why| wrong(&why))?,
            Some(("max-file", files)) => {
                limit.files = files
                    .parse()
                    .ok()
                    .filter(|files| (1..=1000).contains(files))
                    .ok_or_else(|| wrong("1 to 1000"))?;
            }
            _ => return Err(wrong("not known")),
        }
    }
    if limit.size < 4096 {
        bail!("--log-opt max-size: at least 4096 bytes");
    }
    Ok(limit)
}

/// On record, then its folders, its name, and last its config: without that it is no container.
fn made(all: &Containers, mut config: Config, k: &Kernel) -> Result<Made> {
    let name = config.container.name.clone();
    let folder = all.store.containers().join(config.id());
    let record = k.why("whoever finds this note knows what to remove, should we be killed");
    let record = record.record(Life::RECORD, &folder.display().to_string())?;
    let made = (|| {
        private(&folder)?;
        // From its first moment it is locked: who wants the same name sees that somebody is about to have it.
        let lock = Flock::lock(File::open(&folder)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        DirBuilder::new()
            .mode(0o755)
            .create(&upper)
            .and_then(|()| DirBuilder::new().mode(0o755).create(&work))?;
        like_the_image(&all.store, &config.container, &upper)?;
        config.container.name = Some(match &name {
            Some(name) => {
                let name = name::checked(name)?;
                all.claim(&name, config.id())?;
                name
            }
            None => nameless(all, config.id())?,
        });
        let container = all.at(config);
        container.run_folder()?;
        let (target, bytes) = (folder.join("config.json"), json(&container.config)?);
        if container.config.remove {
            // Nobody misses it after a power cut, and two flushes of the disk are most of a start.
            fs::write(&target, bytes)?;
        } else {
            write_whole(&all.store.beside(), &target, &bytes)?;
        }
        anyhow::Ok((container, Lock::from(lock)))
    })();
    match made {
        Ok((container, lock)) if container.config.remove => {
            Ok(Made { container, lock, record: Some(record) })
        }
        Ok((container, lock)) => {
            record.forget()?; // it is kept: it stays, whatever happens from here
            Ok(Made { container, lock, record: None })
        }
        Err(error) => {
            // Where it can't be removed now, its record stays for who tries again.
            if Life::remove(&folder, k).is_ok() {
                record.forget()?;
            }
            Err(error)
        }
    }
}

fn private(folder: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(folder).with_context(|| folder.display().to_string())
}

/// A made-up name that nobody has.
fn nameless(all: &Containers, id: &str) -> Result<String> {
    for attempt in 0..100 {
        let name = name::made_up(attempt)?;
        match all.claim(&name, id) {
            Err(error) if error.downcast_ref::<Failure>().is_some() => {} // somebody has it
            other => return other.map(|()| name),
        }
    }
    bail!("a hundred made-up names are all taken; give one by --name");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_file_for_an_id_is_there_with_it_or_not_at_all() {
        let path = std::env::temp_dir().join(format!("boxroom-ch06-id-{}", std::process::id()));
        drop(IdFile::new(path.clone()).unwrap());
        assert!(!path.exists(), "no container was made");
        IdFile::new(path.clone()).unwrap().write("0123456789ab").unwrap();
        assert!(IdFile::new(path.clone()).is_err(), "it is another container's");
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(text, "0123456789ab");
        assert!(IdFile::new(path.join("nowhere")).is_err());
    }
}
