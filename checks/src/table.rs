//! A chapter's checks as a table: passed, failed, or ignored with its reason, and each proven to bite.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::arena;
use crate::finding::Finding;
use crate::need::{Need, is_required};
use crate::stage::Stage;

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
        let mut trials = Vec::new();
        for check in self.checks {
            let chapter = self.chapter;
            trials.push(trial(check.name.into(), check.needs, move || {
                let stage = Stage::tested(chapter)?;
                arena::inside(|| Ok((check.run)(&stage)))?
            }));
            // Another executable in the chapter's place says nothing about the chapter before.
            if check.new && std::env::var_os("STAGE_BIN").is_none() {
                let table = *self;
                let name = format!("{}_fails_on_the_chapter_before", check.name);
                trials.push(trial(name, check.needs, move || table.bites(check)));
            }
        }
        let untried: Vec<(&str, &str)> = self
            .checks
            .iter()
            .filter_map(|check| Some((check.name, check.needs.iter().find_map(|need| need.missing())?)))
            .collect();
        let conclusion = libtest_mimic::run(&arguments, trials);
        if !arguments.list {
            eprintln!(
                "{}: {} proven, {} NOT TRIED",
                self.chapter, conclusion.num_passed, conclusion.num_ignored
            );
            for (name, why) in untried {
                eprintln!("  NOT TRIED {name}: {why}");
            }
        }
        conclusion.exit_code()
    }

    fn bites(&self, check: &Check) -> Result<(), Finding> {
        let stage = Stage::before(self.chapter)?;
        let Err(finding) = arena::inside(|| Ok((check.run)(&stage)))? else {
            return Err(Finding {
                seen: format!("the check passes on {}", stage.name),
                expected: "it fails there: the mechanism is new in this chapter",
                meaning: "the check doesn't check what it says",
                look: "the check's source",
                read: "book: how to use this book, 'when a check fails'",
                ..Finding::default()
            });
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
        let text = finding.to_string();
        let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name, text));
        }));
        compared.map_err(|_| Finding {
            seen: text.clone(),
            expected: "the failure that the snapshot has",
            meaning: "what a learner reads when this mechanism is missing has changed",
            look: "cargo insta review",
            read: "CONTRIBUTING: snapshots",
            ..Finding::default()
        })
    }
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
