//! One change of the machine: how it is made, how it is taken back, and how it stands with it now.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::order::{Order, order, put, remove};

/// Where the ranges of ids stand. subuid(5), subgid(5).
pub const RANGE_FILES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// The switches that `--fix` may set, as in `/proc/sys`.
pub const SETTINGS: [&str; 3] = [
    "kernel/unprivileged_userns_clone",
    "user/max_user_namespaces",
    "kernel/apparmor_restrict_unprivileged_userns",
];

/// What a file of ours is for; it decides where the file may stand and who has to be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// An AppArmor profile. apparmor.d(5).
    Profile,
    /// A switch that is set again at each boot. sysctl.d(5).
    Setting,
    /// Controllers that systemd hands to a user's own manager. systemd.resource-control(5).
    Delegate,
}

/// One change. It is recorded on disk in this form before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    /// A file that wasn't there.
    File {
        /// What it is for.
        purpose: Purpose,
        /// Where.
        path: PathBuf,
        /// Its whole text.
        text: String,
    },
    /// A line `who:first:count`.
    Range {
        /// One of [`RANGE_FILES`].
        file: PathBuf,
        /// The user.
        who: String,
        /// The first id, on the host.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A switch of the kernel, until the next boot.
    Setting {
        /// One of [`SETTINGS`].
        name: String,
        /// What it was.
        from: u64,
        /// What it becomes.
        to: u64,
    },
}

/// How the machine stands to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As before it.
    Before,
    /// As the change makes it.
    Made,
    /// Neither: somebody else was here.
    Other(String),
}

/// The programs that a change is made with, where they are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tools {
    /// usermod(8), and the user stands in /etc/passwd: it knows no others.
    pub usermod: bool,
    /// sysctl(8).
    pub sysctl: bool,
}

impl Change {
    /// The file that is read to see how it stands.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        match self {
            Self::File { path, .. } | Self::Range { file: path, .. } => path.clone(),
            Self::Setting { name, .. } => Path::new("/proc/sys").join(name),
        }
    }

    /// In a few words, for what is said about it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::File { path, .. } => format!("the file {}", path.display()),
            Self::Range { file, .. } => format!("the line {} in {}", self.line(), file.display()),
            Self::Setting { name, to, .. } => format!("{}={to}", name.replace('/', ".")),
        }
    }

    /// How it stands, by what is at its [`place`](Self::place) now (nothing: no such file).
    #[must_use]
    pub fn standing(&self, now: Option<&str>) -> Standing {
        let Some(now) = now else { return Standing::Before };
        match self {
            Self::File { text, .. } if now == text => Standing::Made,
            Self::File { .. } => Standing::Other("its text is not the one that was written".into()),
            Self::Range { who, first, .. } => {
                if now.lines().any(|line| line == self.line()) {
                    return Standing::Made;
                }
                let begin = format!("{who}:{first}:");
                match now.lines().find(|line| line.starts_with(&begin)) {
                    Some(line) => Standing::Other(format!("the line is {line} now")),
                    None => Standing::Before,
                }
            }
            Self::Setting { from, to, .. } => match now.trim().parse::<u64>() {
                Ok(value) if value == *to => Standing::Made,
                Ok(value) if value == *from => Standing::Before,
                _ => Standing::Other(format!("its value is {} now", now.trim())),
            },
        }
    }

    /// The commands that make it. `now` is what is at its place.
    #[must_use]
    pub fn make(&self, now: Option<&str>, tools: Tools) -> Vec<Order> {
        match self {
            Self::File { purpose, path, text } => {
                let mut orders = Vec::new();
                if *purpose == Purpose::Delegate {
                    orders.push(order(["mkdir", "-p", &parent(path)]));
                }
                orders.extend(put(path, text));
                orders.extend(purpose.load(path));
                orders
            }
            Self::Range { file, who, .. } if tools.usermod => {
                vec![order(["usermod", add(file), &self.span(), who])]
            }
            Self::Range { file, .. } => {
                let now = now.unwrap_or_default();
                let gap = if now.is_empty() || now.ends_with('\n') { "" } else { "\n" };
                put(file, &format!("{now}{gap}{}\n", self.line()))
            }
            Self::Setting { name, to, .. } => vec![set(name, *to, tools)],
        }
    }

    /// The commands that take it back, where it stands as it was made.
    #[must_use]
    pub fn take_back(&self, now: Option<&str>, tools: Tools) -> Vec<Order> {
        match self {
            Self::File { purpose, path, .. } => {
                let mut orders: Vec<Order> = purpose.unload(path).into_iter().collect();
                orders.push(remove(path));
                orders.extend(purpose.forget());
                orders
            }
            // Not by usermod --del-subuids: it refuses while the user has a process, and this is one.
            Self::Range { file, .. } => {
                let line = self.line();
                let rest = now.unwrap_or_default().split_inclusive('\n');
                let rest: String = rest.filter(|one| one.trim_end_matches('\n') != line).collect();
                put(file, &rest)
            }
            Self::Setting { name, from, .. } => vec![set(name, *from, tools)],
        }
    }

    /// Whether it is one that this doctor makes. A record comes from a file, so what it names is looked at
    /// before root touches it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let is_name = |who: &str| {
            let plain = |c: char| c.is_alphanumeric() || "._-@\\+$".contains(c);
            !who.is_empty() && !who.starts_with('-') && who.chars().all(plain)
        };
        match self {
            Self::File { purpose, path, .. } => {
                let (folder, begin) = purpose.home();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.parent() == Some(Path::new(folder)) && name.starts_with(begin)
            }
            Self::Range { file, who, count, .. } => {
                RANGE_FILES.iter().any(|one| Path::new(one) == file) && is_name(who) && *count > 0
            }
            Self::Setting { name, .. } => SETTINGS.contains(&name.as_str()),
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Range { who, first, count, .. } => format!("{who}:{first}:{count}"),
            _ => String::new(),
        }
    }

    /// `FIRST-LAST`, as usermod wants it.
    fn span(&self) -> String {
        match self {
            Self::Range { first, count, .. } => {
                format!("{first}-{}", u64::from(*first) + u64::from(*count) - 1)
            }
            _ => String::new(),
        }
    }
}

