//! What a plan is made from: facts that are read once, so that the plan itself is a pure function of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::change::{RANGE_FILES, SETTINGS, Tools};
use super::plan;
use crate::doctor::attempt::{Refusal, attempt};
use crate::doctor::facts::Facts;
use crate::doctor::groups;
use crate::doctor::users::{in_path, sysctl};

/// The machine, as far as a plan asks.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The user's name, or its number where it has none.
    pub who: String,
    /// Its number: a range may be lent to that instead.
    pub uid: u32,
    /// Whether root asks: it needs no range.
    pub root: bool,
    /// How the kernel refused an ordinary user's namespace; nothing: it gave one.
    pub refused: Option<Refusal>,
    /// The switches, in the order of [`SETTINGS`]; nothing: this kernel has none of that name.
    pub settings: [Option<u64>; 3],
    /// Whether `apparmor_parser` is there.
    pub parser: bool,
    /// Whether AppArmor's own files know the rule `userns` (`abi/4.0`).
    pub knows_userns: bool,
    /// Where cargo puts this checkout's programs.
    pub target: PathBuf,
    /// What stands already where a file of ours would.
    pub files: BTreeMap<PathBuf, String>,
    /// /etc/subuid and /etc/subgid; nothing: no such file.
    pub ranges: [Option<String>; 2],
    /// Ids that users and groups of this machine have.
    pub ids: Vec<u32>,
    /// Whether newuidmap and newgidmap are there.
    pub helpers: bool,
    /// How to install them here.
    pub install_helpers: String,
    /// Whether sudo is there.
    pub sudo: bool,
    /// What changes are made with.
    pub tools: Tools,
    /// Whether systemd runs this machine.
    pub systemd: bool,
    /// Whether this user may make a cgroup where it is.
    pub own_cgroup: bool,
    /// Controllers of cgroup v2 that are not handed to this user. Empty where version 1 has them.
    pub undelegated: Vec<&'static str>,
    /// Whether this checkout has the chapter that needs cgroups.
    pub limits_are_taught: bool,
}

impl Machine {
    /// Reads them, and tries to make a user namespace.
    #[must_use]
    pub fn read(facts: &Facts) -> Self {
        let uid = geteuid();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        let who = facts.who.trim_start_matches("user ").to_string();
        let local = passwd.lines().any(|line| line.split(':').next() == Some(&who));
        let target = target();
        let files = plan::places(&target);
        let (own_cgroup, undelegated) = groups::handed_over(facts);
        Self {
            uid: uid.as_raw(),
            root: uid.is_root(),
            refused: attempt("user", true).err(),
            settings: SETTINGS.map(sysctl),
            parser: in_path("apparmor_parser").is_some(),
            knows_userns: Path::new("/etc/apparmor.d/abi/4.0").exists(),
            files: files.into_iter().filter_map(|path| Some((path.clone(), text(&path)?))).collect(),
            ranges: RANGE_FILES.map(|file| text(Path::new(file))),
            ids: ids(&passwd).chain(ids(&group)).collect(),
            helpers: in_path("newuidmap").is_some() && in_path("newgidmap").is_some(),
            install_helpers: facts.install("uidmap", "shadow-utils", "shadow"),
            sudo: in_path("sudo").is_some(),
            tools: Tools {
                usermod: local && in_path("usermod").is_some(),
                sysctl: in_path("sysctl").is_some(),
            },
            systemd: Path::new("/run/systemd/system").is_dir(),
            own_cgroup,
            undelegated,
            limits_are_taught: facts.checkout.join("chapters/03-cgroups").is_dir(),
            who,
            target,
        }
    }
}

/// What is in a file; a file that is there and can't be read counts as one that isn't ours.
#[must_use]
pub fn text(path: &Path) -> Option<String> {
    match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("({error})")),
    }
}

/// Cargo marks the folder that it builds into; this program stands some floors below the mark.
fn target() -> PathBuf {
    let me = std::env::current_exe().unwrap_or_default();
    let marked = me.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let above = me.ancestors().nth(2).unwrap_or(Path::new("/"));
    marked.unwrap_or(above).to_path_buf()
}

/// The third field of each line: the id in passwd(5) and group(5).
fn ids(text: &str) -> impl Iterator<Item = u32> {
    text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok())
}
