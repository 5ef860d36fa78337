//! SIGKILL at any system call of `run`, of the engine and of the monitor that it makes: the next command finds the truth,
//! and `system prune` leaves nothing. As many calls as two minutes allow; `KILLED_SECONDS` gives more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use checks::finding::Finding;
use checks::mould;
use checks::need::Need;
use checks::stage::{PATH, Stage, base, folder, program};
use checks::table::trial;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        trial("ch06_killed_at_any_call_of_run".into(), &[Need::Root], || swept(&["--rm"])),
        trial("ch06_killed_at_any_call_of_run_detached".into(), &[Need::Root], || swept(&["-d", "--rm"])),
        trial("ch06_killed_at_any_call_of_a_kept_run".into(), &[Need::Root], || swept(&["-d"])),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One after the other, a call further each time, until nothing is killed any more; in steps, where time is short.
fn swept(options: &[&str]) -> Result<(), Finding> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Err(Finding::untried("strace isn't installed: apt-get install strace".into()));
    }
    let stage = Stage::tested("06-lifecycle")?;
    let room = Room::new(stage.binary().context("no binary")?)?;
    let seconds = std::env::var("KILLED_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let end = Instant::now() + Duration::from_secs(seconds);
    let count = room.calls(options)?;
    // Spread over all of them: whatever time there is, the end is tried as well as the beginning.
    let mut tried = 0;
    for step in [97, 41, 13, 5, 2, 1] {
        for when in (1..=count).step_by(step) {
            if Instant::now() > end {
                return if tried >= 20 {
                    Ok(())
                } else {
                    Err(Finding::untried(format!("only {tried} calls in {seconds} s")))
                };
            }
            room.killed_at(options, when)
                .with_context(|| format!("{options:?}, killed at call {when} of {count}"))?;
            tried += 1;
        }
    }
    Ok(())
}

/// A store and a run folder of its own: what is pruned here is nobody else's.
struct Room {
    binary: PathBuf,
    root: tempfile::TempDir,
    run: tempfile::TempDir,
}

impl Room {
    fn new(binary: &Path) -> Result<Self> {
        let beside =
            |name: &str| tempfile::Builder::new().prefix(name).tempdir_in(folder()?).context("a folder");
        let room = Self { binary: binary.into(), root: beside("killed-root-")?, run: beside("killed-run-")? };
        let base = base()?.to_string_lossy().into_owned();
        let made = room.command(&program("ch04-images")?, &["import", &base, mould::IMAGE])?.output()?;
        if !made.status.success() {
            bail!("import: {}", String::from_utf8_lossy(&made.stderr));
        }
        let (ran, said) = room.tell(&["run", "--rm", mould::IMAGE, "true"])?;
        if ran { Ok(room) } else { bail!("{said}") }
    }

    fn command(&self, program: &Path, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(program);
        command.args(words).env_clear().stdin(Stdio::null()).env("PATH", PATH).env("HOME", "/");
        command.env("BOXROOM_RUN", self.run.path()).env("BOXROOM_ROOT", self.root.path());
        Ok(command)
    }

    fn tell(&self, words: &[&str]) -> Result<(bool, String)> {
        let output = self.command(&self.binary, words)?.output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    fn words(&self, options: &[&str]) -> Vec<String> {
        let name = self.name();
        let words = [&["run", "--name", &name], options, &[mould::IMAGE, "sleep", "0.05"]].concat();
        words.into_iter().map(String::from).collect()
    }

    fn name(&self) -> String {
        self.run.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How many calls the longest of its processes makes: strace counts for each.
    fn calls(&self, options: &[&str]) -> Result<usize> {
        let log = self.run.path().join("strace");
        let log = log.to_string_lossy();
        let words = self.words(options);
        let traced: Vec<&str> = ["-f", "-qq", "-o", &log, "--"].into_iter().collect();
        let binary = self.binary.to_string_lossy().into_owned();
        let line = [&traced[..], &[&*binary], &words.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        self.command(Path::new("strace"), &line)?.output()?;
        let text = fs::read_to_string(&*log)?;
        let mut by_process = std::collections::BTreeMap::<&str, usize>::new();
        for line in text.lines() {
            *by_process.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
        }
        self.tell(&["rm", "-f", &self.name()])?;
        by_process.into_values().max().context("strace saw nothing")
    }

    fn killed_at(&self, options: &[&str], when: usize) -> Result<()> {
        let words = self.words(options);
        let inject = format!("inject=all:signal=KILL:when={when}");
        let binary = self.binary.to_string_lossy().into_owned();
        let line = [
            &["-f", "-qq", "-o", "/dev/null", "-e", &inject, "--", &binary][..],
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        ]
        .concat();
        self.command(Path::new("strace"), &line)?.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        // Whatever it was in the middle of: the list is told, and the name can be had again.
        let name = self.name();
        let (listed, said) = self.tell(&["ps", "-a"])?;
        if !listed {
            bail!("ps: {said}");
        }
        self.tell(&["rm", "-f", &name])?;
        let (swept, said) = self.tell(&["system", "prune", "-f"])?;
        if !swept {
            bail!("system prune: {said}");
        }
        let (ran, said) = self.tell(&["run", "--rm", "--name", &name, mould::IMAGE, "true"])?;
        if !ran {
            bail!("the next run: {said}");
        }
        self.nothing_is_left()
    }

    fn nothing_is_left(&self) -> Result<()> {
        let records = fs::read_dir(self.run.path().join("records"))?.flatten();
        let records: Vec<_> =
            records.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).collect();
        if let Some(record) = records.first() {
            bail!("a record is left: {}", fs::read_to_string(record.path())?);
        }
        for place in [self.run.path().join("containers"), self.root.path().join("containers")] {
            let mut left = fs::read_dir(&place)?
                .flatten()
                .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
            if let Some(left) = left.next() {
                bail!("{} is left", left.path().display());
            }
        }
        let link = self.root.path().join("containers/.names").join(self.name());
        if link.symlink_metadata().is_ok() {
            bail!("{} is left", link.display());
        }
        let processes = fs::read_dir("/proc")?.flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.name())
        });
        if let Some(process) = processes.into_iter().next() {
            bail!("process {} is left", process.file_name().to_string_lossy());
        }
        Ok(())
    }
}
