//! A launch as a plain shell script: the calls that were told, said again in the words of programs that every Linux has.
//!
//! The kernel's newer calls make mounts that are attached nowhere; mount(8) attaches each at once. So the script mounts all
//! below a folder, in the order of the launch, and moves that over `/` at its end, as an initramfs does (switch_root(8)). What
//! no program can do is named in it, and left out.

use std::collections::BTreeMap;

use crate::exec::Command;
use crate::explain::{Moment, Told};
use words::{arguments, quoted, text};

mod words;

/// What a descriptor of the launch is.
#[derive(Debug, Clone)]
enum File {
    /// A path; from `Enter` on as seen from inside.
    Path(String),
    /// A file system that is being made: its kind, its options.
    Context(String, Vec<String>),
    /// A mount that is attached nowhere.
    Mount(Mount),
}

#[derive(Debug, Clone, Default)]
struct Mount {
    /// The words between `mount` and the place.
    words: String,
    /// What is made in it, once it is attached: `{}` stands for its place.
    then: Vec<String>,
}

/// The script, so far.
#[derive(Debug, Default)]
pub struct Script {
    command: Option<Command>,
    files: BTreeMap<i64, File>,
    /// On the host, before.
    prepare: Vec<String>,
    /// On the host, as the process that will be the container.
    join: Vec<String>,
    /// On the host, afterwards, the last first.
    cleanup: Vec<String>,
    /// unshare(1)'s.
    flags: Vec<String>,
    inside: Vec<String>,
    /// What `unshare --root` is told at the end.
    identity: Vec<String>,
    root: Option<String>,
    stands: Option<String>,
    cwd: String,
    has_own: bool,
    silent: bool,
}

impl Script {
    /// What will be run.
    pub fn command(&mut self, command: &Command) {
        self.command = Some(command.clone());
    }

    /// A call that was made. What failed was only tried.
    pub fn told(&mut self, told: &Told) {
        if told.result.starts_with("-1") {
            return;
        }
        if let Some(words) = words::lent(&told.call) {
            return self.flags.extend(words);
        }
        let (name, arguments) = arguments(&told.call);
        let number = told.result.parse::<i64>().unwrap_or(-1);
        if !self.files(name, &arguments, number) && !self.does(name, &arguments, told.place.moment) {
            self.inside.push(format!("# left out, no plain program does it ({}): {}", told.why, told.call));
        }
    }

    /// Calls that give a descriptor, or prepare what it means.
    fn files(&mut self, name: &str, a: &[String], number: i64) -> bool {
        let first = a.first().map(String::as_str).unwrap_or_default();
        match (name, a) {
            ("openat", [dir, path, how, ..]) if how.contains("O_CREAT") => {
                let line = format!(": > {{}}/{}", text(path));
                self.in_dir(dir, line);
            }
            ("openat", [_, path, ..]) => drop(self.files.insert(number, File::Path(text(path)))),
            ("openat2", [dir, path, ..]) => {
                let above = match self.file(dir) {
                    Some(File::Path(above)) => above.trim_end_matches('/').to_string(),
                    _ => String::new(),
                };
                self.files.insert(number, File::Path(format!("{above}/{}", text(path))));
            }
            ("fsopen", _) => drop(self.files.insert(number, File::Context(text(first), Vec::new()))),
            ("fsconfig", [_, what, rest @ ..]) => {
                let (key, value) = (rest.first().map(|key| text(key)), rest.get(1).map(|value| text(value)));
                let option = match (what.as_str(), key, value) {
                    ("FSCONFIG_SET_STRING", Some(key), Some(value)) => Some(self.option(&key, &value)),
                    ("FSCONFIG_SET_FLAG", Some(key), _) => Some(key),
                    _ => None,
                };
                if let (Some(File::Context(_, options)), Some(option)) = (self.file_mut(first), option) {
                    options.push(option);
                }
            }
            ("fsmount", [_, _, attributes]) => {
                let Some(File::Context(kind, options)) = self.file(first).cloned() else { return false };
                let words = words::of_mount(&kind, options, attributes);
                self.files.insert(number, File::Mount(Mount { words, then: Vec::new() }));
            }
            ("open_tree", [_, path, how]) => {
                let how = if how.contains("AT_RECURSIVE") { "--rbind" } else { "--bind" };
                let words = format!("{how} {}", quoted(&text(path)));
                self.files.insert(number, File::Mount(Mount { words, then: Vec::new() }));
            }
            ("mount_setattr", [_, _, _, what, ..]) if what.contains("attr_set=MOUNT_ATTR_RDONLY") => {
                if let Some(File::Mount(mount)) = self.file_mut(first) {
                    mount.then.push("mount -n -o remount,bind,ro {}".into());
                }
            }
            _ => return false,
        }
        true
    }

