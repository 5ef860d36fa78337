//! Questions of several answers: a prediction before the work, two of the quiz between chapters. None is graded; each is
//! settled by running a command before the reader's eyes.

use std::io::{BufRead, IsTerminal, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lesson::chapter::Chapter;
use lesson::exercise::{Exercise, Question, Task};

use super::desk::Desk;
use super::progress::Progress;
use crate::ink::{Ink, wrap};

/// Most lines of a command's answer that are shown.
const LINES: usize = 14;

/// Asks a task's prediction and keeps the answer. Without a terminal it says how to answer.
///
/// # Errors
/// The answer can't be kept, or the writer is gone.
pub fn predict(
    out: &mut impl Write,
    ink: Ink,
    chapter: &Chapter,
    (number, task): (usize, &Task),
) -> Result<()> {
    writeln!(
        out,
        "{} {}",
        ink.bold(&format!("Predict, task {number} ({}):", task.name)),
        task.predict.question
    )?;
    choices(out, &task.predict)?;
    if let Some(answer) = ask(out, task.predict.answers.len())? {
        answer_is(chapter, task, answer)?;
        writeln!(out, "  kept; after the check it comes back\n")?;
    } else {
        let digits = chapter.digits();
        writeln!(out, "  your answer: cargo workshop predict {digits} {} --answer N\n", task.name)?;
    }
    Ok(())
}

/// `cargo workshop predict`: the question again, or its answer kept.
///
/// # Errors
/// No such task, or no such answer.
pub fn run(
    out: &mut impl Write,
    ink: Ink,
    (chapter, task, answer): (Option<&str>, Option<&str>, Option<usize>),
) -> Result<ExitCode> {
    let desk = Desk::at(chapter)?;
    let (number, task) = desk.task(task)?;
    match answer {
        None => predict(out, ink, &desk.chapter, (number, task))?,
        Some(answer) if (1..=task.predict.answers.len()).contains(&answer) => {
            answer_is(&desk.chapter, task, answer)?;
            writeln!(out, "kept: {} (task {number}, {})", task.predict.answers[answer - 1], task.name)?;
        }
        Some(answer) => {
            bail!("task {number} has the answers 1 to {}, not {answer}", task.predict.answers.len())
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// After the check: what was predicted, what the kernel says, and why.
///
/// # Errors
/// The writer is gone.
pub fn settle(out: &mut impl Write, ink: Ink, question: &Question, predicted: Option<usize>) -> Result<()> {
    writeln!(out, "  {} {}", ink.bold("predicted:"), question.question)?;
    match predicted.and_then(|answer| question.answers.get(answer - 1)) {
        Some(answer) => writeln!(out, "    you said    {answer}")?,
        None => writeln!(out, "    you said    nothing yet")?,
    }
    writeln!(out, "    $ {}", question.command)?;
    for line in answer_of(&question.command) {
        writeln!(out, "    {}", ink.dim(&line))?;
    }
    let right = &question.answers[question.right - 1];
    let mark = if predicted == Some(question.right) { ink.green("as you said:") } else { "it is:".into() };
    writeln!(out, "    {mark} {right}")?;
    writeln!(out, "    {}\n", wrap(&question.why, 100, 4))?;
    Ok(())
}

/// `cargo workshop next`: two questions from earlier chapters, then what to do next.
///
/// # Errors
/// The progress can't be kept, or the writer is gone.
pub fn next(out: &mut impl Write, ink: Ink) -> Result<ExitCode> {
    let desk = Desk::at(None)?;
    let mut questions = Vec::new();
    for chapter in Chapter::all(&desk.chapter.top)? {
        if chapter.number() <= desk.chapter.number() {
            let exercise = Exercise::of(&chapter.reference())?;
            questions.extend(exercise.quiz.into_iter().map(|question| (chapter.name.clone(), question)));
        }
    }
    let progress = Progress::change(&desk.chapter.exercises(), |progress| progress.asked += 2)?;
    for n in 0..2.min(questions.len()) {
        let (chapter, question) = &questions[(progress.asked - 2 + n) % questions.len()];
        writeln!(out, "{} {}", ink.bold(&format!("From {chapter}:")), question.question)?;
        choices(out, question)?;
        let answer = ask(out, question.answers.len())?;
        settle(out, ink, question, answer)?;
    }
    let digits = desk.chapter.digits();
    let open = desk.numbered().find(|(_, task)| !progress.of(&desk.chapter.name, &task.name).proven);
    match open {
        Some((number, task)) => {
            writeln!(
                out,
                "Next: task {number} ({}) of {}, {} minutes: {}",
                task.name, desk.chapter.name, task.minutes, task.title
            )?;
            writeln!(
                out,
                "  cargo workshop hint {digits} {}   ·   cargo workshop check {digits}",
                task.name
            )?;
        }
        None => match Chapter::all(&desk.chapter.top)?
            .into_iter()
            .find(|other| other.number() > desk.chapter.number())
        {
            Some(other) => writeln!(
                out,
                "Chapter {} is done. Next: cargo workshop start {}",
                desk.chapter.name,
                other.digits()
            )?,
            None => writeln!(out, "Every exercise that there is, is done: cargo workshop graduate")?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn choices(out: &mut impl Write, question: &Question) -> Result<()> {
    for (n, answer) in question.answers.iter().enumerate() {
        writeln!(out, "  {}  {answer}", n + 1)?;
    }
    Ok(())
}

/// One line from the terminal; nothing where there is none, or where it is no answer.
fn ask(out: &mut impl Write, answers: usize) -> Result<Option<usize>> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    write!(out, "  1 to {answers}, Enter to skip: ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().parse().ok().filter(|answer| (1..=answers).contains(answer)))
}

fn answer_is(chapter: &Chapter, task: &Task, answer: usize) -> Result<()> {
    Progress::change(&chapter.exercises(), |progress| {
        progress.of_mut(&chapter.name, &task.name).predicted = Some(answer);
    })
    .map(drop)
}

/// What the command says, run with the chapters' programs in PATH, for ten seconds at most.
fn answer_of(command: &str) -> Vec<String> {
    let mut path = probe::target_dir().unwrap_or_default().join("debug").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let child = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .env("PATH", path)
        .current_dir(probe::workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return vec!["(there is no sh)".into()] };
    let began = Instant::now();
    // What it says is short: it fits into the pipe, so nobody has to read meanwhile.
    while matches!(child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let Ok(output) = child.wait_with_output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text.lines().take(LINES).map(String::from).collect();
    if text.lines().count() > LINES {
        lines.push("...".into());
    }
    lines
}
