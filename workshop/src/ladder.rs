//! `cargo workshop ladder`: all stages times all probes, as a table, as JSON, and counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use ch02_namespaces::without::Without;
use checks::attempt::Cell;
use checks::ladder::{Ladder, in_columns, run_with};
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
    let ladder = run_with(Profile::here(), all, others, &mut |done, count, row| {
        // Whether somebody still reads the progress is no reason to stop.
        let _ = progress.at(&format!("{done} of {count}, {row}"));
    })?;
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
            _ => cells
                .iter()
                .zip(in_columns(&cells[..columns]))
                .map(|(cell, text)| painted(ink, cell, &text))
                .collect(),
        };
        writeln!(out, "  {:width$}  {}", probe.row, said.trim_end())?;
    }
    Ok(())
}

/// Padded first: colour codes have no width on the screen, but count as characters.
fn painted(ink: Ink, cell: &Cell, text: &str) -> String {
    match cell {
        Cell::Contained => ink.green(text),
        Cell::Escaped => ink.red(text),
        _ => ink.yellow(text),
    }
}

/// The last line: how many cells were proven and how many not tried, why, and the cure.
///
/// # Errors
/// The writer is gone.
pub fn count(out: &mut impl Write, ink: Ink, ladder: &Ladder) -> Result<()> {
    let mut proven = 0;
    let mut not_tried: BTreeMap<String, usize> = BTreeMap::new();
    for cell in ladder.rows().iter().flat_map(|(_, cells)| cells) {
        match cell {
            Cell::Contained | Cell::Escaped => proven += 1,
            other => *not_tried.entry(other.to_string()).or_default() += 1,
        }
    }
    let lacking: usize = not_tried.values().sum();
    for (why, times) in &not_tried {
        writeln!(out, "  {times:3} cells: {why}")?;
    }
    let rest = if lacking == 0 {
        ink.green("0 NOT TRIED")
    } else {
        let (why, cure) = why(ladder.profile(), &not_tried);
        format!("{}: {why}; cure: {cure}", ink.yellow(&format!("{lacking} NOT TRIED")))
    };
    writeln!(out, "{proven} cells proven {}, {rest}", ladder.profile().words())?;
    Ok(())
}

/// The reasons in a few words, and what to do about them.
fn why(profile: Profile, not_tried: &BTreeMap<String, usize>) -> (&'static str, &'static str) {
    if not_tried.keys().any(|why| why.starts_with("not runnable")) {
        ("a stage does not run here", "cargo workshop doctor says what this machine lacks")
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
