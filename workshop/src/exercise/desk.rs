//! Which chapter and which task are meant, where the command line says little.

use anyhow::{Result, bail};
use lesson::chapter::Chapter;
use lesson::exercise::{Blank, Exercise, Task};
use lesson::{blank, skeleton};

use super::progress::Progress;

/// A chapter that is being worked on.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The chapter.
    pub chapter: Chapter,
    /// Its exercise.
    pub exercise: Exercise,
    /// What was done so far.
    pub progress: Progress,
}

impl Desk {
    /// The chapter that is named, else the one that was worked on last.
    ///
    /// # Errors
    /// There is no such chapter, or none was started.
    pub fn at(wanted: Option<&str>) -> Result<Self> {
        let top = probe::workspace();
        let progress = Progress::read(&lesson::chapter::exercises(top))?;
        let Some(wanted) = wanted.or(progress.current.as_deref()) else {
            bail!("no chapter was started yet\n  try:   cargo workshop start 00");
        };
        let chapter = Chapter::find(top, wanted)?;
        let exercise = Exercise::of(&chapter.reference())?;
        Ok(Self { chapter, exercise, progress })
    }

    /// The same, where it has to be started already.
    ///
    /// # Errors
    /// As [`Desk::at`], or there is no copy of the learner's.
    pub fn started(wanted: Option<&str>) -> Result<Self> {
        let desk = Self::at(wanted)?;
        if !desk.chapter.is_started() {
            let digits = desk.chapter.digits();
            bail!(
                "chapter {} was not started yet\n  try:   cargo workshop start {digits}",
                desk.chapter.name
            );
        }
        Ok(desk)
    }

    /// The task that is named, else the first that isn't proven.
    ///
    /// # Errors
    /// There is no such task, or all are proven.
    pub fn task(&self, wanted: Option<&str>) -> Result<(usize, &Task)> {
        if let Some(wanted) = wanted {
            let names: Vec<_> = self.exercise.tasks.iter().map(|task| task.name.as_str()).collect();
            return match self.exercise.task(wanted) {
                Some(found) => Ok(found),
                None => bail!(
                    "chapter {} has no task {wanted:?}; there are 1 to {}: {}",
                    self.chapter.name,
                    names.len(),
                    names.join(", ")
                ),
            };
        }
        let open = self.numbered().find(|(_, task)| !self.progress.of(&self.chapter.name, &task.name).proven);
        match open {
            Some(found) => Ok(found),
            None => bail!("every task of chapter {} is proven; name one", self.chapter.name),
        }
    }

    /// The tasks with their numbers, from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Task)> {
        self.exercise.tasks.iter().enumerate().map(|(n, task)| (n + 1, task))
    }

    /// The files in which a task that is begun is still blank; none where nothing or all of it is written.
    #[must_use]
    pub fn half_open<'a>(&self, task: &'a Task) -> Vec<&'a str> {
        let is_blank = |blank: &&Blank| {
            let text = std::fs::read_to_string(self.chapter.learners().join(&blank.file));
            text.is_ok_and(|text| blank::is_blank(&text, &blank.anchor))
        };
        let open: Vec<_> = task.blanks.iter().filter(is_blank).map(|blank| blank.file.as_str()).collect();
        if open.len() < task.blanks.len() { open } else { Vec::new() }
    }

    /// Whether the learner has still to write it.
    #[must_use]
    pub fn is_open(&self, task: &Task) -> bool {
        skeleton::is_open(task, &self.chapter.learners())
    }
}
