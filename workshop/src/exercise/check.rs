//! `cargo workshop check`: the verdict of the chapter's checks on the learner's copy, task by task.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, bail};
use checks::learner::{self, Outcome, Verdict};
use lesson::blank;
use lesson::exercise::Task;
use lesson::manifest::Copy;
use serde_json::json;

use super::beside::beside;
use super::compiler::in_learners_words;
use super::desk::Desk;
use super::progress::Progress as Done;
use super::question;
use crate::ink::{Ink, wrap};
use crate::progress::Progress;

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All its checks have passed.
    Proven,
    /// It isn't written yet.
    NotYet,
    /// Written, and a check says no.
    Failed,
    /// Written, and this machine can't try a check of it.
    NotTried,
}

impl State {
    /// Its word, as `--json` has it too.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::NotYet => "not yet",
            Self::Failed => "FAILED",
            Self::NotTried => "NOT TRIED",
        }
    }
}

/// Checks the chapter and tells it. The exit code is 0 where every core task is proven. Where a task is named, all are checked,
/// and that one alone is told and decides.
///
/// # Errors
/// There is no such task, the exercise doesn't compile (the compiler's own message), or the checks can't be run at all.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    (chapter, task): (Option<&str>, Option<&str>),
    json: bool,
) -> Result<ExitCode> {
    let desk = Desk::started(chapter)?;
    let only = task.map(|task| desk.task(Some(task))).transpose()?.map(|(number, _)| number);
    let verdicts = verdicts(&desk, progress)?;
    let states: Vec<State> = desk.exercise.tasks.iter().map(|task| state(&desk, task, &verdicts)).collect();
    let chapter = desk.chapter.name.clone();
    Done::change(&desk.chapter.exercises(), |progress| {
        progress.current = Some(chapter.clone());
        for (task, state) in desk.exercise.tasks.iter().zip(&states) {
            progress.of_mut(&chapter, &task.name).proven = *state == State::Proven;
        }
    })?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&desk, only, &states, &verdicts))?)?;
    } else {
        tell(out, ink, &desk, only, &states, &verdicts)?;
    }
    let done = told(&desk, only, &states)
        .all(|((_, task), state)| (only.is_none() && !task.core) || state == State::Proven);
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the learner's copy, and runs the chapter's checks on it.
fn verdicts(desk: &Desk, progress: &mut Progress<impl Write + Send>) -> Result<Vec<Verdict>> {
    progress.begin("building your copy")?;
    // Here already, so that a compiler's message is told once and whole.
    let lent = match learner::lent(&desk.chapter, &desk.exercise, &desk.chapter.learners()) {
        Ok(lent) => lent,
        Err(error) => bail!("{}", in_learners_words(desk, &format!("{error:#}"))),
    };
    let checks = checks_of(&desk.chapter.name)?;
    progress.end("done")?;
    progress.begin("checking it from outside")?;
    let told = probe::target_dir()?.join(format!("verdicts-{}.json", std::process::id()));
    let ran = Command::new(checks)
        .current_dir(probe::workspace())
        .env("BOXROOM_EXERCISE", desk.chapter.learners())
        .env("BOXROOM_VERDICTS", &told)
        .env(learner::LENT, lent)
        .stdin(Stdio::null())
        .output()
        .context("could not start the chapter's checks")?;
    let text = std::fs::read(&told);
    let _ = std::fs::remove_file(&told);
    let Ok(text) = text else {
        bail!(
            "the checks ended with {} and told nothing:\n{}",
            ran.status,
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    let verdicts: Vec<Verdict> = serde_json::from_slice(&text)?;
    progress.end(&format!("{} checks", verdicts.len()))?;
    Ok(verdicts)
}

/// The chapter's checks, built once: a watch runs the same ones after each save, and cargo takes a moment to see that
/// there is nothing to do.
fn checks_of(chapter: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().map_err(|_| anyhow!("another build of checks panicked"))?;
    if let Some(checks) = built.get(chapter).filter(|checks| checks.is_file()) {
        return Ok(checks.clone());
    }
    let checks = probe::build_test(&format!("ch{chapter}"), "checks")?;
    built.insert(chapter.into(), checks.clone());
    Ok(checks)
}

fn state(desk: &Desk, task: &Task, verdicts: &[Verdict]) -> State {
    if desk.is_open(task) {
        return State::NotYet;
    }
    let mine: Vec<Outcome> = verdicts
        .iter()
        .filter(|verdict| task.checks.contains(&verdict.check))
        .map(|verdict| verdict.outcome)
        .collect();
    if mine.contains(&Outcome::Failed) {
        State::Failed
    } else if mine.contains(&Outcome::NotYet) {
        State::NotYet
    } else if mine.contains(&Outcome::Passed) {
        // What a check of it needs another machine or user for is counted in the last line.
        State::Proven
    } else {
        State::NotTried
    }
}

/// The tasks that are told, with their numbers and how they stand: the one that was named, else all.
fn told<'a>(
    desk: &'a Desk,
    only: Option<usize>,
    states: &'a [State],
) -> impl Iterator<Item = ((usize, &'a Task), State)> {
    let all = desk.numbered().zip(states.iter().copied());
    all.filter(move |((number, _), _)| only.is_none_or(|only| only == *number))
}

fn tell(
    out: &mut impl Write,
    ink: Ink,
    desk: &Desk,
    only: Option<usize>,
    states: &[State],
    verdicts: &[Verdict],
) -> Result<()> {
    let digits = desk.chapter.digits();
    writeln!(out, "\n{}", ink.bold(&format!("{}: {}", desk.chapter.name, desk.exercise.title)))?;
    for ((number, task), state) in told(desk, only, states) {
        let word = format!("{:9}", state.word());
        let word = match state {
            State::Proven => ink.green(&word),
            State::Failed => ink.red(&word),
            State::NotYet | State::NotTried => ink.yellow(&word),
        };
        let optional = if task.core { "" } else { " (optional)" };
        let open = desk.half_open(task);
        let open =
            if open.is_empty() { String::new() } else { format!("; still blank: {}", open.join(", ")) };
        writeln!(out, "  {number} {:12} {word}  {}{optional}{open}", task.name, task.title)?;
    }
    for ((number, task), _) in told(desk, only, states).filter(|(_, state)| *state == State::Failed) {
        let failed = failed(verdicts, |check| task.checks.iter().any(|name| name == check));
        failures(out, ink, desk, &format!("task {number} ({})", task.name), &failed)?;
    }
    // A check that belongs to no task passed on the reference's lines: it fails where the learner's broke something.
    let others = failed(verdicts, |check| {
        desk.exercise.tasks.iter().all(|task| task.checks.iter().all(|name| name != check))
    });
    failures(out, ink, desk, "what held before your lines", &others)?;
    if states.contains(&State::Failed) || !others.is_empty() {
        let lent = Copy::Lent.package(&desk.chapter);
        writeln!(out, "\n{lent}, in target/debug, is your copy as it was checked: what is blank is lent.")?;
    }
    for ((number, task), _) in told(desk, only, states).filter(|((_, task), state)| {
        *state == State::Proven && !desk.progress.of(&desk.chapter.name, &task.name).proven
    }) {
        passed(out, ink, desk, (number, task))?;
    }
    writeln!(out, "\n{}", last_line(ink, desk, states, verdicts))?;
    if let Some(((number, task), _)) =
        desk.numbered().zip(states).find(|((_, task), state)| task.core && **state != State::Proven)
    {
        writeln!(
            out,
            "next: task {number} ({}), {} min; cargo workshop hint {digits} {}",
            task.name, task.minutes, task.name
        )?;
    } else {
        writeln!(out, "every core task is proven: cargo workshop next")?;
    }
    Ok(())
}

fn failed(verdicts: &[Verdict], of: impl Fn(&str) -> bool) -> Vec<&Verdict> {
    verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed && of(&verdict.check)).collect()
}

/// The first failure whole, the others by their names: one mistake often fails many checks, and the first says it.
/// Whoever looks must look at their own program, so `look` names it and not the reference.
fn failures(out: &mut impl Write, ink: Ink, desk: &Desk, of: &str, failed: &[&Verdict]) -> Result<()> {
    let Some((first, others)) = failed.split_first() else { return Ok(()) };
    writeln!(out, "\n{}  {of}: {}", ink.red("FAILED"), first.check)?;
    let reference = format!("ch{} ", desk.chapter.name);
    for line in first.text.trim().lines() {
        if line.starts_with("look:") {
            let own = format!("{} ", Copy::Lent.package(&desk.chapter));
            writeln!(out, "  {}", line.replace(&reference, &own))?;
        } else {
            writeln!(out, "  {line}")?;
        }
    }
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|verdict| verdict.check.as_str()).collect();
        writeln!(out, "  and {}: {}", others.len(), wrap(&names.join(", "), 110, 4))?;
    }
    Ok(())
}

