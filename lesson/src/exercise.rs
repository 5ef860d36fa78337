//! The form of `exercise.toml`: tasks in their order, hints, predictions, quiz, and the words of the checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::words::CheckWords;

/// The exercise of a chapter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// What it is about, in a few words.
    pub title: String,
    /// How long all checks of the chapter may take on a learner's program, seconds: many times what they do.
    #[serde(default = "patience")]
    pub patience: u64,
    /// Task 0: something to try before the first line is written, where the chapter has it.
    pub opening: Option<Opening>,
    /// The tasks, in their order.
    #[serde(rename = "task", default)]
    pub tasks: Vec<Task>,
    /// Questions that a later chapter asks about this one.
    #[serde(default)]
    pub quiz: Vec<Question>,
    /// What each check says when it fails, by the check's name.
    #[serde(default)]
    pub check: BTreeMap<String, CheckWords>,
}

/// Task 0: a command to play with. Nothing is written, nothing is graded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Its title.
    pub title: String,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// What to do.
    pub what: String,
    /// The command that begins it, as it is typed at the top of the checkout.
    pub command: String,
}

/// One task: something to predict, to write, to see proven, and to break again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its short name, by which progress is kept: `uts`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// Whether the chapter isn't done without it.
    #[serde(default = "yes")]
    pub core: bool,
    /// What to do.
    pub what: String,
    /// Sections of the book and manual pages.
    pub read: Vec<String>,
    /// From gentle to nearly the answer.
    pub hints: [String; 3],
    /// The checks that prove it.
    pub checks: Vec<String>,
    /// What is left out of the source for the learner to write.
    #[serde(rename = "blank", default)]
    pub blanks: Vec<Blank>,
    /// A question before the work.
    pub predict: Question,
    /// The probe whose cell of the ladder turns ESCAPED when the learner's lines are taken out again; a task of a
    /// chapter that contains nothing has none.
    pub breaks: Option<String>,
    /// What to take out to see it, and what to look for.
    pub break_it: String,
    /// Pairs of calls whose order explains a failure.
    #[serde(rename = "order", default)]
    pub orders: Vec<Order>,
    /// What a class asks, and what to answer.
    pub asked: [Asked; 2],
}

/// A marked body in a source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blank {
    /// The file, from the chapter's folder.
    pub file: String,
    /// The name of its `// ANCHOR:`; it begins with `task-`.
    pub anchor: String,
    /// What to do here, with the manual page: the text of the skeleton's `todo!`.
    pub todo: String,
    /// The arguments that the body uses, as they are written there, separated by commas: so that a skeleton
    /// compiles without a warning.
    #[serde(default)]
    pub uses: String,
}

/// A question of several answers, settled by running something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question.
    pub question: String,
    /// The answers to choose from, at least two.
    pub answers: Vec<String>,
    /// The number of the right one, from 1.
    pub right: usize,
    /// The command that settles it, as it is typed; run before the reader's eyes.
    pub command: String,
    /// Why it is so.
    pub why: String,
}

/// Two calls of a launch, the first of which must come before the second.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// How the call begins that has to come first, as `--explain` writes it.
    pub first: String,
    /// What it does: `propagation made private`.
    pub first_is: String,
    /// How the call begins that has to come later.
    pub then: String,
    /// What it does: `mount made`.
    pub then_is: String,
}

/// A common question, and its answer for the instructor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// What a class asks.
    pub question: String,
    /// What to answer.
    pub answer: String,
}

/// What the checks of most chapters never need.
fn patience() -> u64 {
    20
}

fn yes() -> bool {
    true
}

impl Exercise {
    /// The exercise of the chapter in `folder` (`chapters/NN-name`).
    ///
    /// # Errors
    /// There is none, or it isn't in the form; the message names the file and the place.
    pub fn of(folder: &Path) -> Result<Self> {
        let path = folder.join("exercise.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// The same from its text.
    ///
    /// # Errors
    /// It isn't TOML, a field is missing or unknown, or what it says doesn't fit together.
    pub fn parse(text: &str) -> Result<Self> {
        let exercise: Self = toml::from_str(text)?;
        for task in &exercise.tasks {
            let questions = [&task.predict];
            for question in questions.into_iter().chain(&exercise.quiz) {
                if question.answers.len() < 2 || !(1..=question.answers.len()).contains(&question.right) {
                    bail!("{:?} has no right answer among two or more", question.question);
                }
            }
            if task.blanks.iter().any(|blank| !blank.anchor.starts_with("task-")) {
                bail!("task {}: a blank's anchor begins with task-", task.name);
            }
            if task.checks.is_empty() {
                bail!("task {}: no check proves it", task.name);
            }
        }
        Ok(exercise)
    }

    /// The task of this name or number (from 1), and its number.
    #[must_use]
    pub fn task(&self, wanted: &str) -> Option<(usize, &Task)> {
        let number = wanted.parse::<usize>().ok();
        let numbered = self.tasks.iter().enumerate().map(|(n, task)| (n + 1, task));
        numbered.into_iter().find(|(n, task)| Some(*n) == number || task.name == wanted)
    }

    /// How long the tasks take together, in minutes: the core ones, or all.
    #[must_use]
    pub fn minutes(&self, all: bool) -> u32 {
        self.tasks.iter().filter(|task| all || task.core).map(|task| task.minutes).sum()
    }
}
