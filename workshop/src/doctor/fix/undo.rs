//! `--undo`: what `--fix` changed, taken back by its records alone, the latest first, and nothing else.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::place;
use nix::unistd::geteuid;

use crate::doctor::users::in_path;
use crate::ink::{Ink, wrap};

use super::change::{Change, Standing, Tools};
use super::journal::{Entry, Journal};
use super::order::{Hand, Order, beside, remove};
use super::{Consent, hand, machine, orders};

/// Shows what it would take back, and does it on yes. 1 where something had to be left.
///
/// # Errors
/// A record can't be read, nobody could be asked, or the writer is gone.
pub fn run(out: &mut impl Write, ink: Ink, mut consent: Consent<impl BufRead>) -> Result<ExitCode> {
    let data = place::data_root()?;
    if Journal::is_empty(&data) {
        writeln!(
            out,
            "nothing to take back: no change by doctor --fix is recorded below {}",
            data.display()
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let journal = Journal::open(&data)?;
    let entries = journal.latest_first()?;
    let root = geteuid().is_root();
    let hand = hand(root);
    let mut work = false;
    writeln!(out, "{}\n", ink.bold("what doctor --undo would take back, the latest first:"))?;
    for entry in &entries {
        let back = Back::of(entry);
        writeln!(out, "- {}: {}", ink.bold(&entry.change.shown()), wrap(&back.said, 100, 2))?;
        orders(out, ink, &back.orders, hand)?;
        work |= !back.orders.is_empty();
    }
    if work && !root && in_path("sudo").is_none() {
        writeln!(out, "\n{}: no sudo here; become root another way and type these", ink.red("not done"))?;
        return Ok(ExitCode::FAILURE);
    }
    if work && !consent.given(out, "\nTake this back?")? {
        writeln!(out, "nothing was taken back")?;
        return Ok(ExitCode::FAILURE);
    }
    let (mut done, mut left) = (0, 0);
    for entry in &entries {
        match back(entry, hand, &journal) {
            Ok(None) => {
                writeln!(out, "{} {}", ink.green("taken back"), entry.change.shown())?;
                done += 1;
            }
            Ok(Some(why)) => {
                let record = entry.path.display();
                writeln!(out, "{} {}: {why}", ink.yellow("left alone"), entry.change.shown())?;
                writeln!(
                    out,
                    "  somebody else changed it since; if it is theirs now, remove the record {record}"
                )?;
                left += 1;
            }
            Err(error) => {
                writeln!(out, "{} {}: {error:#}", ink.red("failed"), entry.change.shown())?;
                left += 1;
            }
        }
    }
    let rest = if left == 0 { String::new() } else { format!(", {left} left: see above") };
    writeln!(out, "{done} taken back{rest}")?;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be done about one entry, as the machine stands now.
struct Back {
    said: String,
    orders: Vec<Order>,
    /// Whether it has become somebody else's.
    foreign: Option<String>,
}

impl Back {
    fn of(entry: &Entry) -> Self {
        let change = &entry.change;
        let place = change.place();
        let now = machine::text(&place);
        let tools = Tools { usermod: false, sysctl: in_path("sysctl").is_some() };
        let mut back = match change.standing(now.as_deref()) {
            Standing::Made => Self {
                said: "is there as it was made".into(),
                orders: change.take_back(now.as_deref(), tools),
                foreign: None,
            },
            Standing::Before => Self {
                said: "is not there (never made, or gone already); only its record goes".into(),
                orders: Vec::new(),
                foreign: None,
            },
            Standing::Other(why) => Self {
                said: format!("changed by somebody else since, so it is left alone: {why}"),
                orders: Vec::new(),
                foreign: Some(why),
            },
        };
        // A crash between writing and renaming leaves the new text beside; the name is ours alone.
        let half = beside(&place);
        if !matches!(change, Change::Setting { .. }) && half.symlink_metadata().is_ok() {
            back.orders.push(remove(&half));
        }
        back
    }
}

/// Takes one back. The answer is why it was left alone.
fn back(entry: &Entry, hand: Hand, journal: &Journal) -> Result<Option<String>> {
    // Looked at again: an entry before it may have changed the same file.
    let back = Back::of(entry);
    for order in &back.orders {
        match order.run(hand) {
            Err(error) if !order.may_fail => return Err(error),
            _ => {}
        }
    }
    if back.foreign.is_some() {
        return Ok(back.foreign);
    }
    let now = machine::text(&entry.change.place());
    if entry.change.standing(now.as_deref()) == Standing::Made {
        anyhow::bail!("the commands succeeded, but it is there still");
    }
    journal.forget(entry)?;
    Ok(None)
}