/// A task has passed for the first time: the prediction comes back, the reference stands beside, and it is broken again.
fn passed(out: &mut impl Write, ink: Ink, desk: &Desk, (number, task): (usize, &Task)) -> Result<()> {
    writeln!(out, "\n{} task {number} ({})", ink.green("proven:"), task.name)?;
    question::settle(out, ink, &task.predict, desk.progress.of(&desk.chapter.name, &task.name).predicted)?;
    for open in &task.blanks {
        let read = |folder: &Path| {
            let text = std::fs::read_to_string(folder.join(&open.file)).unwrap_or_default();
            blank::body(&text, &open.anchor).unwrap_or_default()
        };
        let (mine, theirs) = (read(&desk.chapter.learners()), read(&desk.chapter.reference()));
        let width = super::hint::width();
        out.write_all(
            beside(("yours", &mine), (&format!("the reference, {}", open.file), &theirs), width).as_bytes(),
        )?;
    }
    writeln!(out, "  {} {}", ink.bold("break it again:"), wrap(task.break_it.trim(), 100, 2))?;
    if let Some(row) = &task.breaks {
        writeln!(
            out,
            "  which cell of the ladder turns ESCAPED then? cargo workshop ladder --all --own {}   (the row of `{row}`)",
            desk.chapter.digits()
        )?;
    }
    Ok(())
}

