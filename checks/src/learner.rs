//! A chapter's checks on a learner's exercise: a task that isn't written yet says so, and all others are checked.
//!
//! What is still blank is lent from the reference while the checks run: so a task is judged by itself, whatever comes
//! before it or after it, and its verdict is partial credit.

use std::env;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, bail};
use lesson::chapter::Chapter;
use lesson::exercise::{Exercise, Task};
use lesson::skeleton;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::limit;
use crate::stage::Stage;
use crate::table::Check;

/// The variable by which the guide hands over what [`lent`] has built for it: asking cargo once more takes a moment.
pub const LENT: &str = "BOXROOM_LENT";

/// A learner's copy of a chapter.
#[derive(Debug, Clone)]
pub struct Learner {
    chapter: Chapter,
    exercise: Exercise,
    folder: PathBuf,
}

/// How one check ended, as it is written for the guide (`BOXROOM_VERDICTS` names the file).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// The check.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What it said.
    pub text: String,
}

/// The outcomes of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Proven.
    Passed,
    /// Seen to be wrong.
    Failed,
    /// This machine or this user can't try it.
    NotTried,
    /// A task that it proves isn't written yet.
    NotYet,
}

static VERDICTS: Mutex<Vec<Verdict>> = Mutex::new(Vec::new());

impl Learner {
    /// The learner's copy that these checks stand beside (`folder` is their package), or that `BOXROOM_EXERCISE` names;
    /// none where they are the reference's.
    ///
    /// # Errors
    /// The chapter's exercise.toml can't be read.
    pub fn of(chapter: &str, folder: &Path) -> Result<Option<Self>> {
        let named = env::var_os("BOXROOM_EXERCISE").map(PathBuf::from);
        let beside = folder.file_name().is_some_and(|name| name.to_string_lossy() == format!("ex{chapter}"));
        let Some(folder) = named.or_else(|| beside.then(|| folder.to_path_buf())) else { return Ok(None) };
        let chapter = Chapter { name: chapter.into(), top: probe::workspace().into() };
        let exercise = Exercise::of(&chapter.reference())?;
        Ok(Some(Self { chapter, exercise, folder }))
    }

    /// The task that a check proves and that isn't written yet.
    fn open_task(&self, check: &str) -> Option<(usize, &Task)> {
        let tasks = self.exercise.tasks.iter().enumerate().map(|(n, task)| (n + 1, task));
        tasks
            .filter(|(_, task)| task.checks.iter().any(|name| name == check))
            .find(|(_, task)| skeleton::is_open(task, &self.folder))
    }

    /// The check on the learner's copy; a task of it that isn't written yet is the outcome.
    ///
    /// # Errors
    /// `not yet`, what the check found, or that the copy doesn't compile (the compiler's own message).
    pub fn check(
        &self,
        check: &Check,
        run: impl FnOnce(&Stage) -> Result<(), Finding>,
    ) -> Result<(), Finding> {
        if let Some((number, task)) = self.open_task(check.name) {
            let chapter = self.chapter.digits();
            let text = format!(
                "not yet: task {number} ({}): {}; cargo workshop hint {chapter} {}",
                task.name, task.title, task.name
            );
            return Err(Finding::not_yet(text, !task.core));
        }
        let binary = self.binary()?;
        let name = crate::stage::STAGES.into_iter().find(|name| *name == self.chapter.name);
        let name = name.with_context(|| format!("{} is no stage", self.chapter.name))?;
        run(&Stage::with_binary(name, binary)?)
    }

    /// The learner's program, built once, with what is blank lent; the guide has built it before it starts the checks.
    fn binary(&self) -> Result<PathBuf> {
        if let Some(built) = env::var_os(LENT) {
            return Ok(built.into());
        }
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            lent(&self.chapter, &self.exercise, &self.folder).map_err(|error| format!("{error:#}"))
        });
        built.clone().map_err(|text| anyhow::anyhow!(text))
    }
}

/// Builds the learner's copy of a chapter with what is still blank lent from the reference, and says where it is.
///
/// # Errors
/// It doesn't compile: the compiler's own message, which names the learner's file by its path in the copy.
pub fn lent(chapter: &Chapter, exercise: &Exercise, folder: &Path) -> Result<PathBuf> {
    let target = probe::target_dir()?;
    std::fs::create_dir_all(&target)?;
    // Two guides at once, or a check beside a watch: one of them writes and builds, the other waits.
    let lock = std::fs::File::create(target.join("lent.lock"))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let copy = skeleton::lend(chapter, exercise, folder, &target)?;
    let built = probe::build_in(&copy)?;
    let Some(built) = built.last() else { bail!("cargo built {} and named no program", copy.display()) };
    // cargo's own is written over by the next learner's of the same chapter; this one is this folder's.
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(folder, &mut hasher);
    let kept = copy.with_file_name("bin").join(format!("{}-{:x}", chapter.name, hasher.finish()));
    std::fs::create_dir_all(kept.parent().unwrap_or(&kept))?;
    let beside = kept.with_extension(format!("{}.partial", std::process::id()));
    std::fs::copy(built, &beside).with_context(|| beside.display().to_string())?;
    std::fs::rename(&beside, &kept).with_context(|| kept.display().to_string())?;
    Ok(kept)
}

/// Keeps how a check ended, for [`write_verdicts`].
pub fn keep(check: &str, ended: &Result<(), Finding>) {
    let (outcome, text) = match ended {
        Err(finding) if limit::reason().is_some() => {
            let why = limit::reason().unwrap_or_default();
            (Outcome::Failed, format!("seen:     {why}\n{finding}"))
        }
        Ok(()) => (Outcome::Passed, String::new()),
        Err(finding) if finding.is_not_yet => (Outcome::NotYet, finding.seen.clone()),
        Err(Finding { untried: Some(why), .. }) => (Outcome::NotTried, why.clone()),
        Err(finding) => (Outcome::Failed, finding.to_string()),
    };
    if let Ok(mut verdicts) = VERDICTS.lock() {
        verdicts.push(Verdict { check: check.into(), outcome, text });
    }
}

/// Writes what was kept to the file that `BOXROOM_VERDICTS` names, for the guide to read.
///
/// # Errors
/// The file can't be written.
pub fn write_verdicts() -> Result<()> {
    let Some(path) = env::var_os("BOXROOM_VERDICTS") else { return Ok(()) };
    let verdicts = VERDICTS.lock().map_err(|_| anyhow::anyhow!("a check panicked"))?;
    lesson::file::derive(Path::new(&path), &serde_json::to_vec(&*verdicts)?)
}
