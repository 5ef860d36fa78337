//! What a check needs of this machine, and what is said where it isn't there.

use std::env;
use std::fs;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access, geteuid};

use crate::profile::Profile;

/// Something that a machine has or hasn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// To be an ordinary user.
    User,
    /// A user namespace for this user.
    UserNamespace,
    /// A range of ids.
    Range,
    /// A control group that this user may make one in, of whichever version.
    Cgroup,
    /// The same, and the controllers are those of version 1 (hybrid machines, too).
    Cgroup1,
    /// The same, and they are those of version 2.
    Cgroup2,
    /// The time for a slow check; only where it is asked for.
    Mutants,
    /// The same, for tests that build a learner's copy.
    Exercises,
    /// The same, for tests that make whole Debian systems, and fetch them.
    Debian,
    /// A python3 where a stage looks for it.
    Python,
}

impl Need {
    /// Its name in `BOXROOM_REQUIRE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::UserNamespace => "userns",
            Self::Range => "subuid",
            Self::Cgroup => "cgroup",
            Self::Cgroup1 => "cgroup1",
            Self::Cgroup2 => "cgroup2",
            Self::Mutants => "mutants",
            Self::Exercises => "exercises",
            Self::Debian => "debian",
            Self::Python => "python",
        }
    }

    /// Why this machine can't, and the cure; nothing where it can.
    #[must_use]
    pub fn missing(self) -> Option<&'static str> {
        let (there, why) = match self {
            Self::Root => (geteuid().is_root(), "only root can; run it by sudo, or in CI's root leg"),
            Self::User => (!geteuid().is_root(), "only an ordinary user shows it; run it as one"),
            Self::UserNamespace => (user_namespace(), locked()),
            Self::Range => (
                Profile::here() == Profile::Range,
                "this user has no range of ids; cargo workshop doctor --fix",
            ),
            Self::Exercises => (
                is_required("exercises"),
                "slow: it builds a learner's copy; BOXROOM_REQUIRE=exercises runs it",
            ),
            Self::Debian => (
                is_required("debian"),
                "slow: it fetches three Debians by mmdebstrap; BOXROOM_REQUIRE=debian runs it",
            ),
            Self::Cgroup => (
                cgroup().is_some(),
                "no control group is given to this user; as root, or by systemd-run --user --scope -p Delegate=yes",
            ),
            Self::Cgroup1 => (
                cgroup() == Some(1),
                "the controllers are not those of cgroup version 1 here (or not given to this user); a hybrid machine has them",
            ),
            Self::Cgroup2 => (
                cgroup() == Some(2),
                "the controllers are not those of cgroup version 2 here (or not given to this user); cargo workshop vm has them",
            ),
            Self::Python => (
                python(),
                "the usual folders have no python3 of 3.8 or newer; apt-get install python3-minimal",
            ),
            Self::Mutants => {
                (is_required("mutants"), "slow: each mutant is a build; BOXROOM_REQUIRE=mutants runs it")
            }
        };
        (!there).then_some(why)
    }
}

/// Whether `BOXROOM_REQUIRE` (comma separated) names this.
#[must_use]
pub fn is_required(name: &str) -> bool {
    env::var("BOXROOM_REQUIRE").is_ok_and(|list| list.split(',').any(|word| word.trim() == name))
}

/// Why there is no user namespace: the locks that the doctor has a key to, else whatever it finds.
fn locked() -> &'static str {
    let reads = |name: &str, value: &str| {
        std::fs::read_to_string(format!("/proc/sys/{name}")).is_ok_and(|text| text.trim() == value)
    };
    if reads("kernel/unprivileged_userns_clone", "0") {
        "the switch unprivileged_userns_clone forbids user namespaces; cargo workshop doctor --fix"
    } else if reads("user/max_user_namespaces", "0") {
        "the limit max_user_namespaces is 0; cargo workshop doctor --fix"
    } else if reads("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor restricts user namespaces; cargo workshop doctor --fix"
    } else {
        "this user may have no user namespace; cargo workshop doctor says why"
    }
}

/// The version whose memory controller this user may make a group with. Looked at here on its own: the chapter's
/// word for it is what is being checked.
fn cgroup() -> Option<u8> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounted = |sign: &dyn Fn(&str) -> bool| {
        let line = mounts.lines().find(|line| line.split_once(" - ").is_some_and(|(_, kind)| sign(kind)))?;
        line.split(' ').nth(4).map(PathBuf::from)
    };
    let path =
        |sign: &str| own.lines().find_map(|line| Some(line.split_once(sign)?.1.trim_start_matches('/')));
    let may = |folder: &PathBuf| {
        let writable = |path: &PathBuf| access(path, AccessFlags::W_OK).is_ok();
        writable(folder) && writable(&folder.join("cgroup.procs"))
    };
    let v1 =
        mounted(&|kind| kind.starts_with("cgroup ") && kind.split([' ', ',']).any(|word| word == "memory"));
    if let Some(point) = v1 {
        return may(&point.join(path(":memory:")?)).then_some(1);
    }
    let point = mounted(&|kind| kind.starts_with("cgroup2 "))?;
    let home = if geteuid().is_root() { point } else { point.join(path("0::")?) };
    let has = fs::read_to_string(home.join("cgroup.controllers")).unwrap_or_default();
    (has.split_whitespace().any(|name| name == "memory") && may(&home)).then_some(2)
}

/// Asked of the kernel, in a process of its own.
fn user_namespace() -> bool {
    std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// With the PATH that a stage gets: one in somebody's home isn't found by it.
fn python() -> bool {
    std::process::Command::new("python3")
        .args(["-c", "import sys, ctypes; sys.exit(sys.version_info < (3, 8))"])
        .env_clear()
        .env("PATH", crate::stage::PATH)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
