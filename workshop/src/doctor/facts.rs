//! This machine's names, versions and mounts, read once and handed to every question.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::utsname::uname;

use super::attempt::who;

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `6.1.0-30-amd64`.
    pub release: String,
    /// `x86_64`.
    pub machine: String,
    /// `/proc/version`: WSL says so there.
    pub version: String,
    /// `ID` and `ID_LIKE` of /etc/os-release: `ubuntu debian`.
    pub distribution: String,
    /// `PRETTY_NAME` of /etc/os-release.
    pub pretty: String,
    /// Who runs this.
    pub who: String,
    /// Where this checkout is.
    pub checkout: PathBuf,
    /// The mounts, as this process sees them.
    pub mounts: Vec<Mount>,
}

/// One line of /proc/self/mountinfo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// Its own options and its file system's: `rw,nosuid,...`.
    pub options: String,
    /// Its type: `ext4`.
    pub kind: String,
}

impl Mount {
    /// Whether it is mounted with this option.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }
}

impl Facts {
    /// Reads them. What can't be read stays empty: the questions say so.
    #[must_use]
    pub fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let release = read("/etc/os-release");
        let field = |name| field(&release, name).unwrap_or_default();
        let word = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        Self {
            release: uname().map(|u| word(u.release())).unwrap_or_default(),
            machine: uname().map(|u| word(u.machine())).unwrap_or_default(),
            version: read("/proc/version"),
            distribution: format!("{} {}", field("ID"), field("ID_LIKE")).trim().to_lowercase(),
            pretty: field("PRETTY_NAME"),
            who: who(),
            checkout: checkout(),
            mounts: mounts(&read("/proc/self/mountinfo")),
        }
    }

    /// The machine in a line.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let pretty = if self.pretty.is_empty() { "a Linux without /etc/os-release" } else { &self.pretty };
        format!("{pretty}, Linux {} on {}, as {}", self.release, self.machine, self.who)
    }

    /// The mount that `path` is on.
    #[must_use]
    pub fn mount_of(&self, path: &Path) -> Option<&Mount> {
        // The last of equal length is on top of the others.
        self.mounts.iter().filter(|m| path.starts_with(&m.point)).max_by_key(|m| m.point.components().count())
    }

    /// How a package is installed here: the first of (distribution, package) that fits.
    #[must_use]
    pub fn install(&self, debian: &str, fedora: &str, arch: &str) -> String {
        let is = |name: &str| self.distribution.split_whitespace().any(|one| one.starts_with(name));
        if is("debian") || is("ubuntu") {
            format!("sudo apt-get install {debian}")
        } else if is("fedora") || is("rhel") || is("centos") {
            format!("sudo dnf install {fedora}")
        } else if is("arch") {
            format!("sudo pacman -S {arch}")
        } else {
            format!("install {debian} (that is its name on Debian)")
        }
    }
}

/// The top of this checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    // Set by cargo at run time too: right also where the checkout was moved since it was compiled.
    let told =
        std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|told| told.ends_with("workshop"));
    let here = told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    here.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_string())
}

fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda rw` (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    let point = unescape(left.next()?);
    let own = left.next()?;
    let mut right = right.split(' ');
    let kind = right.next()?.to_string();
    let filesystem = right.nth(1).unwrap_or_default();
    Some(Mount { point: point.into(), options: format!("{own},{filesystem}"), kind })
}

/// The kernel writes space, tab, newline and backslash as octal: `\040`.
fn unescape(text: &str) -> String {
    let octal = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    octal.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_deepest_mount_above_it() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    2 1 0:9 / /mnt/c rw,noatime - 9p C:\\134 rw,dirsync\n\
                    3 1 0:7 / /my\\040disk ro,noexec shared:4 - vfat /dev/sdb ro";
        let facts = Facts { mounts: mounts(text), ..Facts::default() };
        assert_eq!(facts.mount_of(Path::new("/mnt/c/Users")).unwrap().kind, "9p");
        assert_eq!(facts.mount_of(Path::new("/mnt/cdrom")).unwrap().kind, "ext4");
        assert!(facts.mount_of(Path::new("/my disk/x")).unwrap().has("noexec"));
    }

    #[test]
    fn packages_have_the_names_of_their_distribution() {
        let on = |distribution: &str| Facts { distribution: distribution.into(), ..Facts::default() };
        assert_eq!(on("ubuntu debian").install("a", "b", "c"), "sudo apt-get install a");
        assert_eq!(on("rocky rhel centos fedora").install("a", "b", "c"), "sudo dnf install b");
        assert_eq!(on("arch").install("a", "b", "c"), "sudo pacman -S c");
    }
}
