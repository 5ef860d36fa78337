//! `cargo workshop ladder`: all stages times all probes, as a table, as JSON, and counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use ch02_namespaces::without::Without;
use checks::attempt::Cell;
use checks::ladder::{Ladder, run_with};
use checks::leftover::Groups;
use checks::profile::Profile;
use checks::stage::{STAGES, Stage};
use serde_json::json;

use crate::exercise::desk::Desk;
use crate::ink::Ink;
use crate::progress::Progress;

/// Runs it and writes it.
///
/// # Errors
/// A stage can't be built, or the writer is gone.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    (all, json): (bool, bool),
    others: &[Stage],
) -> Result<ExitCode> {
    let ladder = climb_with(progress, all || json, others)?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&ladder))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "What a process inside does, {}:\n", ladder.profile().words())?;
    table(out, ink, &ladder, STAGES.len())?;
    writeln!(out)?;
    if !all {
        writeln!(out, "These rows tell the story; cargo workshop ladder --all shows every one.")?;
    }
    count(out, ink, &ladder)?;
    Ok(ExitCode::SUCCESS)
}

/// Tries every row, telling which.
///
/// # Errors
/// A stage can't be built, or this machine allows no test at all.
pub fn climb(progress: &mut Progress<impl Write + Send>, all: bool) -> Result<Ladder> {
    climb_with(progress, all, &[])
}

/// The stages that stand in the reference's place: the learner's own chapters (`--own 02`), and chapter 02 without one of its
/// mechanisms (`--without uts`).
///
/// # Errors
/// A learner's copy doesn't compile, or there is none; there is no such mechanism.
pub fn others(own: &[String], without: Option<Without>) -> Result<Vec<Stage>> {
    let mut stages = Vec::new();
    for wanted in own {
        let desk = Desk::started(Some(wanted))?;
        let binary = checks::learner::lent(&desk.chapter, &desk.exercise, &desk.chapter.learners())?;
        let name = STAGES.into_iter().find(|name| *name == desk.chapter.name);
        stages.push(Stage::with_binary(name.context("no stage of that name")?, binary)?);
    }
    if let Some(without) = without {
        let name = Without::ALL.iter().find(|(_, other)| *other == without).map_or("", |(name, _)| *name);
        stages.push(Stage::of("02-namespaces")?.always(&["--without", name]));
    }
    Ok(stages)
}

fn climb_with(progress: &mut Progress<impl Write + Send>, all: bool, others: &[Stage]) -> Result<Ladder> {
    progress.begin("trying each way out on each stage")?;
    // What a learner's chapter forgets is removed, as after its checks.
    let groups = (!others.is_empty()).then(Groups::now);
    let ladder = run_with(Profile::here(), all, others, &mut |done, count, row| {
        // Whether somebody still reads the progress is no reason to stop.
        let _ = progress.at(&format!("{done} of {count}, {row}"));
    });
    if let Some(groups) = groups {
        groups.sweep();
    }
    let ladder = ladder?;
    let cells = ladder.rows().len() * (STAGES.len() + 1);
    progress.end(&format!("{cells} runs, the bare host's included"))?;
    Ok(ladder)
}

/// The table with its first `columns` stages: it grows to the right.
///
/// # Errors
/// The writer is gone.
pub fn table(out: &mut impl Write, ink: Ink, ladder: &Ladder, columns: usize) -> Result<()> {
    let width = ladder.rows().iter().map(|(probe, _)| probe.row.chars().count()).max().unwrap_or(0);
    let heads: String = STAGES[..columns].iter().map(|stage| format!("{stage:<15}")).collect();
    writeln!(out, "  {:width$}  {}", "", ink.bold(heads.trim_end()))?;
    for (probe, cells) in ladder.rows() {
        let said = match cells.first() {
            // One reason for the whole row is said once.
            Some(cell @ (Cell::NoBaseline(_) | Cell::NotTried(_))) => ink.yellow(&cell.to_string()),
            _ => cells[..columns].iter().map(|cell| painted(ink, cell)).collect(),
        };
        writeln!(out, "  {:width$}  {}", probe.row, said.trim_end())?;
    }
    Ok(())
}

fn painted(ink: Ink, cell: &Cell) -> String {
    // Padded first: colour codes have no width on the screen, but count as characters. Why a stage doesn't run, or could
    // not be tried, is said below the table, once.
    let text = match cell {
        Cell::NotRunnable(_) => format!("{:<15}", "not runnable"),
        Cell::NotTried(_) => format!("{:<15}", "not tried"),
        cell => format!("{cell:<15}"),
    };
    match cell {
        Cell::Contained => ink.green(&text),
        Cell::Escaped => ink.red(&text),
        _ => ink.yellow(&format!("{text} ")),
    }
}

/// The last line: how many cells were proven and how many not tried, why, and the cure.
///
/// # Errors
/// The writer is gone.
pub fn count(out: &mut impl Write, ink: Ink, ladder: &Ladder) -> Result<()> {
    let mut proven = 0;
    let mut not_tried: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for cell in ladder.rows().iter().flat_map(|(_, cells)| cells) {
        match cell {
            Cell::Contained | Cell::Escaped => proven += 1,
            other => {
                let why = other.to_string();
                not_tried.entry(without_numbers(&why)).or_insert((why, 0)).1 += 1;
            }
        }
    }
    let lacking: usize = not_tried.values().map(|(_, times)| times).sum();
    for (why, times) in not_tried.values() {
        writeln!(out, "  {times:3} cells: {why}")?;
    }
    let rest = if lacking == 0 {
        ink.green("0 NOT TRIED")
    } else {
        let (why, cure) = why(ladder.profile(), not_tried.keys());
        format!("{}: {why}; cure: {cure}", ink.yellow(&format!("{lacking} NOT TRIED")))
    };
    writeln!(out, "{proven} cells proven {}, {rest}", ladder.profile().words())?;
    Ok(())
}

/// A reason as it is on every run: numbers of processes and made-up names of groups differ, and it is the same reason.
fn without_numbers(why: &str) -> String {
    let words = why.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words.map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word }).collect()
}

/// The reasons in a few words, and what to do about them.
fn why<'a>(
    profile: Profile,
    mut not_tried: impl Iterator<Item = &'a String>,
) -> (&'static str, &'static str) {
    if not_tried.any(|why| why.starts_with("not runnable")) {
        ("a stage does not run here, see above", "cargo workshop doctor says what this machine lacks")
    } else if profile == Profile::Root {
        ("this machine lacks what the attempts need, see above", "another machine")
    } else {
        (
            "an ordinary user can't do that on the bare host either, see above",
            "as root too: sudo env PATH=\"$PATH\" HOME=\"$HOME\" CARGO_TARGET_DIR=/tmp/boxroom-root cargo workshop",
        )
    }
}

fn as_json(ladder: &Ladder) -> serde_json::Value {
    let rows: Vec<_> = ladder
        .rows()
        .iter()
        .map(|(probe, cells)| {
            let cells: BTreeMap<_, _> =
                STAGES.iter().zip(cells).map(|(stage, cell)| (*stage, cell.to_string())).collect();
            json!({
                "probe": probe.name, "row": probe.row, "story": probe.story,
                "stopped_by": probe.stopped_by, "reference": probe.reference, "cells": cells,
            })
        })
        .collect();
    json!({ "profile": ladder.profile().name(), "stages": STAGES, "rows": rows })
}
