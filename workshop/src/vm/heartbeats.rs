//! Trouble on the host hits every container: in one machine the kernel panics, and the hearts of all its containers
//! stop at once; those in the machine beside it go on.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Workshop;
use super::console::panic_in;
use super::fetch::Bootable;
use super::machine::Machine;
use crate::ink::Ink;
use crate::progress::Progress;

/// One sign of life: when, in seconds after the first of the machine that will fall.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Beat {
    /// 0 is the machine whose kernel falls over, 1 the one beside it.
    machine: usize,
    /// Which container in it, from 1.
    container: usize,
    at: f64,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    containers: usize,
    beats: Vec<Beat>,
    /// When the panic was seen on the console, and its words.
    panic: Option<(f64, String)>,
    /// How long it was listened to both, after that.
    listened: f64,
}

/// After so many seconds of heartbeats the first machine's kernel is made to panic.
const LIFE: u32 = 5;
/// How long both are listened to after it.
const AFTER: Duration = Duration::from_secs(4);
/// What was written before the panic may be read a little after it was seen.
const GRACE: f64 = 1.0;

/// Boots two machines, lets one fall, and shows who is still alive. The exit code is 0 where it went as the claim says.
///
/// # Errors
/// A machine can't be started, or its containers never began.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    (workshop, kernel): (&Workshop, &Bootable),
    (containers, limit): (usize, Duration),
) -> Result<ExitCode> {
    let accelerator = workshop.accelerator(kernel)?;
    progress.begin(&format!("two machines {}, {containers} containers in each", accelerator.words()))?;
    let start = |name: &str, after: &str| {
        let mut plan = workshop.prepare(kernel, name, &[format!("heartbeats {containers} {after}")])?;
        // It stays switched on: silence is to be the kernel's, not that of a machine that is gone.
        plan.stays_after_panic = true;
        Machine::start(&workshop.qemu, accelerator, &plan)
    };
    // First the one that lives, so that it is seen to live before the other falls.
    let lives = start("beside", "never")?;
    let mut alive = vec![false; containers];
    while !alive.iter().all(|beats| *beats) {
        if lives.took() > limit {
            bail!("its containers never began to beat; its console says:\n{}", lives.console_text());
        }
        let container = lives.line(Duration::from_millis(200)).as_deref().and_then(beat_in);
        if let Some(beats) = container.and_then(|container| alive.get_mut(container.wrapping_sub(1))) {
            *beats = true;
        }
    }
    let falls = start("falls", &LIFE.to_string())?;
    let seen = watch(&[falls, lives], containers, limit);
    progress.end("seen")?;
    timeline(out, ink, &seen)?;
    let troubles = judge(&seen);
    for trouble in &troubles {
        writeln!(out, "{} {trouble}", ink.red("FAILED"))?;
    }
    if troubles.is_empty() {
        let words = seen.panic.as_ref().map_or("", |(_, words)| words);
        writeln!(out, "machine 1: \"{words}\"; 0 of its {containers} containers were heard after it.")?;
        writeln!(out, "machine 2: {} of {containers} were.", still_beating(&seen, 1))?;
        writeln!(out, "One kernel for all containers of a machine: when it falls, all of them fall.")?;
    }
    Ok(if troubles.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn watch(machines: &[Machine; 2], containers: usize, limit: Duration) -> Seen {
    let mut seen = Seen { containers, ..Seen::default() };
    let began = Instant::now();
    let mut first: Option<Instant> = None;
    loop {
        for (machine, one) in machines.iter().enumerate() {
            while let Some(line) = one.line(Duration::from_millis(10)) {
                let Some(container) = beat_in(&line) else { continue };
                if machine == 0 && first.is_none() {
                    first = Some(Instant::now());
                }
                if let Some(first) = first {
                    seen.beats.push(Beat { machine, container, at: first.elapsed().as_secs_f64() });
                }
            }
        }
        let now = first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        match &seen.panic {
            None => seen.panic = panic_in(&machines[0].console_text()).map(|words| (now, words)),
            Some((at, _)) => {
                seen.listened = now - at;
                if seen.listened > AFTER.as_secs_f64() {
                    return seen;
                }
            }
        }
        if began.elapsed() > limit {
            return seen;
        }
    }
}

fn beat_in(line: &str) -> Option<usize> {
    line.trim_end().strip_prefix("@beat ")?.parse().ok()
}

/// How many containers of the machine were heard when the panic was over.
fn still_beating(seen: &Seen, machine: usize) -> usize {
    let Some((panic, _)) = seen.panic else { return 0 };
    let heard = |container| {
        seen.beats
            .iter()
            .any(|beat| beat.machine == machine && beat.container == container && beat.at > panic + GRACE)
    };
    (1..=seen.containers).filter(|container| heard(*container)).count()
}

/// Everything that isn't as the claim says.
fn judge(seen: &Seen) -> Vec<String> {
    let Some((panic, _)) = &seen.panic else {
        return vec!["machine 1's kernel was to panic, and its console tells of no panic".into()];
    };
    let mut troubles = Vec::new();
    for machine in 0..2 {
        for container in 1..=seen.containers {
            let before = seen
                .beats
                .iter()
                .filter(|beat| (beat.machine, beat.container) == (machine, container) && beat.at < *panic);
            if before.count() < 3 {
                troubles
                    .push(format!("container {container} of machine {} hardly lived before", machine + 1));
            }
        }
    }
    let (fallen, living) = (still_beating(seen, 0), still_beating(seen, 1));
    if fallen > 0 {
        troubles.push(format!("{fallen} containers of machine 1 were heard after its kernel's panic"));
    }
    if living < seen.containers {
        troubles
            .push(format!("only {living} of machine 2's {} containers were heard after it", seen.containers));
    }
    troubles
}

/// A column is half a second.
const COLUMN: f64 = 0.5;

fn timeline(out: &mut impl Write, ink: Ink, seen: &Seen) -> io::Result<()> {
    let panic = seen.panic.as_ref().map(|(at, _)| *at);
    let end = panic.unwrap_or_default() + seen.listened;
    let column = |at: f64| (0..).take_while(|n| f64::from(*n) * COLUMN <= at).count().saturating_sub(1);
    let width = column(end) + 1;
    let line = |machine: usize, container: usize| -> String {
        let mut cells = vec![' '; width];
        for beat in &seen.beats {
            if (beat.machine, beat.container) == (machine, container)
                && let Some(cell) = cells.get_mut(column(beat.at))
            {
                *cell = '*';
            }
        }
        cells.into_iter().collect::<String>().trim_end().into()
    };
    let place = panic.map_or(0, column);
    writeln!(out, "\n{:24}{:place$}panic in machine 1", "", "")?;
    writeln!(out, "{:24}{:place$}|", "", "")?;
    for machine in 0..2 {
        for container in 1..=seen.containers {
            let beats = line(machine, container);
            let beats = if machine == 0 { ink.red(&beats) } else { ink.green(&beats) };
            writeln!(out, "machine {}, container {container}  {beats}", machine + 1)?;
        }
    }
    writeln!(out, "{:24}{}  (a column is half a second)\n", "", "-".repeat(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stops: f64) -> Seen {
        let mut beats = Vec::new();
        for n in 0..18_u32 {
            let at = f64::from(n) * 0.5;
            for container in 1..=2 {
                beats.push(Beat { machine: 1, container, at });
                if at < stops {
                    beats.push(Beat { machine: 0, container, at });
                }
            }
        }
        Seen { containers: 2, beats, panic: Some((5.0, "Kernel panic".into())), listened: 4.0 }
    }

    #[test]
    fn all_hearts_of_a_kernel_stop_at_once_and_the_others_go_on() {
        let seen = seen(5.0);
        assert_eq!(judge(&seen), Vec::<String>::new());
        assert_eq!((still_beating(&seen, 0), still_beating(&seen, 1)), (0, 2));
        let mut out = Vec::new();
        timeline(&mut out, Ink::PLAIN, &seen).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("machine 1, container 2  **********\n"), "{text}");
        assert!(text.contains("machine 2, container 1  ******************\n"), "{text}");
    }

    #[test]
    fn a_heart_that_goes_on_or_a_panic_that_never_came_is_a_failure() {
        assert_eq!(judge(&seen(9.0)), ["2 containers of machine 1 were heard after its kernel's panic"]);
        let without = Seen { panic: None, ..seen(5.0) };
        assert!(judge(&without)[0].contains("no panic"));
        let mut alone = seen(5.0);
        alone.beats.retain(|beat| beat.machine == 0 || beat.at < 5.0);
        assert!(judge(&alone)[0].starts_with("only 0 of machine 2's 2"));
    }

    #[test]
    fn a_beat_is_read_from_its_line() {
        assert_eq!(beat_in("@beat 3\r\n"), Some(3));
        assert_eq!(beat_in("@beat x"), None);
    }
}
