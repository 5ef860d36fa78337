//! The doctor's answers as text: by chapter, what is wrong with its cure, and a last line to act on.

use std::io::Write;

use anyhow::Result;

use super::{Diagnosis, FIX, Finding, Room, State};
use crate::ink::{Ink, wrap};

const WIDTH: usize = 100;
const INDENT: usize = 23;

/// Writes everything.
///
/// # Errors
/// The writer is gone.
pub fn text(out: &mut impl Write, ink: Ink, diagnosis: &Diagnosis) -> Result<()> {
    writeln!(out, "{}", diagnosis.machine)?;
    for room in &diagnosis.rooms {
        heading(out, ink, room)?;
        for finding in &room.findings {
            line(out, ink, finding)?;
        }
    }
    last(out, ink, diagnosis)
}

fn heading(out: &mut impl Write, ink: Ink, room: &Room) -> Result<()> {
    let stand = match room.state {
        State::Fine | State::Note => ink.green("ready"),
        State::Partly => ink.yellow("works, with less to see"),
        State::Missing => ink.red("can't be run yet"),
    };
    let yet = if room.built { "" } else { ", not in this checkout yet" };
    writeln!(out, "\n{}  {}", ink.bold(room.name), ink.dim(&format!("({}{yet})", room.about)))?;
    writeln!(out, "  {stand}")?;
    Ok(())
}

fn line(out: &mut impl Write, ink: Ink, finding: &Finding) -> Result<()> {
    let mark = match finding.state {
        State::Fine => ink.green("ok"),
        State::Note => ink.dim("--"),
        State::Partly => ink.yellow("!!"),
        State::Missing => ink.red("no"),
    };
    let seen = wrap(&finding.seen, WIDTH, INDENT);
    writeln!(out, "  {mark} {:17} {seen}", finding.name)?;
    // Not wrapped: a command is copied in one piece.
    if let Some(cure) = &finding.cure {
        let word = if finding.state == State::Note { "if so" } else { "mend" };
        writeln!(out, "{:17}{word:>5} {}", "", cure)?;
    }
    Ok(())
}

fn last(out: &mut impl Write, ink: Ink, diagnosis: &Diagnosis) -> Result<()> {
    let built = || diagnosis.rooms.iter().filter(|room| room.built);
    let names = |state| built().filter(|room| room.state == state).map(|room| room.name).collect::<Vec<_>>();
    let (missing, partly) = (names(State::Missing), names(State::Partly));
    let ours = built()
        .flat_map(|room| &room.findings)
        .any(|one| one.cure.as_ref().is_some_and(|cure| cure.contains(FIX)));
    writeln!(out)?;
    if !missing.is_empty() {
        let what = format!("can't be run on this machine yet: {}", missing.join(", "));
        let how = if ours { FIX } else { "the lines marked `no` say how to mend it" };
        writeln!(out, "{}; {how}", ink.red(&what))?;
    } else if partly.is_empty() {
        writeln!(out, "{}; next: cargo workshop", ink.green("everything that is built can be run here"))?;
    } else {
        let what = "everything that is built can be run here";
        let more = if ours { format!(" ({FIX})") } else { String::new() };
        writeln!(
            out,
            "{}, {} with less to see{more}; next: cargo workshop",
            ink.green(what),
            partly.join(", ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_to_do() {
        let of = |finding: Finding| {
            let room = Room {
                name: "02-namespaces",
                about: "",
                built: true,
                state: finding.state,
                findings: vec![finding],
            };
            let mut out = Vec::new();
            text(&mut out, Ink::PLAIN, &Diagnosis { machine: "m".into(), rooms: vec![room] }).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(of(Finding::fine("x", "y")).ends_with("next: cargo workshop\n"));
        let stuck = of(Finding::missing("x", "y", "do z"));
        assert!(stuck.contains("mend do z"), "{stuck}");
        assert!(
            of(Finding::missing("x", "y", FIX))
                .ends_with("yet: 02-namespaces; cargo workshop doctor --fix\n")
        );
        assert!(stuck.lines().last().unwrap().starts_with("can't be run on this machine yet: 02-namespaces"));
    }
}
