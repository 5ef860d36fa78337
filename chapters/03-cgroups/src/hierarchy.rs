//! What is mounted: cgroup version 2, version 1 (a hierarchy for each controller), or both (hybrid), and which
//! group of each this process is in. cgroups(7), proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};

use ch00_process::kernel_file;

/// The two designs of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One tree for every controller.
    V2,
    /// A tree for each controller.
    V1,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its design.
    pub version: Version,
    /// Version 1: its controllers, or `name=systemd`. Version 2: those that its top has.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The folder of the group that this process is in.
    pub own: PathBuf,
}

/// All that are mounted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchies(pub Vec<Hierarchy>);

impl Hierarchies {
    /// What this process sees.
    #[must_use]
    pub fn read() -> Self {
        let text = |path: &str| kernel_file::text(Path::new(path)).unwrap_or_default();
        let mut found = Self::parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"));
        for hierarchy in found.0.iter_mut().filter(|one| one.version == Version::V2) {
            hierarchy.controllers = controllers(&hierarchy.point);
        }
        found
    }

    /// From the text of `/proc/self/mountinfo` and `/proc/self/cgroup`.
    #[must_use]
    pub fn parse(mountinfo: &str, own: &str) -> Self {
        let mut found: Vec<Hierarchy> = Vec::new();
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            // The same tree may be mounted twice; the first is as good as the second.
            let known =
                |one: &Hierarchy| one.version == mount.version && one.controllers == mount.controllers;
            if found.iter().any(known) {
                continue;
            }
            let own = mount.folder(own);
            let Mount { version, controllers, point, .. } = mount;
            found.push(Hierarchy { version, controllers, point, own });
        }
        Self(found)
    }

    /// The one of version 2.
    #[must_use]
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.0.iter().find(|one| one.version == Version::V2)
    }

    /// The one of version 1 that has this controller.
    #[must_use]
    pub fn v1(&self, controller: &str) -> Option<&Hierarchy> {
        self.0
            .iter()
            .find(|one| one.version == Version::V1 && one.controllers.iter().any(|has| has == controller))
    }

    /// Which version limits here. A controller is in one version at a time; on a hybrid machine those that
    /// matter are usually in version 1, and version 2 is mounted beside it without them.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let limits = |name: &&str| ["memory", "cpu", "pids"].contains(name);
        match self.v2() {
            Some(v2) if v2.controllers.iter().map(String::as_str).any(|name| limits(&name)) => {
                Some(Version::V2)
            }
            _ if self.0.iter().any(|one| one.version == Version::V1) => Some(Version::V1),
            other => other.map(|v2| v2.version),
        }
    }
}

/// What `cgroup.controllers` (version 2) names in this group.
#[must_use]
pub fn controllers(group: &Path) -> Vec<String> {
    let text = kernel_file::text(&group.join("cgroup.controllers")).unwrap_or_default();
    text.split_ascii_whitespace().map(String::from).collect()
}

/// Whether it is the machine's topmost group. That one lacks the files that are about a group among others. In a
/// container what is mounted is a group like any other, and has them.
#[must_use]
pub fn is_real_top(point: &Path) -> bool {
    !point.join("cgroup.events").exists()
}

/// A line of mountinfo that is a cgroup's.
struct Mount {
    version: Version,
    controllers: Vec<String>,
    point: PathBuf,
    /// The group that is at `point`; `/` but for a part that was bound there.
    root: PathBuf,
}

impl Mount {
    /// `31 23 0:28 ROOT POINT rw,relatime [optional...] - cgroup2 SOURCE rw,nsdelegate`
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut words = before.split(' ').skip(3);
        let (root, point) = (unescaped(words.next()?), unescaped(words.next()?));
        let mut words = after.split(' ');
        let (kind, options) = (words.next()?, words.nth(1).unwrap_or_default());
        let (version, controllers) = match kind {
            "cgroup2" => (Version::V2, Vec::new()),
            "cgroup" => (
                Version::V1,
                options.split(',').filter(|word| is_controller(word)).map(String::from).collect(),
            ),
            _ => return None,
        };
        Some(Self { version, controllers, point, root })
    }

    /// The folder of the process whose `/proc/PID/cgroup` this is: lines `4:memory:/path`, and `0::/path` for
    /// version 2.
    fn folder(&self, own: &str) -> PathBuf {
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            let mine = match self.version {
                Version::V2 => names.is_empty(),
                Version::V1 => names.split(',').any(|name| self.controllers.iter().any(|has| has == name)),
            };
            mine.then_some(path)
        });
        // Above what is mounted here (in a container that has no cgroup namespace) there is nothing to be seen.
        let below = path.and_then(|path| Path::new(path).strip_prefix(&self.root).ok());
        match below {
            Some(below) if !below.starts_with("..") => self.point.join(below),
            _ => self.point.clone(),
        }
    }
}

/// Among a mount's options: what is not one of the file system's own words.
fn is_controller(word: &str) -> bool {
    let own = ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"];
    !own.contains(&word) && !word.starts_with("release_agent=") && !word.is_empty()
}

/// A space in a path is `\040` there.
fn unescaped(text: &str) -> PathBuf {
    let mut out = Vec::new();
    let mut bytes = text.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let octal = (byte == b'\\').then(|| bytes.as_slice().get(..3)).flatten();
        match octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()) {
            Some(meant) => {
                out.push(meant);
                bytes.nth(2);
            }
            None => out.push(byte),
        }
    }
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/bin/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw
42 31 0:32 / /mnt/again rw,relatime - cgroup cgroup rw,memory
43 31 0:50 / /tmp rw - tmpfs tmpfs rw
";

    #[test]
    fn ch03_hierarchies_are_found() {
        let own = "9:name=systemd:/\n4:memory:/box/1\n1:cpu,cpuacct:/c\n0::/user.slice/me\n";
        let found = Hierarchies::parse(HYBRID, own);
        assert_eq!(found.0.len(), 4);
        assert_eq!(found.v1("memory").unwrap().own, Path::new("/sys/fs/cgroup/memory/box/1"));
        assert_eq!(found.v1("cpuacct").unwrap().own, Path::new("/sys/fs/cgroup/cpu,cpuacct/c"));
        assert_eq!(found.v1("name=systemd").unwrap().own, Path::new("/sys/fs/cgroup/systemd"));
        assert_eq!(found.v2().unwrap().own, Path::new("/sys/fs/cgroup/uni fied/user.slice/me"));
        assert!(found.v1("pids").is_none());
    }

    #[test]
    fn ch03_a_part_that_is_bound_is_where_it_is() {
        let bound = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let own = |path: &str| Hierarchies::parse(bound, &format!("4:memory:{path}\n")).0[0].own.clone();
        assert_eq!(own("/docker/abc/inner"), Path::new("/sys/fs/cgroup/memory/inner"));
        assert_eq!(own("/docker/abc"), Path::new("/sys/fs/cgroup/memory/"));
        assert_eq!(own("/../elsewhere"), Path::new("/sys/fs/cgroup/memory"));
    }
}
