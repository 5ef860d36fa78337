//! `align`: another engine's launch, as strace(1) saw it, sorted into our moments. Yours and the real ones do the same things.
//!
//! Most of a trace is reading: libraries, files of /proc. What is left are the calls that make a container, and for each
//! there is a moment in which a launch of ours makes it. The same call may belong to two: host and child are told apart by the
//! clone that parts them.

use std::collections::BTreeMap;

use ch00_process::explain::Moment;

/// All moments, in their order.
const MOMENTS: [Moment; 12] = [
    Moment::Prepare,
    Moment::Clone,
    Moment::Supervise,
    Moment::Open,
    Moment::Root,
    Moment::Enter,
    Moment::Seal,
    Moment::Gate,
    Moment::Exec,
    Moment::Wait,
    Moment::Outcome,
    Moment::Cleanup,
];

/// A trace, sorted.
#[derive(Debug, Default)]
pub struct Aligned {
    /// By the moment's place: the calls, in the order in which they came, with how many alike followed.
    found: BTreeMap<usize, Vec<(String, &'static str, usize)>>,
    /// The moments' places, in the order in which the engine came to them.
    order: Vec<usize>,
    lines: usize,
    calls: usize,
}

/// How far the launch has come, for what a call alone doesn't tell.
#[derive(Default)]
struct Sofar {
    host: Option<u32>,
    born: bool,
    switched: bool,
    runs: bool,
}

/// Sorts the text that `strace -f -o FILE engine run ...` has written.
#[must_use]
pub fn align(trace: &str) -> Aligned {
    let mut aligned = Aligned::default();
    let mut sofar = Sofar::default();
    for (pid, call) in whole_calls(trace) {
        aligned.lines += 1;
        sofar.host.get_or_insert(pid);
        if let Some((moment, what)) = moment_of(&mut sofar, pid, &call) {
            aligned.add(moment, shown(&call), what);
        }
    }
    aligned
}

impl Aligned {
    fn add(&mut self, moment: Moment, call: String, what: &'static str) {
        self.calls += 1;
        let place = MOMENTS.iter().position(|one| *one == moment).unwrap_or(0);
        if self.order.last() != Some(&place) {
            self.order.push(place);
        }
        let calls = self.found.entry(place).or_default();
        // Nine groups made in a row are one line.
        let name = |call: &str| call.split('(').next().unwrap_or_default().to_string();
        match calls.last_mut() {
            Some((last, why, count)) if *why == what && name(last) == name(&call) => *count += 1,
            _ => calls.push((call, what, 1)),
        }
    }

    /// Whether nothing of it makes a container.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls == 0
    }

    /// As a table: a moment after the other.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (place, moment) in MOMENTS.iter().enumerate() {
            let nothing = Vec::new();
            let calls = self.found.get(&place).unwrap_or(&nothing);
            let mut head = moment.to_string();
            if calls.is_empty() {
                out.push_str(&format!("{head:<10} -\n"));
            }
            for (call, what, count) in calls {
                let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
                out.push_str(&format!("{head:<10} {call}{times}\n{:<14} {what}\n", ""));
                head.clear();
            }
        }
        let order: Vec<String> = self.order.iter().map(|place| MOMENTS[*place].to_string()).collect();
        out.push_str(&format!("\nin the order of time: {}\n", order.join(", ")));
        out.push_str(&format!("{} calls, {} of them make the container\n", self.lines, self.calls));
        out
    }
}

/// Each call that succeeded, whole: what strace has cut in two because another process came between is put together.
fn whole_calls(trace: &str) -> Vec<(u32, String)> {
    let mut begun: BTreeMap<u32, String> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.trim_start().split_once(' ') else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        let rest = rest.trim_start();
        // With -t, -r or -tt there is a time before the call.
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || ":. ".contains(c));
        if let Some(head) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid, head.trim_end().to_string());
            continue;
        }
        let whole = match rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, tail)) => format!("{}{}", begun.remove(&pid).unwrap_or_default(), tail),
            None => rest.to_string(),
        };
        if let Some((call, result)) = whole.rsplit_once(" = ")
            && call.contains('(')
            && !result.starts_with("-1")
            && !result.starts_with('?')
        {
            calls.push((pid, call.trim_end().to_string()));
        }
    }
    calls
}

