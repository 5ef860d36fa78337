//! The ladder: all stages times all probes, each cell from a run, none written by hand.

use std::fmt::Write;

use anyhow::Result;
use probe::catalogue::{PROBES, Probe};

use crate::arena;
use crate::attempt::{Cell, attempt};
use crate::profile::Profile;
use crate::stage::{STAGES, Stage};

/// The ladder of one profile.
#[derive(Debug, Clone)]
pub struct Ladder {
    profile: Profile,
    rows: Vec<(&'static Probe, Vec<Cell>)>,
}

/// Runs every probe on the bare host and on every stage. `progress` hears each line before it is tried:
/// how many are done, how many there are, which one comes.
///
/// # Errors
/// A stage can't be built, or the machine allows no test at all.
pub fn run(profile: Profile, progress: &mut (dyn FnMut(usize, usize, &str) + Send)) -> Result<Ladder> {
    run_rows(profile, true, progress)
}

/// [`run`] for the seven rows that tell the story alone (`all` false), or for every row.
///
/// # Errors
/// As [`run`].
pub fn run_rows(
    profile: Profile,
    all: bool,
    progress: &mut (dyn FnMut(usize, usize, &str) + Send),
) -> Result<Ladder> {
    run_with(profile, all, &[], progress)
}

/// [`run_rows`] with other stages in place of those of their names: a learner's own, or one without a mechanism.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    profile: Profile,
    all: bool,
    others: &[Stage],
    progress: &mut (dyn FnMut(usize, usize, &str) + Send),
) -> Result<Ladder> {
    let probes: Vec<&Probe> = PROBES.iter().filter(|probe| all || probe.story).collect();
    progress(0, probes.len(), "building the stages and their base");
    let stage = |name| match others.iter().find(|other| other.name == name) {
        Some(other) => Ok(other.clone()),
        None => Stage::of(name),
    };
    let stages = STAGES.into_iter().map(stage).collect::<Result<Vec<_>>>()?;
    let count = probes.len();
    let rows = arena::inside(|| {
        probes
            .into_iter()
            .enumerate()
            .map(|(done, probe)| {
                progress(done, count, probe.row);
                Ok((probe, row(probe, &stages)?))
            })
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(Ladder { profile, rows })
}

/// One stage's column alone, by the probes' names, without the bare host's baseline: for comparing a stage with itself. The
/// probes that `skip` names are left out.
///
/// # Errors
/// As [`run`].
pub fn column(stage: &Stage, skip: &[&str]) -> Result<Vec<(&'static str, Cell)>> {
    let probes = PROBES.iter().filter(|probe| !skip.contains(&probe.name));
    arena::inside(|| probes.map(|probe| Ok((probe.name, attempt(probe, stage)?))).collect())
}

fn row(probe: &Probe, stages: &[Stage]) -> Result<Vec<Cell>> {
    let bare = attempt(probe, &Stage::bare())?;
    stages
        .iter()
        .map(|stage| match &bare {
            Cell::Escaped => attempt(probe, stage),
            Cell::NotRunnable(why) | Cell::NoBaseline(why) => Ok(Cell::NoBaseline(why.clone())),
            other => Ok(other.clone()),
        })
        .collect()
}

/// The cells of a row, each as wide as its column; a long reason is told once.
#[must_use]
pub fn in_columns(cells: &[Cell]) -> Vec<String> {
    let mut before = None;
    let text = |cell: &Cell| {
        let is_told =
            matches!(cell, Cell::NotRunnable(_) | Cell::NotTried(_)) && before == Some(cell.clone());
        before = Some(cell.clone());
        if is_told { format!("{:<15}", "the same") } else { format!("{:<15}", format!("{cell}  ")) }
    };
    cells.iter().map(text).collect()
}

impl Ladder {
    /// As whom it was run.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The rows: each probe with a cell for each of [`STAGES`].
    #[must_use]
    pub fn rows(&self) -> &[(&'static Probe, Vec<Cell>)] {
        &self.rows
    }

    /// The rows that this machine could not try, with what it lacks.
    #[must_use]
    pub fn not_tried(&self) -> Vec<(&'static str, &str)> {
        self.rows
            .iter()
            .filter_map(|(probe, cells)| match cells.first() {
                Some(Cell::NotTried(why)) => Some((probe.name, why.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The table as text: every row, or the seven that tell the story.
    #[must_use]
    pub fn render(&self, all_rows: bool) -> String {
        let mut text = format!("What a process inside does, {}:\n\n", self.profile.words());
        let rows: Vec<_> = self.rows.iter().filter(|(probe, _)| all_rows || probe.story).collect();
        let width = rows.iter().map(|(probe, _)| probe.row.chars().count()).max().unwrap_or(0);
        let heads: String = STAGES.iter().map(|stage| format!("{stage:<15}")).collect();
        let _ = writeln!(text, "{:width$}  {}", "", heads.trim_end());
        for (probe, cells) in rows {
            let _ = write!(text, "{:width$}  ", probe.row);
            // One reason for the whole row is said once.
            let said = match cells.first() {
                Some(cell @ (Cell::NoBaseline(_) | Cell::NotTried(_))) => cell.to_string(),
                _ => in_columns(cells).concat(),
            };
            let _ = writeln!(text, "{}", said.trim_end());
        }
        text
    }
}
