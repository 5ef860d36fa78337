//! What a virtual machine is made of, fetched once and kept below the target folder: qemu, busybox, the kernels.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use super::apt::{Apt, find};
use super::kernels::{Kernel, META};

/// The folder of what is fetched, and of what is made for a boot.
pub struct Cache(PathBuf);

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub struct Bootable {
    /// Which of the list.
    pub kernel: Kernel,
    /// The image that qemu loads.
    pub image: PathBuf,
    /// The modules that its guests load at boot (overlayfs is one in Debian's).
    pub modules: Vec<PathBuf>,
}

/// How qemu is started on this machine.
#[derive(Debug, Clone)]
pub struct Qemu {
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    folders: Vec<PathBuf>,
}

const QEMU: &str = "qemu-system-x86_64";

impl Cache {
    /// `target/vm-cache`, or the folder that `$BOXROOM_VM` names.
    ///
    /// # Errors
    /// It can't be made; another processor than x86_64; no tools to fetch by.
    pub fn open() -> Result<Self> {
        if env::consts::ARCH != "x86_64" {
            bail!("the virtual machines are wired up for x86_64 only, and this is {}", env::consts::ARCH);
        }
        let missing: Vec<&str> =
            ["apt-get", "apt-cache", "dpkg-deb"].into_iter().filter(|name| find(name).is_none()).collect();
        if !missing.is_empty() {
            bail!(
                "{} not found: kernels and busybox are Debian packages, fetched by apt and unpacked; run this on Debian \
                 12 or newer, or in a container of it (docker run -it debian:12, then: apt-get install gcc libc6-dev)",
                missing.join(", ")
            );
        }
        let folder = match env::var_os("BOXROOM_VM").filter(|value| !value.is_empty()) {
            Some(named) => named.into(),
            None => probe::target_dir()?.join("vm-cache"),
        };
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(folder.canonicalize()?))
    }

    /// A file of this name in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A folder for one run, gone with what is returned: two may run at once.
    ///
    /// # Errors
    /// The disk is full.
    pub fn place(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("run-").tempdir_in(&self.0)?)
    }

    /// The machine's own qemu, else one that is unpacked here.
    ///
    /// # Errors
    /// apt has none, with what to install.
    pub fn qemu(&self) -> Result<Qemu> {
        if let Some(program) = find(QEMU) {
            return Ok(Qemu { program, environment: Vec::new(), folders: Vec::new() });
        }
        let root = self.once("qemu", |folder| {
            let apt = Apt::own();
            let packages = apt.with_what_it_needs("qemu-system-x86")?;
            apt.unpack(&packages, folder)
        });
        let root = root.context("no qemu-system-x86_64 here: apt-get install qemu-system-x86")?;
        let library = root.join("usr/lib/x86_64-linux-gnu");
        let libraries = env::join_paths([&library, &root.join("lib/x86_64-linux-gnu")])?;
        Ok(Qemu {
            program: root.join("usr/bin").join(QEMU),
            environment: vec![
                ("LD_LIBRARY_PATH", libraries),
                ("QEMU_MODULE_DIR", library.join("qemu").into_os_string()),
            ],
            folders: vec![root.join("usr/share/qemu"), root.join("usr/share/seabios")],
        })
    }

    /// The shell and the tools of the guests: one static program.
    ///
    /// # Errors
    /// It can't be fetched.
    pub fn busybox(&self) -> Result<PathBuf> {
        let root = self.once("busybox", |folder| Apt::own().unpack(&["busybox-static".into()], folder))?;
        let places = ["bin/busybox", "usr/bin/busybox"].map(|place| root.join(place));
        places.into_iter().find(|file| file.is_file()).context("the package busybox-static has no busybox")
    }

    /// The kernel of this series, by the machine's own sources or by another suite's.
    ///
    /// # Errors
    /// It can't be fetched from here.
    pub fn kernel(&self, kernel: Kernel) -> Result<Bootable> {
        let name = format!("linux-{}", kernel.series);
        let root = self
            .once(&name, |folder| self.fetch_kernel(kernel, folder))
            .with_context(|| format!("Debian {}'s Linux {}", kernel.debian, kernel.series))?;
        let modules = files_below(&root.join("modules"))?;
        Ok(Bootable { kernel, image: root.join("vmlinuz"), modules })
    }

    /// Only the image and the few modules are kept: the others are a hundred megabytes.
    fn fetch_kernel(&self, kernel: Kernel, folder: &Path) -> Result<()> {
        let mut apt = Apt::own();
        let mut package = kernel.package(&apt.show(META)?);
        if package.is_none() {
            apt = Apt::of_suite(kernel.suite, &self.file("apt"))?;
            package = kernel.package(&apt.show(META)?);
        }
        let Some(package) = package else {
            bail!("apt knows no linux-image-{}; its lists may be old: apt-get update", kernel.series);
        };
        let whole = folder.with_extension("whole");
        apt.unpack(&[package], &whole)?;
        fs::create_dir_all(folder.join("modules"))?;
        for file in files_below(&whole)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("vmlinuz-") {
                fs::rename(&file, folder.join("vmlinuz"))?;
            } else if MODULES.iter().any(|module| name.split('.').next() == Some(module)) {
                self.keep_module(&file, &folder.join("modules"))?;
            }
        }
        fs::remove_dir_all(&whole)?;
        if !folder.join("vmlinuz").is_file() {
            bail!("its package has no vmlinuz");
        }
        Ok(())
    }

    /// Debian 13 compresses them; unpacked here, any insmod can load them.
    fn keep_module(&self, file: &Path, to: &Path) -> Result<()> {
        let name = file.file_name().unwrap_or_default();
        let kept = to.join(name);
        fs::copy(file, &kept)?;
        if kept.extension().is_some_and(|end| end == "xz") {
            let status = Command::new(self.busybox()?).args(["unxz", "-f"]).arg(&kept).status()?;
            if !status.success() {
                bail!("busybox can't unpack {}", kept.display());
            }
        }
        Ok(())
    }

    /// A folder that `make` fills, once: what was begun and not finished is begun again.
    fn once(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let (folder, done) = (self.file(name), self.file(&format!("{name}.complete")));
        let lock = fs::File::create(self.file(&format!("{name}.lock")))?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        if !done.is_file() {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            make(&folder)?;
            fs::write(&done, "")?;
        }
        Ok(folder)
    }
}

/// What the chapters may need and Debian builds as modules.
const MODULES: [&str; 1] = ["overlay"];

impl Qemu {
    /// A command that starts it, which the kernel ends when this program is killed.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match find("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for folder in &self.folders {
            command.arg("-L").arg(folder);
        }
        command
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