/// In which of our moments this is done, and what it is.
fn moment_of(sofar: &mut Sofar, pid: u32, call: &str) -> Option<(Moment, &'static str)> {
    use Moment as M;
    let name = call.split('(').next().unwrap_or_default();
    let on_host = sofar.host == Some(pid) || !sofar.born;
    let has = |word: &str| call.contains(word);
    let written = has("O_WRONLY") || has("O_RDWR");
    Some(match name {
        "clone" | "clone3" if has("CLONE_NEW") => {
            sofar.born = true;
            (M::Clone, "the child, in its namespaces")
        }
        "unshare" if has("CLONE_NEW") => {
            sofar.born = true;
            (M::Clone, "new namespaces: what clone3 does at once")
        }
        "setns" => (M::Open, "into a namespace that is there already"),
        "memfd_create" | "execveat" if on_host => {
            (M::Prepare, "a program of its own that can't be written from inside")
        }
        "mount" | "umount2" if has("/proc/self/exe") || (on_host && !sofar.born) => {
            (M::Prepare, "a program of its own that can't be written from inside")
        }
        "mkdir" | "mkdirat" if has("cgroup") && on_host => (M::Prepare, "a group of its own"),
        "openat" if (has("cgroup.procs") || has("/tasks")) && written => {
            (M::Supervise, "the child into its group")
        }
        "openat" if (has("uid_map") || has("gid_map")) && written => (M::Supervise, "who is who inside"),
        "openat" if has("cgroup") && written && on_host && !sofar.runs => {
            (M::Prepare, "a limit of its group")
        }
        "openat" if has("exec.fifo") => (M::Gate, "the child waits until somebody releases it"),
        "mount" if has("MS_PRIVATE") || has("MS_SLAVE") => (M::Open, "mounts of its own"),
        "fsopen" | "fsconfig" | "fsmount" | "open_tree" | "mount_setattr" if !on_host => {
            (M::Open, "what will be mounted, attached nowhere yet")
        }
        "mount" if !on_host && has("MS_BIND") && !sofar.switched && !has("/proc/self/fd/") => {
            (M::Open, "the new root as a mount of its own")
        }
        "mount" | "move_mount" if !on_host => (M::Enter, "what is mounted inside"),
        "pivot_root" | "chroot" => {
            sofar.switched = true;
            (M::Root, "the one switch of the root")
        }
        "umount2" | "umount" if !on_host => (M::Root, "the old root is taken away"),
        "sethostname" | "setdomainname" => (M::Enter, "its name"),
        "mknod" | "mknodat" | "symlinkat" | "symlink" if !on_host => (M::Enter, "devices and their names"),
        "sendto" | "sendmsg" if has("RTM_NEWLINK") => (M::Enter, "its network interface"),
        "chdir" if !on_host && sofar.switched => (M::Enter, "where the command stands"),
        "setgroups" | "setresuid" | "setresgid" | "setuid" | "setgid" | "capset" | "keyctl"
        | "close_range" | "seccomp" => (M::Seal, "what the command doesn't get"),
        "prctl"
            if ["PR_CAPBSET_DROP", "PR_SET_NO_NEW_PRIVS", "PR_CAP_AMBIENT", "PR_SET_SECCOMP"]
                .into_iter()
                .any(has) =>
        {
            (M::Seal, "what the command doesn't get")
        }
        "prctl" if has("PR_SET_PDEATHSIG") => (M::Gate, "if the parent is killed, it ends too"),
        "execve" if !on_host => {
            sofar.runs = true;
            (M::Exec, "the command")
        }
        "wait4" | "waitid" | "waitpid" if on_host && sofar.runs => (M::Wait, "how it ended"),
        "openat" if has("memory.events") || has("oom_control") => (M::Outcome, "why it ended"),
        "rmdir" | "unlinkat" | "umount2" if on_host && sofar.runs => (M::Cleanup, "what outlived it"),
        _ => return None,
    })
}

/// Not longer than a line.
fn shown(call: &str) -> String {
    const WIDTH: usize = 90;
    match call.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &call[..end]),
        None => call.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bones of `strace -f crun run`.
    const TRACE: &str = "\
10  execve(\"/usr/bin/crun\", [\"crun\", \"run\"], 0x7f /* 3 vars */) = 0
10  openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3
10  clone(child_stack=NULL, flags=CLONE_NEWNS|CLONE_NEWPID|SIGCHLD) = 11
11  setgroups(0, NULL <unfinished ...>
10  mkdirat(AT_FDCWD, \"/sys/fs/cgroup/pids/a\", 0755) = 0
10  mkdirat(AT_FDCWD, \"/sys/fs/cgroup/cpu/a\", 0755) = 0
10  mkdirat(AT_FDCWD, \"/sys/fs/cgroup/cpu/b\", 0755) = -1 EEXIST (File exists)
11  <... setgroups resumed>)              = 0
10  openat(AT_FDCWD, \"/sys/fs/cgroup/pids/a/cgroup.procs\", O_WRONLY) = 4
11  mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL) = 0
11  mount(\"/b\", \"/b\", NULL, MS_BIND|MS_REC, NULL) = 0
11  mount(\"proc\", \"/proc/self/fd/5\", \"proc\", 0, NULL) = 0
11  pivot_root(\".\", \".\")            = 0
11  umount2(\".\", MNT_DETACH)        = 0
11  sethostname(\"a\", 1)             = 0
11  execve(\"/bin/true\", [\"true\"], 0x55 /* 2 vars */) = 0
10  wait4(11, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 11
10  unlinkat(AT_FDCWD, \"/sys/fs/cgroup/pids/a\", AT_REMOVEDIR) = 0
11  +++ exited with 0 +++
";

    #[test]
    fn ch06_a_peers_trace_is_sorted_into_our_moments() {
        let aligned = align(TRACE);
        let at = |moment: Moment| {
            let place = MOMENTS.iter().position(|one| *one == moment).unwrap();
            aligned.found.get(&place).map(|calls| calls.iter().map(|(_, _, count)| count).sum::<usize>())
        };
        assert_eq!(at(Moment::Prepare), Some(2), "what failed was only tried");
        assert_eq!(at(Moment::Clone), Some(1));
        assert_eq!(at(Moment::Supervise), Some(1));
        assert_eq!(at(Moment::Open), Some(2));
        assert_eq!(at(Moment::Root), Some(2));
        assert_eq!(at(Moment::Enter), Some(2));
        assert_eq!(at(Moment::Seal), Some(1), "cut in two by strace");
        assert_eq!(at(Moment::Exec), Some(1));
        assert_eq!(at(Moment::Wait), Some(1));
        assert_eq!(at(Moment::Cleanup), Some(1));
        assert_eq!(aligned.order.first(), Some(&1), "this engine makes its groups after the clone");
        assert!(aligned.table().contains("mkdirat(AT_FDCWD, \"/sys/fs/cgroup/pids/a\", 0755) (2 times)"));
    }

    #[test]
    fn ch06_what_is_no_trace_is_nothing() {
        for text in ["", "hello\n", "1 2 3\n", "7  <... read resumed>\n"] {
            assert_eq!(align(text).calls, 0, "{text:?}");
        }
    }
}
