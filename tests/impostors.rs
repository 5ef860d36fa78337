//! Two programs that contain nothing: one merely runs the command, one prints what a check might want to see. No check of
//! isolation may pass on either.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use checks::learner::Outcome;
use checks::need::Need;
use checks::program::verdicts;
use checks::table::trial;
use libtest_mimic::Arguments;

/// Drops the options, and becomes the command.
const RUNS: &str = r#"#!/bin/sh
export IMPOSTOR="$0"
shift
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -gt 0 ] && shift
exec "$@"
"#;

/// Says that all is well.
const PRINTS: &str = r#"#!/bin/sh
echo "contained"
echo "1 (sh) S 0"
echo "hostname box, 127.0.0.1, HOME= HOSTNAME= PATH= TERM=, 2.0 2.4, passed, ok"
echo "ENOENT EACCES /no/such/command /etc/passwd" >&2
exit 0
"#;

/// What a plain process is right about as well as a container: the command's code comes back, no zombie stays. Each of
/// these is proven by a mutant.
const OF_ANY_PROCESS: [&str; 4] = [
    "ch01_command_missing_inside_is_127",
    "ch02_exit_codes_stay_dockers",
    "ch02_command_is_reaped",
    "ch03_exit_codes_stay_dockers",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for chapter in ["01-chroot", "02-namespaces", "03-cgroups"] {
        for (name, script) in [("runs", RUNS), ("prints", PRINTS)] {
            let title = format!("ch{}_a_program_that_merely_{name}_isolates_nothing", &chapter[..2]);
            // Where no group is given, next to nothing of chapter 03 is tried.
            let needs: &[Need] = match chapter {
                "03-cgroups" => &[Need::UserNamespace, Need::Cgroup],
                _ => &[Need::UserNamespace],
            };
            trials.push(trial(title, needs, move || Ok(isolates_nothing(chapter, name, script)?)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn isolates_nothing(chapter: &str, name: &str, script: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("boxroom-impostor-").tempdir()?;
    let program = folder.path().join(name);
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let verdicts = verdicts(chapter, &program)?;
    ensure!(verdicts.len() > 10, "only {} verdicts", verdicts.len());
    let left = started_by(&program);
    ensure!(left.is_empty(), "the checks are over, and what the program started goes on: {left:?}");
    let passed: Vec<_> = verdicts
        .iter()
        .filter(|verdict| verdict.outcome == Outcome::Passed && !OF_ANY_PROCESS.contains(&&*verdict.check))
        .map(|verdict| verdict.check.as_str())
        .collect();
    ensure!(passed.is_empty(), "a program that merely {name} passes {passed:?}");
    Ok(())
}

/// The processes that have the program's mark in their environment.
fn started_by(program: &Path) -> Vec<String> {
    let mark = format!("IMPOSTOR={}", program.display());
    let marked = |path: &Path| {
        let text = fs::read(path.join("environ")).unwrap_or_default();
        text.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| marked(path)).map(|path| path.display().to_string()).collect()
}
