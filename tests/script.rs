//! `run --explain=sh` says a launch again as a plain shell script. Whether it is the same is not for us to say: the probe
//! reports from inside of both.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use ch00_process::kernel::raw;
use checks::arena;
use checks::finding::Finding;
use checks::need::Need;
use checks::stage::{PATH, STAGES, Stage};
use checks::table::trial;
use libtest_mimic::Arguments;
use probe::report::Host;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = STAGES.into_iter().map(|stage| {
        let number = &stage[..2];
        trial(format!("ch{number}_the_script_makes_the_same_room"), &[Need::UserNamespace], move || {
            same(stage)
        })
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn same(name: &'static str) -> Result<(), Finding> {
    if let Some(lacking) = ["unshare", "mount", "hostname", "ip"].into_iter().find(|tool| !is_there(tool)) {
        return Err(Finding::untried(format!(
            "there is no {lacking} here: apt-get install util-linux iproute2 hostname"
        )));
    }
    arena::inside(|| {
        let facts = serde_json::to_string(&Host::here())?;
        let stage = Stage::of(name)?;
        // What whoever started this test has left open the script would pass on: no plain program closes it.
        raw::close_range_on_exec().map_err(|errno| anyhow::anyhow!("close_range: {errno}"))?;
        let probe = stage.probe()?;
        let words = [&*probe.to_string_lossy(), "report", "--json", "--facts", &facts];
        let launched = stage.command(&["--explain=sh"], &words)?.output()?;
        if !launched.status.success() {
            bail!("{name}: {}", String::from_utf8_lossy(&launched.stderr));
        }
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("launch.sh");
        // Before it a stage may say as whom it runs (chapter 01, for who isn't root).
        let said = &launched.stderr;
        let begin = said.windows(2).position(|two| two == b"#!").context("no script was written")?;
        fs::write(&script, &said[begin..])?;
        // As hermetic as the stage was.
        let mut command = Command::new("sh");
        command.arg(&script).env_clear().env("PATH", PATH).env("HOME", "/").env("TERM", "dumb");
        let again = command.output().context("sh")?;
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        if launched.stdout != again.stdout || launched.stdout.is_empty() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!("{name}:\n{}\nand by the script:\n{}\n{said}", text(&launched.stdout), text(&again.stdout));
        }
        Ok(())
    })?;
    Ok(())
}

fn is_there(tool: &str) -> bool {
    PATH.split(':').any(|folder| fs::exists(format!("{folder}/{tool}")).unwrap_or(false))
}
