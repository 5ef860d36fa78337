//! A chapter's checks as a table: passed, failed, or ignored with its reason, and each proven to bite.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lesson::words::CheckWords;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::arena;
use crate::diagnosis;
use crate::finding::Finding;
use crate::learner::{self, Learner};
use crate::leftover::Groups;
use crate::limit;
use crate::need::{Need, is_required};
use crate::stage::Stage;
use crate::words;

/// One check of a chapter.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// A claim with its chapter: `ch02_hostname_change_stays_inside`.
    pub name: &'static str,
    /// Whether the chapter before must fail it.
    pub new: bool,
    /// What it needs of the machine.
    pub needs: &'static [Need],
    /// The check.
    pub run: fn(&Stage) -> Result<(), Finding>,
}

/// The checks of a chapter.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The chapter, `02-namespaces`.
    pub chapter: &'static str,
    /// The package's folder, `env!("CARGO_MANIFEST_DIR")`.
    pub folder: &'static str,
    /// The checks.
    pub checks: &'static [Check],
}

impl Table {
    /// Runs them as `cargo test` wants it. The last line says how many were proven and how many not tried.
    #[must_use]
    #[allow(clippy::print_stderr)] // the root of a test binary: it prints
    pub fn main(&self) -> ExitCode {
        let arguments = Arguments::from_args();
        let read = Learner::of(self.chapter, Path::new(self.folder))
            .and_then(|learner| Ok((learner, words::of(self.chapter)?)));
        let (learner, exercise) = match read {
            Ok(read) => read,
            Err(error) => {
                eprintln!("{}: {error:#}", self.chapter);
                return ExitCode::FAILURE;
            }
        };
        let is_reference = learner.is_none() && std::env::var_os("STAGE_BIN").is_none();
        if !is_reference && !arguments.list {
            // A mutant of a chapter without an exercise has an end, too.
            let seconds = exercise.map_or(60, |exercise| exercise.patience);
            limit::watch(Duration::from_secs(seconds));
        }
        let groups = (!is_reference && !arguments.list).then(Groups::now);
        let mut trials = Vec::new();
        for check in self.checks {
            let (chapter, learner) = (self.chapter, learner.clone());
            let words = exercise.and_then(|exercise| exercise.check.get(check.name));
            let explained = move |found: Finding, stage: &Stage| match exercise {
                Some(exercise) if found.untried.is_none() => {
                    Finding { order: diagnosis::of(exercise, check.name, stage), ..found }
                }
                _ => found,
            };
            trials.push(trial(check.name.into(), check.needs, move || {
                let run = |stage: &Stage| {
                    arena::inside(|| {
                        let ended = (check.run)(stage);
                        Ok(if is_reference { ended } else { ended.map_err(|found| explained(found, stage)) })
                    })?
                };
                let ended = match learner {
                    Some(learner) => learner.check(check, run),
                    None => run(&Stage::tested(chapter)?),
                };
                let ended = ended.map_err(|finding| finding.told(words));
                learner::keep(check.name, &ended);
                ended
            }));
            // Another executable in the chapter's place says nothing about the chapter before.
            if check.new && is_reference {
                let table = *self;
                let name = format!("{}_fails_on_the_chapter_before", check.name);
                trials.push(trial(name, check.needs, move || table.bites(check, words)));
            }
        }
        let untried: Vec<(&str, &str)> = self
            .checks
            .iter()
            .filter_map(|check| Some((check.name, check.needs.iter().find_map(|need| need.missing())?)))
            .collect();
        let conclusion = libtest_mimic::run(&arguments, trials);
        if let Some(groups) = groups {
            groups.sweep();
        }
        if !arguments.list {
            for (name, why) in &untried {
                eprintln!("  NOT TRIED {name}: {why}");
            }
            let (proven, ignored) = (conclusion.num_passed, conclusion.num_ignored);
            eprintln!("{}: {proven} proven, {ignored} NOT TRIED{}", self.chapter, reasons(&untried));
        }
        if let Err(error) = learner::write_verdicts() {
            eprintln!("{error:#}");
        }
        conclusion.exit_code()
    }

    fn bites(&self, check: &Check, words: Option<&'static CheckWords>) -> Result<(), Finding> {
        let stage = Stage::before(self.chapter)?;
        let Err(finding) = arena::inside(|| Ok((check.run)(&stage)))? else {
            return Err(Finding::common("passes_before").with("stage", stage.name));
        };
        if finding.untried.is_some() {
            return Err(finding);
        }
        let folder = match probe::built_folder() {
            Some(built) => built.join("snapshots").join(self.chapter),
            None => PathBuf::from(self.folder).join("tests/snapshots"),
        };
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        // An ordinary user's failure reads differently in places; then it has a snapshot of its own.
        let rootless = format!("{}-rootless", check.name);
        let name = match crate::profile::Profile::here() {
            crate::profile::Profile::Root => check.name.to_string(),
            _ if folder.join(format!("{rootless}.snap")).is_file() => rootless,
            _ => check.name.to_string(),
        };
        let text = finding.everywhere().told(words).to_string();
        let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name, &text));
        }));
        compared.map_err(|_| Finding::common("snapshot").with("text", text))
    }
}

/// Why, and the cure, each once: the end of the last line.
fn reasons(untried: &[(&str, &str)]) -> String {
    let mut once: Vec<&str> = untried.iter().map(|(_, why)| *why).collect();
    once.sort_unstable();
    once.dedup();
    if once.is_empty() { String::new() } else { format!(": {}", once.join("; and ")) }
}

/// A test that knows why it can't be run. Where `BOXROOM_REQUIRE` names all that it lacks, that is a failure.
pub fn trial(
    name: String,
    needs: &'static [Need],
    run: impl FnOnce() -> Result<(), Finding> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        let missing: Vec<_> = needs.iter().filter_map(|need| Some((need, need.missing()?))).collect();
        let Some((_, why)) = missing.first() else {
            return match run() {
                Ok(()) => Ok(Completion::Completed),
                Err(Finding { untried: Some(why), .. }) if is_required("ladder") => {
                    Err(Failed::from(format!("BOXROOM_REQUIRE names the whole ladder: {why}")))
                }
                Err(Finding { untried: Some(why), .. }) => Ok(Completion::ignored_with(why)),
                Err(finding) => Err(Failed::from(format!("\n{finding}"))),
            };
        };
        if missing.iter().all(|(need, _)| is_required(need.name())) {
            return Err(Failed::from(format!("BOXROOM_REQUIRE names it, and this machine can't: {why}")));
        }
        Ok(Completion::ignored_with(why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_the_last_line_names_each_reason_once() {
        let apparmor = "AppArmor restricts user namespaces; cargo workshop doctor --fix";
        assert_eq!(reasons(&[("a", apparmor), ("b", apparmor)]), format!(": {apparmor}"));
        assert_eq!(reasons(&[("a", "x"), ("b", "y")]), ": x; and y");
        assert_eq!(reasons(&[]), "");
    }
}
