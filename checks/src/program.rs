//! A chapter's checks on any program with its command line, whatever it is written in: what each of them found.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::learner::Verdict;

/// Gives the program to the chapter's checks as `STAGE_BIN`, and returns what they found.
///
/// # Errors
/// The checks can't be built, or ended without a word.
pub fn verdicts(chapter: &str, program: &Path) -> Result<Vec<Verdict>> {
    let checks = probe::build_test(&format!("ch{chapter}"), "checks")?;
    let folder = tempfile::Builder::new().prefix("boxroom-verdicts-").tempdir()?;
    let file = folder.path().join("verdicts.json");
    Command::new(checks)
        .current_dir(probe::workspace())
        .env("STAGE_BIN", program)
        .env("BOXROOM_VERDICTS", &file)
        .env_remove("BOXROOM_REQUIRE")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let text = std::fs::read(&file).context("the checks told nothing")?;
    Ok(serde_json::from_slice(&text)?)
}
