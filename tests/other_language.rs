//! No language owns a container: `examples/stage.py` passes the checks of chapters 00 and 01, all of them.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use checks::learner::Outcome;
use checks::need::Need;
use checks::program::verdicts;
use checks::table::trial;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = ["00-process", "01-chroot"].map(|chapter| {
        let name = format!("ch{}_a_program_in_python_passes", &chapter[..2]);
        trial(name, &[Need::Python], move || Ok(passes(chapter)?))
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// What this machine can't try of a chapter it can't try of this program either; nothing else may be missing.
fn passes(chapter: &str) -> Result<()> {
    let verdicts = verdicts(chapter, &probe::workspace().join("examples/stage.py"))?;
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|verdict| !matches!(verdict.outcome, Outcome::Passed | Outcome::NotTried))
        .map(|verdict| format!("{}:{}", verdict.check, verdict.text))
        .collect();
    ensure!(failed.is_empty(), "examples/stage.py on chapter {chapter}:\n{}", failed.join("\n"));
    ensure!(verdicts.iter().any(|verdict| verdict.outcome == Outcome::Passed), "nothing was tried");
    Ok(())
}
