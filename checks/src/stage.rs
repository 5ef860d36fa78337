//! A chapter's binary, and the root file system that it gets.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{Flock, FlockArg};

/// The stages of the ladder that have a binary, in their order.
pub const STAGES: [&str; 7] =
    ["00-process", "01-chroot", "02-namespaces", "03-cgroups", "04-images", "05-volumes", "06-lifecycle"];

/// Where a stage, and the command in it, looks for programs.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Something that a command can be run in.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its chapter, `02-namespaces`; [`Stage::bare`] has `host`.
    pub name: &'static str,
    binary: Option<PathBuf>,
    rootfs: Option<PathBuf>,
    /// Options that its `run` is always given.
    options: Vec<String>,
}

impl Stage {
    /// No stage at all: the host itself, where every attempt must succeed before `contained` means anything.
    #[must_use]
    pub fn bare() -> Self {
        Self { name: "host", binary: None, rootfs: None, options: Vec::new() }
    }

    /// The stage of this chapter, its binary built and its root file system made where it has one.
    ///
    /// # Errors
    /// It can't be built, or the base can't be made.
    pub fn of(name: &'static str) -> Result<Self> {
        let binary = built()?.iter().find(|path| is_named(path, name)).cloned();
        Self::with_binary(name, binary.with_context(|| format!("cargo built no binary for {name}"))?)
    }

    /// The stage of this chapter as another executable: an exercise, a mutant, anything with its command line.
    ///
    /// # Errors
    /// The base can't be made.
    pub fn with_binary(name: &'static str, binary: PathBuf) -> Result<Self> {
        let rootfs = if name.starts_with("00") { None } else { Some(base()?.to_path_buf()) };
        Ok(Self { name, binary: Some(binary), rootfs, options: Vec::new() })
    }

    /// [`Stage::of`], or what `STAGE_BIN` names in its place.
    ///
    /// # Errors
    /// As there; and `STAGE_BIN` names no file.
    pub fn tested(name: &'static str) -> Result<Self> {
        let Some(path) = env::var_os("STAGE_BIN") else { return Self::of(name) };
        let path = PathBuf::from(path);
        let found = path.canonicalize().with_context(|| format!("STAGE_BIN names {}", path.display()))?;
        Self::with_binary(name, found)
    }

    /// The chapter before; before the first one there is a program that does nothing.
    ///
    /// # Errors
    /// As [`Stage::of`].
    pub fn before(name: &str) -> Result<Self> {
        match STAGES.iter().position(|stage| *stage == name) {
            Some(0) | None => Self::with_binary("00-process", "/bin/true".into()),
            Some(place) => Self::of(STAGES[place - 1]),
        }
    }

    /// Whether its root is a stack on an image and no folder: the base, imported ([`crate::mould`]).
    #[must_use]
    pub fn has_image(&self) -> bool {
        self.binary.is_some() && self.rootfs.is_some() && self.has(4)
    }

    /// Its root file system, by its path on the host; of a stage with images what its image was made from.
    #[must_use]
    pub fn rootfs(&self) -> Option<&Path> {
        self.rootfs.as_deref()
    }

    /// The same stage on another root file system.
    #[must_use]
    pub fn on(&self, rootfs: &Path) -> Self {
        Self { rootfs: Some(rootfs.into()), ..self.clone() }
    }

    /// The same stage, without a root file system of its own.
    #[must_use]
    pub fn without_rootfs(&self) -> Self {
        Self { rootfs: None, ..self.clone() }
    }