impl Purpose {
    /// The folder of such files, and how the names of ours begin.
    #[must_use]
    pub fn home(self) -> (&'static str, &'static str) {
        match self {
            Self::Profile => ("/etc/apparmor.d", "boxroom-"),
            Self::Setting => ("/etc/sysctl.d", "99-boxroom-"),
            Self::Delegate => ("/etc/systemd/system/user@.service.d", "boxroom"),
        }
    }

    fn load(self, path: &Path) -> Option<Order> {
        match self {
            Self::Profile => Some(order(["apparmor_parser", "--replace", &path.to_string_lossy()])),
            Self::Setting => None,
            Self::Delegate => Some(order(["systemctl", "daemon-reload"])),
        }
    }

    /// Before the file goes. It may be refused where a crash came between writing and loading.
    fn unload(self, path: &Path) -> Option<Order> {
        let parser = || order(["apparmor_parser", "--remove", &path.to_string_lossy()]).may_fail();
        (self == Self::Profile).then(parser)
    }

    /// After the file went.
    fn forget(self) -> Option<Order> {
        (self == Self::Delegate).then(|| order(["systemctl", "daemon-reload"]))
    }
}

fn set(name: &str, value: u64, tools: Tools) -> Order {
    if tools.sysctl {
        return order(["sysctl", "-w", &format!("{}={value}", name.replace('/', "."))]);
    }
    order(["tee", &format!("/proc/sys/{name}")]).with(format!("{value}\n"))
}

/// usermod's flag for a range of `file`.
fn add(file: &Path) -> &'static str {
    if file == Path::new(RANGE_FILES[0]) { "--add-subuids" } else { "--add-subgids" }
}

fn parent(path: &Path) -> String {
    path.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> Change {
        Change::Range { file: "/etc/subgid".into(), who: "ana".into(), first: 100_000, count: 65_536 }
    }

    const NONE: Tools = Tools { usermod: false, sysctl: false };

    #[test]
    fn a_line_is_added_and_taken_out_and_nothing_else_moves() {
        let before = "bob:300000:65536";
        let made = &range().make(Some(before), NONE)[0];
        let text = made.stdin.clone().unwrap();
        assert_eq!(text, "bob:300000:65536\nana:100000:65536\n");
        assert_eq!(range().standing(Some(&text)), Standing::Made);
        let later = format!("{text}eve:400000:65536\n");
        let back = &range().take_back(Some(&later), NONE)[0];
        assert_eq!(back.stdin.as_deref(), Some("bob:300000:65536\neve:400000:65536\n"));
    }

    #[test]
    fn usermod_is_asked_where_it_is_there() {
        let tools = Tools { usermod: true, sysctl: true };
        assert_eq!(range().make(None, tools)[0].shown(), "usermod --add-subgids 100000-165535 ana");
        let back = range().take_back(Some("ana:100000:65536\n"), tools);
        assert!(back.iter().all(|order| order.words[0] != "usermod"), "it refuses while ana is logged in");
    }

    #[test]
    fn what_somebody_else_changed_is_told_from_what_was_not_made() {
        assert_eq!(range().standing(Some("")), Standing::Before);
        assert!(matches!(range().standing(Some("ana:100000:9\n")), Standing::Other(_)));
        let set = Change::Setting { name: SETTINGS[1].into(), from: 0, to: 15_000 };
        assert_eq!(set.standing(Some("15000\n")), Standing::Made);
        assert_eq!(set.standing(Some("0\n")), Standing::Before);
        assert!(matches!(set.standing(Some("7\n")), Standing::Other(_)));
    }

    #[test]
    fn a_record_that_names_something_else_is_not_ours() {
        let file =
            |path: &str| Change::File { purpose: Purpose::Profile, path: path.into(), text: String::new() };
        assert!(file("/etc/apparmor.d/boxroom-1").is_ours());
        assert!(!file("/etc/apparmor.d/usr.bin.man").is_ours());
        assert!(!file("/etc/apparmor.d/boxroom-x/../../passwd").is_ours());
        assert!(!file("/etc/passwd").is_ours());
        assert!(!Change::Setting { name: "kernel/core_pattern".into(), from: 0, to: 1 }.is_ours());
        let with =
            |who: &str| Change::Range { file: "/etc/subuid".into(), who: who.into(), first: 1, count: 1 };
        assert!(with("ana").is_ours() && !with("--root=/x").is_ours() && !with("a:0:1\nb").is_ours());
    }
}