    /// Calls that do something.
    fn does(&mut self, name: &str, a: &[String], moment: Moment) -> bool {
        let first = a.first().map(|word| text(word)).unwrap_or_default();
        match (name, a) {
            // The script notes nothing on disk: it cleans up itself. And what the shell and unshare do anyway.
            ("rename" | "unlink" | "unlinkat" | "rmdir" | "read" | "waitid" | "execve" | "sigaction", _)
            | ("fchdir" | "pivot_root" | "umount2" | "setns" | "fstat" | "fstatfs", _)
            | ("flock" | "prctl" | "readlink", _) => {}
            ("mkdir", _) if moment == Moment::Prepare => {
                self.prepare.push(format!("mkdir {}", quoted(&first)));
                self.cleanup.push(format!("rmdir {}", quoted(&first)));
            }
            ("write", [_, what]) => return self.writes(&first, &text(what)),
            ("clone3", [what, ..]) if moment == Moment::Clone => {
                self.unshares(what);
                if what.contains("CLONE_INTO_CGROUP")
                    && let Some(File::Path(path)) = self
                        .files
                        .values()
                        .rev()
                        .find(|file| matches!(file, File::Path(path) if path.contains("cgroup") && !path.ends_with("/tasks")))
                {
                    self.join.push(format!("echo $$ > {}", quoted(&format!("{path}/cgroup.procs"))));
                }
            }
            ("unshare", _) => self.unshares(&a[0]),
            ("mount", [_, place, _, how, ..]) => {
                let how = if how.contains("MS_PRIVATE") { "--make-rprivate" } else { "--make-rslave" };
                self.inside.push(format!("mount -n {how} {}", text(place)));
            }
            ("mkdirat", [dir, path, mode]) => {
                self.in_dir(dir, format!("mkdir -m {mode} {{}}/{}", text(path)))
            }
            ("symlinkat", [target, dir, path]) => {
                self.in_dir(dir, format!("ln -s {} {{}}/{}", quoted(&text(target)), text(path)));
            }
            ("mknodat", [dir, path, _, device]) => {
                let device = device.trim_start_matches("makedev(").trim_end_matches(')').replace(", ", " ");
                self.in_dir(dir, format!("mknod -m 666 {{}}/{} c {device}", text(path)));
            }
            ("move_mount", [from, _, to, place, ..]) => return self.attaches(from, to, &text(place)),
            ("chroot", _) => self.root = Some(first),
            ("chdir", _) if moment == Moment::Open => self.cwd = first,
            ("chdir", _) if moment == Moment::Enter => self.stands = Some(first),
            ("chdir" | "getcwd" | "umask", _) => {}
            ("sethostname", _) => self.inside.push(format!("hostname {}", quoted(&first))),
            ("sendto", _) => self.inside.push("ip link set lo up".into()),
            ("setgroups", _) if moment == Moment::Seal => self.identity.push("groups".into()),
            ("setresgid", [gid, ..]) if moment == Moment::Seal => {
                self.identity.push(format!("--setgid={gid}"))
            }
            ("setresuid", [uid, ..]) if moment == Moment::Seal => {
                self.identity.push(format!("--setuid={uid}"))
            }
            ("dup2", [_, to]) if to == "0" => self.silent = true,
            _ => return false,
        }
        true
    }

    fn writes(&mut self, path: &str, what: &str) -> bool {
        let named = |name: &str| path.starts_with("/proc/") && path.ends_with(name);
        if path.ends_with("/tasks") {
            self.join.push(format!("echo $$ > {}", quoted(path)));
        } else if named("/setgroups") || named("/gid_map") {
            // --map-root-user does both.
        } else if named("/uid_map") {
            if !what.ends_with(" 1") {
                return false;
            }
            self.flags.push("--map-root-user".into());
        } else if named("/timens_offsets") {
            let seconds = what.split_whitespace().nth(1).unwrap_or_default();
            self.flags.push(format!("--monotonic={seconds} --boottime={seconds}"));
        } else {
            self.prepare.push(format!("printf %s {} > {}", quoted(what), quoted(path)));
        }
        true
    }

    fn unshares(&mut self, flags: &str) {
        for (flag, word) in words::NAMESPACES {
            if flags.contains(flag) {
                self.flags.push(word.into());
            }
        }
    }

    /// A mount gets its place: the root is the folder below which everything is mounted.
    fn attaches(&mut self, from: &str, to: &str, place: &str) -> bool {
        let Some(File::Mount(mount)) = self.file(from).cloned() else { return false };
        let place = match (self.file(to), place) {
            (Some(File::Path(path)), _) => format!("\"$NEW\"{}", if path == "/" { "" } else { path }),
            (None, "/") => "\"$NEW\"".into(),
            _ => return false,
        };
        self.inside.push(format!("mount -n {} {place}", mount.words));
        self.inside.extend(mount.then.iter().map(|line| line.replace("{}", &place)));
        true
    }

