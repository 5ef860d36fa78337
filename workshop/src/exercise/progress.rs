//! What a learner has done, by the names of chapters and tasks: `exercises/progress.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The chapter that was worked on last.
    #[serde(default)]
    pub current: Option<String>,
    /// By chapter, then by task.
    #[serde(default)]
    pub chapters: BTreeMap<String, BTreeMap<String, Done>>,
    /// How many questions of the quiz were asked: the next ones are others.
    #[serde(default)]
    pub asked: usize,
}

/// What was done about a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Whether its checks have passed on the learner's own lines.
    #[serde(default)]
    pub proven: bool,
    /// The answer to its prediction, from 1.
    #[serde(default)]
    pub predicted: Option<usize>,
    /// How many of its hints were read.
    #[serde(default)]
    pub hints: usize,
    /// How often the solution was asked for.
    #[serde(default)]
    pub solution: usize,
}

impl Progress {
    /// What is kept in `exercises`; nothing yet is no error.
    ///
    /// # Errors
    /// The file is there and can't be understood: it is left as it is, for it is the learner's.
    pub fn read(exercises: &Path) -> Result<Self> {
        let path = file(exercises);
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!("{} can't be understood; move it away to begin anew, or mend it", path.display())
            }),
        }
    }

    /// Changes what is kept. Two guides at once: one waits for the other, and nothing is lost.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn change(exercises: &Path, change: impl FnOnce(&mut Self)) -> Result<Self> {
        fs::create_dir_all(exercises).with_context(|| exercises.display().to_string())?;
        let lock = exercises.join(".progress.lock");
        let lock = fs::File::create(&lock).with_context(|| lock.display().to_string())?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let mut progress = Self::read(exercises)?;
        let before = progress.clone();
        change(&mut progress);
        if progress != before {
            lesson::file::write(&file(exercises), &serde_json::to_vec_pretty(&progress)?)?;
        }
        Ok(progress)
    }

    /// What was done about a task; nothing yet is the default.
    #[must_use]
    pub fn of(&self, chapter: &str, task: &str) -> Done {
        self.chapters.get(chapter).and_then(|tasks| tasks.get(task)).cloned().unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, chapter: &str, task: &str) -> &mut Done {
        self.chapters.entry(chapter.into()).or_default().entry(task.into()).or_default()
    }
}

fn file(exercises: &Path) -> PathBuf {
    exercises.join("progress.json")
}