/// What could not be tried is never done: it is counted, with the reason and the cure.
fn last_line(ink: Ink, desk: &Desk, states: &[State], verdicts: &[Verdict]) -> String {
    let core = desk.exercise.tasks.iter().filter(|task| task.core).count();
    let proven = desk
        .exercise
        .tasks
        .iter()
        .zip(states)
        .filter(|(task, state)| task.core && **state == State::Proven)
        .count();
    let count = |outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
    let mut line = format!(
        "{proven} of {core} core tasks; {} checks proven, {} failed, {} not yet",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::NotYet)
    );
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.outcome == Outcome::NotTried) {
        *reasons.entry(verdict.text.as_str()).or_default() += 1;
    }
    for (why, times) in reasons {
        line.push_str(&format!(", {}: {why}", ink.yellow(&format!("{times} NOT TRIED"))));
    }
    line
}

fn as_json(desk: &Desk, only: Option<usize>, states: &[State], verdicts: &[Verdict]) -> serde_json::Value {
    let tasks: Vec<_> = told(desk, only, states)
        .map(|((number, task), state)| {
            let checks: Vec<_> = verdicts.iter().filter(|v| task.checks.contains(&v.check)).collect();
            json!({ "number": number, "name": task.name, "core": task.core, "state": state.word(), "checks": checks })
        })
        .collect();
    json!({ "chapter": desk.chapter.name, "tasks": tasks })
}
