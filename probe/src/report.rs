//! What can be seen from here, in the same words on every machine: compared with facts, never guessed.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;

use nix::unistd::{getgroups, gethostname};
use serde::{Deserialize, Serialize};

use crate::attempts::{belongings, network};

/// What the host is, so that the inside can compare. `probe facts` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its hostname.
    pub hostname: String,
    /// The identity of each of its namespaces, `uts` to `uts:[4026531838]`.
    pub namespaces: BTreeMap<String, String>,
    /// The device and inode of its root directory.
    pub root: String,
    /// The names of its network interfaces.
    pub interfaces: Vec<String>,
    /// The names (not the values) in the environment.
    pub environment: Vec<String>,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// One thing seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What was looked at.
    pub what: String,
    /// What was seen, in words that no machine changes.
    pub seen: String,
}

/// All that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report(pub Vec<Seen>);

/// The namespaces that a process has, in the order of the report.
const NAMESPACES: [&str; 8] = ["mnt", "pid", "uts", "ipc", "net", "user", "cgroup", "time"];

impl Host {
    /// The host, as this process sees it.
    #[must_use]
    pub fn here() -> Self {
        Self {
            hostname: gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            namespaces: NAMESPACES
                .iter()
                .filter_map(|name| {
                    let link = fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
                    Some(((*name).into(), link.to_string_lossy().into_owned()))
                })
                .collect(),
            root: root(),
            interfaces: network::interfaces().unwrap_or_default(),
            environment: env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect(),
            groups: getgroups().unwrap_or_default().iter().map(|group| group.as_raw()).collect(),
        }
    }
}

impl Report {
    /// Looks around, and compares with `host` where there is one.
    #[must_use]
    pub fn new(host: Option<&Host>) -> Self {
        let here = Host::here();
        let mut report = Self::default();
        let mut see = |what: &str, seen: String| report.0.push(Seen { what: what.into(), seen });
        let whose = |mine: &dyn Fn(&Host) -> String| match host {
            None => "whose it is can't be told: no facts were handed in".to_string(),
            Some(host) if mine(host) == mine(&here) => "the host's".into(),
            Some(_) => "its own".into(),
        };
        see("hostname", whose(&|host| host.hostname.clone()));
        see("root directory", whose(&|host| host.root.clone()));
        for name in NAMESPACES {
            let seen = match here.namespaces.get(name) {
                None => "can't be seen: no /proc".into(),
                Some(_) => whose(&|host| host.namespaces.get(name).cloned().unwrap_or_default()),
            };
            see(&format!("{name} namespace"), seen);
        }
        see("its number", if std::process::id() == 1 { "1".into() } else { "not 1".into() });
        see("processes", processes());
        let net = |host: &Host| host.namespaces.get("net").cloned();
        see(
            "interfaces",
            match (here.interfaces.as_slice(), host) {
                // A machine may have lo alone too: the namespace decides, where there is a /proc to see it.
                ([lo], Some(host)) if lo == "lo" && net(host) != net(&here) && net(&here).is_some() => {
                    "lo alone".into()
                }
                _ => whose(&|host| host.interfaces.join(" ")),
            },
        );
        see("root inside is, outside", root_outside());
        see("environment", environment(&here));
        see(
            "supplementary groups",
            match (here.groups.as_slice(), host) {
                ([], _) => "none".into(),
                // Numbers can't be compared across user namespaces; there, what is left came from outside.
                (_, Some(host)) if host.namespaces.get("user") != here.namespaces.get("user") => {
                    "the host's, under other numbers".into()
                }
                (_, Some(host)) if host.groups.iter().any(|group| here.groups.contains(group)) => {
                    "the host's".into()
                }
                (_, Some(_)) => "its own".into(),
                (_, None) => "some".into(),
            },
        );
        see(
            "descriptors left open",
            match belongings::inherited().len() {
                0 => "none".into(),
                _ => "some".into(),
            },
        );
        see("/sys", mounted_how("/sys"));
        see(
            "/proc/sys",
            if fs::metadata("/proc/sys").is_ok() { mounted_how("/proc") } else { "not there".into() },
        );
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Seen { what, seen } in &self.0 {
            writeln!(out, "{what:<24} {seen}")?;
        }
        Ok(())
    }
}

fn root() -> String {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/").map(|root| format!("{}:{}", root.dev(), root.ino())).unwrap_or_default()
}

fn processes() -> String {
    let Ok(entries) = fs::read_dir("/proc") else { return "can't be seen: no /proc".into() };
    let count = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .count();
    match count {
        0 => "can't be seen: no /proc".into(),
        1..=4 => "a handful".into(),
        _ => "many".into(),
    }
}

/// Of `/proc/self/uid_map`, `inside outside count`: who uid 0 is outside. user_namespaces(7).
fn root_outside() -> String {
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return "can't be seen: no /proc".into() };
    let zero = map.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("0")).then(|| words.next().unwrap_or("").to_string())
    });
    match zero.as_deref() {
        Some("0") => "root".into(),
        Some(_) => "an ordinary user".into(),
        None => "nobody".into(),
    }
}

/// The four names that a container gets are named, others are counted as what they are: too many.
fn environment(here: &Host) -> String {
    const OWN: [&str; 4] = ["HOME", "HOSTNAME", "PATH", "TERM"];
    let mut names: Vec<&str> = here.environment.iter().map(String::as_str).collect();
    names.sort_unstable();
    if names.iter().all(|name| OWN.contains(name)) { names.join(" ") } else { "the starter's".into() }
}

fn mounted_how(path: &str) -> String {
    use nix::sys::statvfs::{FsFlags, statvfs};
    if path == "/sys" && !fs::exists("/sys/kernel").unwrap_or(false) {
        return "not there".into();
    }
    match statvfs(path) {
        Ok(seen) if seen.flags().contains(FsFlags::ST_RDONLY) => "read-only".into(),
        Ok(_) => "writable".into(),
        Err(_) => "not there".into(),
    }
}