    /// Made at once where the folder has a place, else as soon as it has one.
    fn in_dir(&mut self, dir: &str, line: String) {
        match self.file_mut(dir) {
            Some(File::Mount(mount)) => mount.then.push(line),
            Some(File::Path(path)) => {
                let place = format!("\"$NEW\"{}", path.trim_end_matches('/'));
                self.inside.push(line.replace("{}", &place));
            }
            _ => {}
        }
    }

    /// An option of a file system. The layers of an overlay have short names there; the container's own folder is the
    /// container's: the script has one of its own.
    fn option(&mut self, key: &str, value: &str) -> String {
        match key {
            "lowerdir+" => format!("lowerdir+={}/{value}", self.cwd),
            "upperdir" | "workdir" => {
                self.has_own = true;
                format!("{key}=$OWN/{value}")
            }
            _ => format!("{key}={value}"),
        }
    }

    fn file(&self, number: &str) -> Option<&File> {
        self.files.get(&number.parse().ok()?)
    }

    fn file_mut(&mut self, number: &str) -> Option<&mut File> {
        self.files.get_mut(&number.parse().ok()?)
    }

    /// The whole script.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut out = String::from(HEAD);
        let mut cleanup = self.cleanup.clone();
        for line in &self.prepare {
            out.push_str(&format!("{line}\n"));
        }
        if self.root.is_none() && self.has_mounts() {
            out.push_str("NEW=$(mktemp -d)\nexport NEW\n");
            cleanup.push("rmdir \"$NEW\"".into());
        }
        if self.has_own {
            out.push_str("OWN=$(mktemp -d /var/tmp/launch.XXXXXX)\nexport OWN\nmkdir -m 755 \"$OWN/upper\" \"$OWN/work\"\n");
            // overlayfs leaves a folder there that its owner may not enter.
            cleanup.push("chmod -R u+rwX \"$OWN\"; rm -rf \"$OWN\"".into());
        }
        out.push_str("INSIDE=$(cat <<'END_OF_INSIDE'\n");
        for line in &self.inside {
            out.push_str(&format!("{line}\n"));
        }
        out.push_str(&self.last());
        out.push_str("END_OF_INSIDE\n)\nexport INSIDE\n\n# The container: a process, in its groups, in rooms of its own.\n");
        out.push_str("code=0\nsh -euc '\n");
        for line in &self.join {
            out.push_str(&format!("{}\n", line.replace('\'', "'\\''")));
        }
        let fork = if self.flags.iter().any(|flag| flag == "--pid") { " --fork --kill-child" } else { "" };
        let unchanged =
            if self.flags.iter().any(|flag| flag == "--mount") { " --propagation unchanged" } else { "" };
        let flags = self.flags.join(" ");
        let become_it = if flags.is_empty() {
            "exec sh".into()
        } else {
            format!("exec unshare {flags}{unchanged}{fork} sh")
        };
        out.push_str(&format!("{become_it} -euc \"$INSIDE\"\n' || code=$?\n\n# What outlives it.\n"));
        for line in cleanup.iter().rev() {
            out.push_str(&format!("{line}\n"));
        }
        out.push_str("exit $code\n");
        out
    }

    fn has_mounts(&self) -> bool {
        self.inside.iter().any(|line| line.contains("\"$NEW\""))
    }

    /// The last lines inside: the root is switched, and the command takes the shell's place.
    fn last(&self) -> String {
        let mut lines = String::new();
        let mut words = Vec::new();
        let root = match &self.root {
            Some(root) => Some(quoted(root)),
            None if self.has_mounts() => {
                lines.push_str("cd \"$NEW\"\n# over the old root, which nobody reaches from then on: switch_root(8)\nmount -n --move \"$NEW\" /\n");
                Some(".".into())
            }
            None => None,
        };
        lines.push_str("umask 022\n");
        if let Some(command) = &self.command {
            words.extend(command.env.iter().map(|pair| quoted(&pair.to_string_lossy())));
            if let Some(root) = root {
                words.push(format!("\"$(command -v unshare)\" --root={root}"));
                words.push(format!("--wd={}", quoted(self.stands.as_deref().unwrap_or("/"))));
                // setgroups(2) comes with --setgid; where it was not called it could not be.
                if self.identity.iter().any(|word| word == "groups") {
                    words.extend(self.identity.iter().filter(|word| word.starts_with("--")).cloned());
                }
            }
            words.extend(command.argv.iter().map(|word| quoted(&word.to_string_lossy())));
        }
        let silent = if self.silent { " < /dev/null" } else { "" };
        format!("{lines}exec env -i {}{silent}\n", words.join(" "))
    }
}

/// The beginning of every script.
const HEAD: &str = "#!/bin/sh
# A launch, as it was made, in the words of plain programs: mount(8), unshare(1), ip(8), hostname(1), env(1).
# (mount -n: nobody else is to note what is mounted here.)
set -eu

# On the host, before.
";
