//! Each classic mistake, made on purpose: the check that is there for it must catch it.
//!
//! [`lesson::mutant`] has their form. The table of mistakes and checks is a snapshot. Each is applied to a copy of the
//! sources under `target/mutants`, built there, and given to the chapter's checks as `STAGE_BIN`. A build each:
//! `BOXROOM_REQUIRE=mutants cargo test --test mutants` asks for it. Those that show on version 2 of cgroups only are run
//! by `cargo workshop vm`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use checks::finding::Finding;
use checks::learner::{Outcome, Verdict};
use checks::leftover::Groups;
use checks::need::{Need, is_required};
use checks::profile::Profile;
use checks::table::trial;
use checks::words::{NOT_STARTED, common};
use lesson::mutant::Mutant;
use libtest_mimic::Arguments;

/// One copy of the sources for all: a second mutant is built in a second or two.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// By chapter and mutant: the mistake, and the check that has caught it.
type Table = BTreeMap<(String, String), (String, String)>;
static TABLE: Mutex<Table> = Mutex::new(BTreeMap::new());

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mutants = Mutant::all(probe::workspace()).unwrap_or_default();
    let none = mutants.is_empty();
    let mut trials = Vec::new();
    for mutant in mutants {
        let mutant = Arc::new(mutant);
        let name = format!("{}_is_caught_by_{}", mutant.name, mutant.check);
        let needs: &[Need] = match mutant.version {
            Some(1) => &[Need::Mutants, Need::Cgroup1],
            Some(_) => &[Need::Mutants, Need::Root, Need::Cgroup2],
            None if mutant.by_root => &[Need::Mutants, Need::Root],
            None => &[Need::Mutants],
        };
        trials.push(trial(name, needs, move || is_caught(&mutant)));
    }
    trials.push(trial("there_are_mutants".into(), &[], move || {
        if none { Err(anyhow::anyhow!("no chapters/*/mutants/*.patch could be read").into()) } else { Ok(()) }
    }));
    let groups = Groups::now();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.num_passed > 1 {
        // What a mutant starts again may end a moment after its check has: once more, when all is quiet.
        std::thread::sleep(std::time::Duration::from_secs(1));
        groups.sweep();
    }
    // On another version of cgroups, or as another user, other mutants are run.
    let here =
        is_required("mutants") && Profile::here() == Profile::Root && Need::Cgroup1.missing().is_none();
    let all = here && arguments.filter.is_none() && conclusion.num_failed == 0;
    if all && !table_is_as_before() {
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Mistake and check, as the book includes it: only what was run and caught stands in it.
fn table_is_as_before() -> bool {
    let mut text = String::new();
    let mut last = String::new();
    let Ok(table) = TABLE.lock() else { return false };
    for ((chapter, name), (mistake, check)) in table.iter() {
        if *chapter != last {
            text.push_str(&format!("{chapter}\n"));
            last.clone_from(chapter);
        }
        text.push_str(&format!("  {name}: {mistake}\n      {check}\n"));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!("mistakes", text));
    }))
    .is_ok()
}

fn is_caught(mutant: &Mutant) -> Result<(), Finding> {
    let _alone = ONE_AT_A_TIME.lock();
    let binary = build(mutant)?;
    let told = probe::target_dir()?.join("mutants/verdicts.json");
    let output = cargo()
        .current_dir(probe::workspace())
        .args(["test", "--quiet", "--package", &mutant.package(), "--test", "checks"])
        // The others say nothing about it.
        .args(["--", "--exact", &mutant.check])
        .env("CARGO_TARGET_DIR", probe::target_dir()?)
        .env("STAGE_BIN", binary)
        .env("BOXROOM_VERDICTS", &told)
        .env_remove("BOXROOM_REQUIRE")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let verdicts: Vec<Verdict> = serde_json::from_slice(&fs::read(&told)?).map_err(anyhow::Error::from)?;
    let failed = |verdict: &&Verdict| verdict.outcome == Outcome::Failed && verdict.check == mutant.check;
    let never_ran = |text: &str| common(NOT_STARTED).is_some_and(|words| text.contains(&words.meaning));
    let named = verdicts.iter().find(failed);
    if named.is_some_and(|verdict| !never_ran(&verdict.text)) {
        if let Ok(mut table) = TABLE.lock() {
            let key = (mutant.chapter.clone(), mutant.name.clone());
            table.insert(key, (mutant.mistake.clone(), mutant.check.clone()));
        }
        return Ok(());
    }
    Err(Finding {
        seen: format!("{} on the mutant {}:\n{said}", mutant.check, mutant.name),
        expected: "the check fails, and for the reason that it is there for",
        meaning: "a learner who makes this mistake would not hear of it",
        look: "the patch in the chapter's folder mutants/",
        read: "book: how to use this book, 'when a check fails'",
        ..Finding::default()
    })
}

fn build(mutant: &Mutant) -> Result<PathBuf> {
    let folder = probe::target_dir()?.join("mutants");
    let tree = mutant.sources(probe::workspace(), &folder)?;
    let built = cargo()
        .current_dir(&tree)
        .args(["build", "--quiet", "--package", &mutant.package()])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()?;
    if !built.status.success() {
        bail!("the mutant {} doesn't compile:\n{}", mutant.name, String::from_utf8_lossy(&built.stderr));
    }
    let binary = folder.join(format!("{}-{}", mutant.chapter, mutant.name));
    fs::copy(folder.join("target/debug").join(mutant.package()), &binary)?;
    Ok(binary)
}

/// cargo, without what the cargo around it says.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && !["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}
