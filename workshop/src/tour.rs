//! `cargo workshop` without a command: from nothing to a room in one go, with what each stage is worth.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use checks::attempt::Cell;
use checks::ladder::Ladder;
use checks::stage::Stage;

use crate::doctor::facts::Facts;
use crate::ink::Ink;
use crate::ladder;
use crate::progress::Progress;
use crate::story::{LOOK, NEXT, SCENES, image, look};

/// Builds, makes the base, runs every stage on it, and shows the ladder growing.
///
/// # Errors
/// Something can't be built or made; the message says what, and `cargo workshop doctor` why.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    all: bool,
) -> Result<ExitCode> {
    progress.begin("building the stages (the first time takes a while)")?;
    let stages: Vec<Stage> =
        SCENES.iter().map(|scene| Stage::of(scene.stage)).collect::<Result<_>>().map_err(ask_the_doctor)?;
    progress.end("ready")?;

    progress.begin("building the probe, the instrument that goes inside")?;
    let probe = probe::staged().map_err(ask_the_doctor)?;
    progress.end(&probe.display().to_string())?;

    progress.begin("making the base image from this machine")?;
    let base = ch01_chroot::base::ensure_default().map_err(ask_the_doctor)?;
    progress.end(&base.display().to_string())?;

    let ladder = ladder::climb(progress, all).map_err(ask_the_doctor)?;

    writeln!(out, "\n{}", Facts::read().in_a_line())?;
    for (n, (scene, stage)) in SCENES.iter().zip(&stages).enumerate() {
        let title = format!("{}: {}", scene.stage, scene.picture);
        writeln!(out, "\n{}\n{}\n", ink.bold(&title), scene.adds)?;
        if let Some(binary) = stage.binary() {
            let image: String = image(scene.stage).iter().map(|image| format!("{image} ")).collect();
            writeln!(out, "  $ ch{} run {image}sh -c '{LOOK}'", scene.stage)?;
            let seen = look(binary, scene.stage).unwrap_or_else(|error| ink.red(&format!("{error:#}")));
            writeln!(out, "  {seen}\n")?;
        }
        ladder::table(out, ink, &ladder, n + 1)?;
        writeln!(out, "\n{}", worth(&ladder, n, scene.stage))?;
    }
    writeln!(out, "\n{}", ink.bold("Next"))?;
    for (what, command) in NEXT {
        writeln!(out, "  {what:39} {command}")?;
    }
    writeln!(out)?;
    ladder::count(out, ink, &ladder)?;
    Ok(ExitCode::SUCCESS)
}

/// What a stage stops, counted from its column; and what the stage before let through.
fn worth(ladder: &Ladder, column: usize, stage: &str) -> String {
    let contained = |column: usize| {
        ladder.rows().iter().filter(|(_, cells)| cells.get(column) == Some(&Cell::Contained)).count()
    };
    let tried = ladder
        .rows()
        .iter()
        .filter(|(_, cells)| matches!(cells.get(column), Some(Cell::Contained | Cell::Escaped)))
        .count();
    let now = contained(column);
    let more = match column.checked_sub(1).map(contained) {
        Some(before) if now > before => format!(", {} more than the stage before", now - before),
        _ => String::new(),
    };
    format!("{stage} stops {now} of {tried} ways out{more}.")
}

fn ask_the_doctor(error: anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}\n  see:   cargo workshop doctor says what this machine lacks")
}
