//! The group itself: who is in it, what it looks like from inside, and that it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use checks::drive::{Visit, contained, is_alive, run, within};
use checks::finding::Finding;
use checks::stage::Stage;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A name for a group that nobody else has.
pub(crate) struct Named {
    name: String,
    pub(crate) folder: String,
}

impl Named {
    pub(crate) fn new() -> Result<Self, Finding> {
        let name = format!("check-{}", &checks::secret()?[..10]);
        Ok(Self { folder: format!("boxroom-{name}"), name })
    }

    /// `--name` and more options.
    pub(crate) fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["--name", &self.name], more].concat()
    }

    /// Whether a process with this `/proc/PID/cgroup` (as the host reads it) is in the group, in each hierarchy that has
    /// a controller.
    pub(crate) fn holds(&self, cgroup: &str) -> bool {
        let inside = |line: &&str| line.rsplit('/').next() == Some(&*self.folder);
        let limited: Vec<&str> = cgroup
            .lines()
            .filter(|line| {
                let names = line.split(':').nth(1).unwrap_or_default();
                names.split(',').any(|name| ["memory", "pids", "cpu"].contains(&name))
            })
            .collect();
        // Only version 2 is there: its line has no names.
        let limited = if limited.is_empty() { cgroup.lines().collect() } else { limited };
        !limited.is_empty() && limited.iter().all(inside)
    }
}

/// A process's groups, one for each hierarchy, as they stand in a finding; without the hierarchies that a canary
/// mounts for an attempt (they have no controller).
fn one_line(cgroup: &str) -> String {
    cgroup.lines().filter(|line| !line.contains(":name=boxroom-")).collect::<Vec<_>>().join(", ")
}

/// The folders of this name in all hierarchies.
pub(crate) fn folders(name: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points =
        mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
    let mut found = Vec::new();
    for point in points {
        search(Path::new(point), name, &mut found);
    }
    found
}

fn search(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if *entry.file_name() == *name {
                found.push(entry.path());
            }
            search(&entry.path(), name, found);
        }
    }
}

pub(crate) fn grandchild(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let options = stage.knows(3, &named.with(&["--pids", "32"]));
    // Started by a shell that was started by a shell, and so fast that a late join would miss it.
    let words = ["sh", "-c", "sh -c '\"$0\" \"$@\"; true' \"$0\" \"$@\"; true"];
    let visit = Visit::by(stage, &options, &words)?;
    let inside = named.holds(&visit.present.cgroup);
    let cgroup = one_line(&visit.present.cgroup);
    visit.end()?;
    if inside {
        return Ok(());
    }
    Err(Finding::seen("outside").with_local("cgroup", cgroup))
}

pub(crate) fn root_of_its_view(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let options = stage.knows(3, &named.with(&[]));
    let visit = Visit::begin(stage, &options)?;
    let outside = named.holds(&visit.present.cgroup);
    let cgroup = one_line(&visit.present.cgroup);
    visit.end()?;
    let seen = run(stage, &stage.knows(3, &["--pids", "32"]), &["cat", "/proc/self/cgroup"])?.stdout;
    let inside = !seen.is_empty() && seen.lines().all(|line| line.ends_with(":/"));
    if outside && inside {
        return Ok(());
    }
    Err(Finding::seen("view").with("own", outside).with_local("cgroup", cgroup).with("top", inside))
}

pub(crate) fn gone(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let visit = Visit::begin(stage, &stage.knows(3, &named.with(&["--memory", "64M"])))?;
    let during = !folders(&named.folder).is_empty();
    visit.end()?;
    let left = folders(&named.folder);
    for folder in &left {
        let _ = fs::remove_dir(folder);
    }
    if during && left.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("folders").with("during", during).with("left", left.len()))
}

/// Without a pid namespace nobody ends with the command but by its group.
pub(crate) fn survivors(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let stage = stage.without_rootfs();
    let options = [stage.knows(3, &named.with(&[])).as_slice(), &["--only", "uts"]].concat();
    let told = run(&stage, &options, &["sh", "-c", "sleep 20 >/dev/null 2>&1 & echo $!"])?;
    let pid: i32 = told.stdout.trim().parse().map_err(|_| anyhow::anyhow!("it said {:?}", told.stdout))?;
    let gone = within(Duration::from_millis(500), || !is_alive(pid));
    if !gone {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        for folder in folders(&named.folder) {
            within(Duration::from_secs(1), || fs::remove_dir(&folder).is_ok());
        }
        return Err(Finding::seen("alive"));
    }
    Ok(())
}

pub(crate) fn clean(stage: &Stage) -> Result<(), Finding> {
    let named = Named::new()?;
    let Visit { stage: mut engine, present, canary } =
        Visit::begin(stage, &stage.knows(3, &named.with(&["--memory", "64M"])))?;
    engine.kill()?;
    engine.wait()?;
    let pid = present.pid;
    let left = !folders(&named.folder).is_empty();
    let built = checks::stage::program("workshop")?;
    // The same place for records as the stage had.
    let hermetic = stage.command::<&str>(&[], &[])?;
    let mut sweeper = Command::new(built);
    sweeper.arg("clean").env_clear();
    for (name, value) in hermetic.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        sweeper.env(name, value);
    }
    let said = sweeper.output()?;
    let gone = folders(&named.folder).is_empty() && within(Duration::from_millis(500), || !is_alive(pid));
    for folder in folders(&named.folder) {
        let _ = fs::remove_dir(folder);
    }
    drop((present, canary));
    if left && gone {
        return Ok(());
    }
    if left {
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        return Err(Finding::seen("kept").with("said", format!("{said:?}")));
    }
    Err(Finding::seen("unmade"))
}

pub(crate) fn unseen(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "cgroup-tree", Finding::seen("probe"))?;
    contained(stage, "cgroup-write", Finding::seen("probe"))
}

pub(crate) fn release_agent(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "release-agent", Finding::seen("probe"))
}
