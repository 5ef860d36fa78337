//! Users: may an ordinary one make a user namespace, and does it have more than its one id there?

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::attempt::{Refusal, attempt, map_by};
use super::facts::Facts;
use super::{FIX, Finding};

/// What the kernel and the distribution allow, tried as an ordinary user (root tries it as nobody).
#[must_use]
pub fn user_namespaces(facts: &Facts) -> Vec<Finding> {
    let name = "user namespace";
    let root = geteuid().is_root();
    let whose = if root { "an ordinary user (nobody)" } else { facts.who.as_str() };
    match attempt("user", true) {
        Ok(()) => vec![Finding::fine(name, format!("{whose} may make one and is root in it (tried)"))],
        Err(refusal) => {
            let (why, cure) = refused(&refusal, &sysctl);
            let seen = format!("{whose} gets none: {refusal}; {why}");
            // Root doesn't need one: only the rootless half of the chapter is missing then.
            vec![if root {
                Finding::partly(name, seen, cure)
            } else {
                Finding::missing(name, seen, format!("{cure}; or run as root (--root)"))
            }]
        }
    }
}

/// Which of the known locks it is. `sysctl` reads one: /proc/sys/...
fn refused(refusal: &Refusal, sysctl: &dyn Fn(&str) -> Option<u64>) -> (String, String) {
    let set = |name: &str, value: u64| {
        format!(
            "{FIX}; or by hand: sudo sysctl -w {}={value} (until the next boot; for good: the same line in /etc/sysctl.d/)",
            name.replace('/', ".")
        )
    };
    let unprivileged = "kernel/unprivileged_userns_clone";
    if sysctl(unprivileged) == Some(0) {
        return ("Debian's switch is off".into(), set(unprivileged, 1));
    }
    let most = "user/max_user_namespaces";
    if sysctl(most) == Some(0) || refusal.errno == Errno::ENOSPC {
        let seen = sysctl(most).map_or_else(String::new, |n| format!(" ({n})"));
        return (format!("the limit of user namespaces{seen} is reached"), set(most, 15_000));
    }
    let apparmor = "kernel/apparmor_restrict_unprivileged_userns";
    if sysctl(apparmor).is_some_and(|value| value != 0) {
        return ("Ubuntu's AppArmor gives one without any right in it".into(), set(apparmor, 0));
    }
    let cause = match refusal.errno {
        Errno::ENOSYS | Errno::EINVAL => "this kernel was built without them (CONFIG_USER_NS)",
        _ => "probably a seccomp filter of a container around us, or SELinux",
    };
    (
        cause.into(),
        "run on the machine itself, or start that container with --security-opt seccomp=unconfined".into(),
    )
}

/// A number in `/proc/sys`; nothing where this kernel has no such switch.
#[must_use]
pub fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
}

/// A range of ids beside one's own: /etc/subuid, /etc/subgid and the helpers that may write the map.
#[must_use]
pub fn ranges(facts: &Facts) -> Vec<Finding> {
    let name = "id range";
    if geteuid().is_root() {
        return vec![Finding::note(
            name,
            "root needs none; as an ordinary user the doctor looks into /etc/subuid",
        )];
    }
    let uid = geteuid().as_raw();
    let files = [("/etc/subuid", "newuidmap"), ("/etc/subgid", "newgidmap")]
        .map(|(file, helper)| (file, helper, fs::read_to_string(file).unwrap_or_default()));
    let ours = |text: &str| range(text, &facts.who, uid);
    let lack: Vec<_> =
        files.iter().filter(|(_, _, text)| ours(text).is_none()).map(|(file, ..)| *file).collect();
    if !lack.is_empty() {
        return vec![Finding::partly(
            name,
            format!(
                "no range in {}: containers get your one id, and no other user inside",
                lack.join(" and ")
            ),
            FIX,
        )];
    }
    let mut found = Vec::new();
    for (file, helper, text) in files {
        let Some(range) = ours(&text) else { continue };
        found.push(match in_path(helper) {
            Some(path) => mapped(facts, file, &path, range, helper == "newuidmap"),
            None => Finding::partly(
                name,
                format!(
                    "{file} gives {} ids from {}, but {helper} isn't there to map them",
                    range.1, range.0
                ),
                facts.install("uidmap", "shadow-utils", "shadow"),
            ),
        });
    }
    found
}

fn mapped(facts: &Facts, file: &str, helper: &Path, (first, count): (u32, u32), users: bool) -> Finding {
    let name = "id range";
    let me = if users { geteuid().as_raw() } else { nix::unistd::getegid().as_raw() };
    let shown = helper.display();
    match map_by(&shown.to_string(), me, first, count) {
        Ok(()) => {
            let less = if count < 65_536 { " (most images want 65536)" } else { "" };
            Finding::fine(
                name,
                format!("{file} gives {count} ids from {first}{less}; {shown} maps them (tried)"),
            )
        }
        Err(said) => {
            let suid = fs::metadata(helper).is_ok_and(|seen| seen.permissions().mode() & 0o4000 != 0);
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let (why, cure) = if status.contains("NoNewPrivs:\t1") {
                (
                    ", because nothing here may gain rights (no_new_privs, a container around us?)",
                    "run outside of it".into(),
                )
            } else if suid {
                (
                    "",
                    format!(
                        "findmnt -T {shown}: a mount with nosuid? getsubids {} shows the ranges that it sees",
                        facts.who
                    ),
                )
            } else {
                (
                    ", and it has no setuid bit (file capabilities may stand for it: getcap)",
                    format!("sudo chmod u+s {shown}"),
                )
            };
            Finding::partly(name, format!("{shown} did not map the range of {file}{why}: {said}"), cure)
        }
    }
}

/// `name:first:count`, by name or by number (subuid(5)); the longest of several.
fn range(text: &str, name: &str, uid: u32) -> Option<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            let mine = who == name || who.parse() == Ok(uid);
            mine.then_some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .max_by_key(|(_, count)| *count)
}

/// The first executable file with this name in PATH (and in the folders of root's tools).
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| {
            fs::metadata(file).is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_and_by_number() {
        let text = "root:100000:65536\nana:165536:1000\n1000:300000:65536\nbroken\n";
        assert_eq!(range(text, "ana", 1000), Some((300_000, 65_536)));
        assert_eq!(range(text, "ana", 7), Some((165_536, 1000)));
        assert_eq!(range(text, "bob", 7), None);
    }

    #[test]
    fn each_lock_has_its_own_key() {
        let refusal = Refusal { call: "unshare".into(), errno: Errno::EPERM };
        let with =
            |name: &'static str, value| refused(&refusal, &move |asked| (asked == name).then_some(value)).1;
        assert!(with("kernel/unprivileged_userns_clone", 0).contains("kernel.unprivileged_userns_clone=1"));
        assert!(with("user/max_user_namespaces", 0).contains("user.max_user_namespaces=15000"));
        assert!(with("kernel/apparmor_restrict_unprivileged_userns", 1).contains("userns=0"));
        assert!(with("kernel/unprivileged_userns_clone", 1).contains("seccomp"));
    }
}
