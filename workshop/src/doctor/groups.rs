//! Control groups: which version, which controllers, and whether this user may make one.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use super::Finding;
use super::facts::Facts;

const NAME: &str = "cgroups";

/// The version and what we may do in it.
#[must_use]
pub fn all(facts: &Facts) -> Vec<Finding> {
    let v2 = facts.mounts.iter().find(|mount| mount.kind == "cgroup2");
    let v1 = facts.mounts.iter().any(|mount| mount.kind == "cgroup");
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match v2 {
        None if !v1 => vec![Finding::missing(
            NAME,
            "none is mounted",
            "sudo mount -t cgroup2 none /sys/fs/cgroup (a container around us: start it with a writable one)",
        )],
        None => vec![Finding::partly(
            NAME,
            "version 1 only",
            "the chapter works with it; version 2: boot with systemd.unified_cgroup_hierarchy=1",
        )],
        Some(mount) if v1 => {
            let left = controllers(&mount.point);
            let v2 = if left.is_empty() { "none".into() } else { left.join(", ") };
            vec![
                Finding::note(
                    NAME,
                    format!(
                        "hybrid: controllers are on version 1; on version 2 ({}): {v2}",
                        mount.point.display()
                    ),
                ),
                writable(&version_1(facts, &own)),
            ]
        }
        Some(mount) => {
            let home = version_2(&mount.point, &own);
            let have = controllers(&home);
            let lack = undelegated(&home);
            let mut found = vec![if lack.is_empty() {
                Finding::fine(NAME, format!("version 2 with {}", have.join(", ")))
            } else {
                Finding::partly(
                    NAME,
                    format!("version 2; not delegated to {}: {}", home.display(), lack.join(", ")),
                    "cargo workshop doctor --fix where the chapter is here; or by hand: sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf, then log in anew",
                )
            }];
            found.push(writable(&home));
            found
        }
    }
}

/// Whether this user may make a group where it is, and which controllers of version 2 it is not given.
#[must_use]
pub fn handed_over(facts: &Facts) -> (bool, Vec<&'static str>) {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let v2 = facts.mounts.iter().find(|mount| mount.kind == "cgroup2");
    let v1 = facts.mounts.iter().any(|mount| mount.kind == "cgroup");
    match v2 {
        Some(mount) if !v1 => {
            let home = version_2(&mount.point, &own);
            (access(&home, AccessFlags::W_OK).is_ok(), undelegated(&home))
        }
        _ => (access(&version_1(facts, &own), AccessFlags::W_OK).is_ok(), Vec::new()),
    }
}

/// What limits need, and `group` hasn't got.
fn undelegated(group: &Path) -> Vec<&'static str> {
    let have = controllers(group);
    ["memory", "cpu", "pids", "io"].into_iter().filter(|name| !have.iter().any(|one| one == name)).collect()
}

fn controllers(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(String::from).collect()
}

/// Our own group of version 2: line `0::/path`.
fn version_2(mount: &Path, own: &str) -> PathBuf {
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    mount.join(path.trim_start_matches('/'))
}

/// The folder of the memory controller of version 1, else the first there is.
fn version_1(facts: &Facts, own: &str) -> PathBuf {
    let mounts = || facts.mounts.iter().filter(|mount| mount.kind == "cgroup");
    let mount = mounts().find(|mount| mount.has("memory")).or_else(|| mounts().next());
    let path = own.lines().find_map(|line| line.split_once(":memory:")).map_or("/", |(_, path)| path);
    mount.map_or_else(
        || "/sys/fs/cgroup".into(),
        |mount| {
            let home = mount.point.join(path.trim_start_matches('/'));
            // In a container the path may be one that only the machine sees.
            if home.is_dir() { home } else { mount.point.clone() }
        },
    )
}

fn writable(home: &Path) -> Finding {
    let name = "a cgroup of ours";
    if access(home, AccessFlags::W_OK).is_ok() {
        return Finding::fine(name, format!("may be made below {}", home.display()));
    }
    if geteuid().is_root() {
        return Finding::missing(
            name,
            format!("{} is read-only here, even for root: a container around us", home.display()),
            "on the machine itself, or start that container with --privileged --cgroupns=private",
        );
    }
    Finding::partly(
        name,
        format!("{} belongs to somebody else: no limits for an ordinary user here", home.display()),
        "systemd-run --user --scope -p Delegate=yes $SHELL gives a shell in one (with systemd); or run as root",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_in_both_versions() {
        let own = "4:memory:/box/1\n1:cpu:/\n0::/user.slice/me\n";
        assert_eq!(version_2(Path::new("/sys/fs/cgroup"), own), Path::new("/sys/fs/cgroup/user.slice/me"));
        assert_eq!(version_2(Path::new("/cg"), "0::/"), Path::new("/cg/"));
    }
}
