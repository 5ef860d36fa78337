//! What does a group cost? On a kernel that is really cgroup version 2: chapter 03's launch over chapter 02's, beside
//! what the same calls add to a floor in C. `benches/floor.c` and `benches/pace.c` are built for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Workshop;
use super::built;
use super::fetch::Bootable;
use super::machine::Machine;
use crate::progress::Progress;

/// The launches that are compared, as `guest/legs.sh` calls them; and what each second one took longer than the one before
/// it in the same round.
const LABELS: [&str; 6] =
    ["floor", "floor+group", "ch02-namespaces", "ch03-cgroups", "+floor+group", "+ch03-cgroups"];

/// What chapter 03 may add, in what the floor's group adds.
const BAR: f64 = 1.15;

/// Median and quartiles of whole processes, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    median: f64,
    quartiles: (f64, f64),
}

/// Runs `rounds` shuffled rounds in the guest and writes the table. The exit code is 1 where the bar is missed.
///
/// # Errors
/// The floor can't be built, the machine can't be started, or it doesn't end within `limit`.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    (workshop, kernel): (&mut Workshop, &Bootable),
    (rounds, limit): (usize, Duration),
) -> Result<ExitCode> {
    progress.begin("building the floor and the optimised chapters, static")?;
    let folder = workshop.cache.place()?;
    for program in ["floor", "pace"] {
        workshop.programs.binaries.push(compiled(program, folder.path())?);
    }
    for optimised in built::optimised(&["ch02-namespaces", "ch03-cgroups"])? {
        let name = optimised.file_name().map(ToOwned::to_owned);
        let mut all = workshop.programs.binaries.iter_mut();
        let same = all.find(|path| path.file_name() == name.as_deref());
        *same.context("a chapter is missing")? = optimised;
    }
    progress.end("here")?;
    let accelerator = workshop.accelerator(kernel)?;
    progress.begin(&format!("{rounds} rounds {}", accelerator.words()))?;
    let plan = workshop.prepare(kernel, "launches", &[format!("launches {rounds}")])?;
    let machine = Machine::start(&workshop.qemu, accelerator, &plan)?;
    let mut taken = [Taken::default(); LABELS.len()];
    let mut heard = 0;
    while heard < LABELS.len() {
        if machine.took() > limit {
            bail!("no end after {} s; its console says:\n{}", limit.as_secs(), machine.console_text());
        }
        let Some(line) = machine.line(Duration::from_millis(200)) else { continue };
        if let Some(why) = line.strip_prefix("@failed") {
            bail!("a launch failed in the machine:{why}");
        }
        if let Some((at, one)) = pace_in(&line) {
            taken[at] = one;
            heard += 1;
        }
    }
    progress.end("measured")?;
    drop(machine);
    table(out, kernel, accelerator.words(), rounds, &taken)
}

fn table(
    out: &mut impl Write,
    kernel: &Bootable,
    how: &str,
    rounds: usize,
    taken: &[Taken; LABELS.len()],
) -> Result<ExitCode> {
    writeln!(out, "{:<18} {:>9} {:>17}   ({rounds} rounds, shuffled)", "program", "median ms", "quartiles")?;
    for (label, one) in LABELS.iter().zip(taken) {
        let (low, high) = one.quartiles;
        writeln!(out, "{label:<18} {:9.2} {low:8.2}-{high:8.2}", one.median)?;
    }
    let (floor, ours) = (taken[4].median, taken[5].median);
    let ratio = ours / floor;
    writeln!(
        out,
        "\nA group adds {floor:.2} ms to the floor, {ours:.2} ms to chapter 02: ratio {ratio:.3}, bar {BAR}\n\
         Linux {} {how}: ratios alone count.",
        kernel.kernel.series
    )?;
    Ok(if ratio <= BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `@pace LABEL MEDIAN LOW HIGH`, in microseconds.
fn pace_in(line: &str) -> Option<(usize, Taken)> {
    let mut words = line.strip_prefix("@pace ")?.split_ascii_whitespace();
    let label = words.next()?;
    let at = LABELS.iter().position(|one| *one == label)?;
    let numbers: Vec<f64> = words.filter_map(|word| word.parse::<f64>().ok()).map(|us| us / 1000.0).collect();
    let [median, low, high] = numbers[..] else { return None };
    Some((at, Taken { median, quartiles: (low, high) }))
}

fn compiled(program: &str, folder: &Path) -> Result<PathBuf> {
    let binary = folder.join(program);
    let source = probe::workspace().join("benches").join(program).with_extension("c");
    let ended = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&binary).arg(&source).status();
    let ended = ended.context("starting cc: apt-get install gcc libc6-dev")?;
    if !ended.success() {
        bail!("cc could not compile {}", source.display());
    }
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read() {
        let (at, taken) = pace_in("@pace ch02-namespaces 2500 2000 3000").unwrap();
        assert_eq!((at, taken.median, taken.quartiles), (2, 2.5, (2.0, 3.0)));
        assert!(pace_in("@pace ch02-namespaces 2500").is_none());
        assert!(pace_in("@beat 1").is_none());
    }
}