    /// Options that chapter `number` brought, for a stage that has them; an older one gets none.
    #[must_use]
    pub fn knows<'a>(&self, number: u32, options: &[&'a str]) -> Vec<&'a str> {
        if self.has(number) { options.to_vec() } else { Vec::new() }
    }

    /// The same stage, always with these options.
    #[must_use]
    pub fn always(&self, options: &[&str]) -> Self {
        Self { options: options.iter().map(ToString::to_string).collect(), ..self.clone() }
    }

    /// The file that is executed.
    #[must_use]
    pub fn binary(&self) -> Option<&Path> {
        self.binary.as_deref()
    }

    /// Whether this stage knows what the chapter `number` adds; so that an older one is asked in its own words
    /// and fails for what it doesn't do, not for a word that it doesn't know.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.name.get(..2).and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|own| own >= number)
    }

    /// Where the probe is, as a command inside names it.
    ///
    /// # Errors
    /// It can't be built.
    pub fn probe(&self) -> Result<PathBuf> {
        if self.rootfs.is_some() { Ok("/bin/probe".into()) } else { probe::staged() }
    }

    /// The probe's file, by its path on the host.
    ///
    /// # Errors
    /// It can't be built.
    pub fn probe_on_host(&self) -> Result<PathBuf> {
        self.rootfs.as_ref().map_or_else(probe::staged, |rootfs| Ok(rootfs.join("bin/probe")))
    }

    /// `run [OPTIONS] -- COMMAND`, through `dress` (a command that becomes another one), hermetic.
    ///
    /// # Errors
    /// No place for its records.
    pub fn dressed<S: AsRef<OsStr>>(
        &self,
        dress: &[String],
        options: &[&str],
        words: &[S],
    ) -> Result<Command> {
        let mut line: Vec<&OsStr> = dress.iter().map(OsStr::new).collect();
        if let Some(binary) = &self.binary {
            line.push(binary.as_os_str());
            line.push(OsStr::new("run"));
            if let (Some(rootfs), false) = (&self.rootfs, self.has_image()) {
                line.extend([OsStr::new("--rootfs"), rootfs.as_os_str()]);
            }
            if self.has(6) {
                // From here on a container stays, and has no standard input, unless that is said: as with Docker.
                line.extend([OsStr::new("--rm"), OsStr::new("-i")]);
            }
            line.extend(self.options.iter().map(OsStr::new));
            line.extend(options.iter().map(OsStr::new));
            line.push(OsStr::new("--"));
            if self.has_image() {
                crate::mould::ready()?;
                line.push(OsStr::new(crate::mould::IMAGE));
            }
        }
        line.extend(words.iter().map(AsRef::as_ref));
        let (program, arguments) = line.split_first().ok_or_else(|| anyhow!("no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("PATH", PATH);
        command.env("HOME", "/").env("TERM", "dumb");
        command.env("BOXROOM_RUN", folder()?.join("run")).env("BOXROOM_ROOT", folder()?.join("root"));
        Ok(command)
    }

    /// `run [OPTIONS] -- COMMAND`, hermetic: no environment but what is named here, nothing on standard input.
    ///
    /// # Errors
    /// No place for its records.
    pub fn command<S: AsRef<OsStr>>(&self, options: &[&str], words: &[S]) -> Result<Command> {
        self.dressed(&[], options, words)
    }
}

/// Where the checks keep what they make: one folder for each user.
///
/// # Errors
/// It can't be made.
pub fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&FOLDER, || {
        let folder = probe::target_dir()?.join(format!("checks/{}", nix::unistd::geteuid()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    })
    .map(PathBuf::as_path)
}

/// The base, made once from this machine and again when the probe has changed.
///
/// # Errors
/// Chapter 01 can't make it.
pub fn base() -> Result<&'static Path> {
    static BASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BASE, || {
        let base = folder()?.join("base");
        let lock = fs::File::create(folder()?.join("base.lock"))?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let made = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        let stamp = folder()?.join("base.stamp");
        if made(&stamp) > made(&probe::staged()?) && base.join("bin/probe").is_file() {
            return Ok(base);
        }
        if base.exists() {
            fs::remove_dir_all(&base).with_context(|| base.display().to_string())?;
        }
        let binary = built()?.iter().find(|path| is_named(path, "01-chroot")).context("no ch01-chroot")?;
        let output = Command::new(binary)
            .arg("base")
            .arg(&base)
            .env("BOXROOM_PROBE", probe::staged()?)
            .env("BOXROOM_RUN", folder()?.join("run"))
            .output()?;
        if !output.status.success() {
            bail!("ch01-chroot base {}: {}", base.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::write(&stamp, "")?;
        Ok(base)
    })
    .map(PathBuf::as_path)
}

/// A binary of the house that is no stage, built by cargo.
///
/// # Errors
/// It can't be built.
pub fn program(package: &str) -> Result<PathBuf> {
    let built = probe::build(&[package])?;
    let found = built.into_iter().find(|path| path.file_name().is_some_and(|name| name == package));
    found.with_context(|| format!("cargo built no {package}"))
}

/// The binaries of the stages, built by cargo.
pub(crate) fn built() -> Result<&'static Vec<PathBuf>> {
    static BUILT: OnceLock<Result<Vec<PathBuf>, String>> = OnceLock::new();
    once(&BUILT, || {
        let packages: Vec<String> = STAGES.iter().map(|name| format!("ch{name}")).collect();
        probe::build(&packages.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

pub(crate) fn is_named(path: &Path, stage: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy() == format!("ch{stage}"))
}

pub(crate) fn once<T>(
    cell: &'static OnceLock<Result<T, String>>,
    make: impl FnOnce() -> Result<T>,
) -> Result<&'static T> {
    cell.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|text| anyhow!("{text}"))
}
