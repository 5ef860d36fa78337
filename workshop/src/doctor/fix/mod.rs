//! `cargo workshop doctor --fix` and `--undo`: shown first, done on yes, and taken back to the letter.
//!
//! # Layout
//! - [`machine`]: the facts; [`plan`]: from facts to steps, a pure function; [`profile`]: AppArmor's part of it
//! - [`change`]: one change of the machine, how it is made, taken back, and how it stands
//! - [`order`]: a command, run by root or by sudo
//! - [`journal`]: each change on disk before it is made
//! - [`undo`]: back from the journal alone

use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ch00_process::place;

use crate::doctor::FIX;
use crate::doctor::attempt::attempt;
use crate::doctor::facts::Facts;
use crate::ink::{Ink, wrap};

pub mod change;
pub mod journal;
pub mod machine;
pub mod order;
pub mod plan;
pub mod profile;
pub mod undo;

use change::{Change, Standing};
use journal::Journal;
use machine::Machine;
use order::{Hand, Order};
use plan::{Plan, Step};

const WIDTH: usize = 100;

/// Who may say yes.
#[derive(Debug)]
pub struct Consent<R> {
    /// What a person types.
    pub input: R,
    /// Whether that is a terminal.
    pub terminal: bool,
    /// `--yes`.
    pub yes: bool,
}

impl<R: BufRead> Consent<R> {
    /// Asks. Only the word `yes` is one.
    ///
    /// # Errors
    /// There is nobody to ask, or the writer is gone.
    fn given(&mut self, out: &mut impl Write, what: &str) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !self.terminal {
            bail!(
                "nothing was changed: there is no terminal to ask on; with --yes it is done without asking"
            );
        }
        write!(out, "{what} Type yes: ")?;
        out.flush()?;
        let mut said = String::new();
        self.input.read_line(&mut said).context("could not read the answer")?;
        Ok(said.trim() == "yes")
    }
}

/// Shows what it would change, and changes it on yes. 1 where something is left that it can't.
///
/// # Errors
/// Nobody could be asked, the changes can't be recorded, or the writer is gone.
pub fn run(out: &mut impl Write, ink: Ink, mut consent: Consent<impl BufRead>) -> Result<ExitCode> {
    let facts = Facts::read();
    let machine = Machine::read(&facts);
    let plan = plan::plan(&machine);
    if plan.steps.is_empty() {
        return nothing(out, ink, &machine, &plan);
    }
    let hand = hand(machine.root);
    writeln!(out, "{}\n", ink.bold("what doctor --fix would do here, in this order:"))?;
    for (n, step) in plan.steps.iter().enumerate() {
        show(out, ink, (n + 1, step), hand, &machine)?;
    }
    yours(out, ink, &plan)?;
    if hand == Hand::Sudo && !machine.sudo {
        writeln!(
            out,
            "{}: this machine has no sudo, and these commands need root; become root",
            ink.red("not done")
        )?;
        writeln!(out, "another way (su -) and type them, in this order")?;
        return Ok(ExitCode::FAILURE);
    }
    if !consent.given(out, "Do this? cargo workshop doctor --undo takes it back.")? {
        writeln!(out, "nothing was changed")?;
        return Ok(ExitCode::FAILURE);
    }
    let journal = Journal::open(&place::data_root()?)?;
    for (n, step) in plan.steps.iter().enumerate() {
        if step.last_resort && attempt("user", true).is_ok() {
            writeln!(out, "{} {}: not needed any more", ink.dim("left out"), step.change.shown())?;
            continue;
        }
        if let Err(error) = make(step, hand, &machine, &journal) {
            writeln!(out, "{} step {}: {error:#}", ink.red("failed"), n + 1)?;
            writeln!(out, "what was done before it stays; cargo workshop doctor --undo takes it back")?;
            return Ok(ExitCode::FAILURE);
        }
        writeln!(out, "{} {}", ink.green("done"), step.change.shown())?;
    }
    settle(out, ink, &facts)
}

/// The machine lacks nothing that could be changed here.
fn nothing(out: &mut impl Write, ink: Ink, machine: &Machine, plan: &Plan) -> Result<ExitCode> {
    if machine.refused.is_none() {
        let whose = if machine.root {
            "an ordinary user gets a user namespace (for a range of ids, run this as that user)"
        } else if machine.helpers {
            "you get a user namespace and have a range of ids"
        } else {
            "you get a user namespace"
        };
        writeln!(out, "{}: {whose}", ink.green("nothing to fix"))?;
    } else {
        writeln!(out, "{}", ink.yellow("nothing that --fix could change"))?;
    }
    yours(out, ink, plan)?;
    Ok(if machine.refused.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn yours(out: &mut impl Write, ink: Ink, plan: &Plan) -> Result<()> {
    for one in &plan.yours {
        writeln!(out, "{} {}", ink.yellow("yours to do or to know:"), wrap(one, WIDTH, 2))?;
    }
    Ok(())
}

fn show(
    out: &mut impl Write,
    ink: Ink,
    (n, step): (usize, &Step),
    hand: Hand,
    machine: &Machine,
) -> Result<()> {
    let only = if step.last_resort { ", only if user namespaces are refused still" } else { "" };
    writeln!(out, "{n}. {}{only}", ink.bold(&step.change.shown()))?;
    writeln!(out, "   {}", wrap(&step.why, WIDTH, 3))?;
    let now = machine::text(&step.change.place());
    orders(out, ink, &step.change.make(now.as_deref(), machine.tools), hand)?;
    writeln!(out)?;
    Ok(())
}

/// Commands as they are typed, each with the text that it reads.
fn orders(out: &mut impl Write, ink: Ink, orders: &[Order], hand: Hand) -> Result<()> {
    for order in orders {
        let reads = if order.stdin.is_some() { " <<'.'" } else { "" };
        writeln!(out, "     {}{}{reads}", hand.shown(), order.shown())?;
        if let Some(text) = &order.stdin {
            for line in text.lines() {
                writeln!(out, "     {}", ink.dim(&format!("  {line}")))?;
            }
            writeln!(out, "     .")?;
        }
    }
    Ok(())
}

fn make(step: &Step, hand: Hand, machine: &Machine, journal: &Journal) -> Result<()> {
    let place = step.change.place();
    // Read again: between the showing and the yes somebody else may have been here.
    let now = machine::text(&place);
    match step.change.standing(now.as_deref()) {
        Standing::Other(what) => bail!("{} was changed meanwhile: {what}; run --fix again", place.display()),
        // Somebody else was faster: it is theirs, and --undo shall not take it from them.
        Standing::Made if !matches!(step.change, Change::File { .. }) => return Ok(()),
        _ => {}
    }
    if let Some(line) = now.as_deref().and_then(|now| plan::taken(&step.change, now)) {
        bail!("these ids were given out meanwhile ({line} in {}); run --fix again", place.display());
    }
    let _entry = journal.record(&step.change)?;
    for order in step.change.make(now.as_deref(), machine.tools) {
        match order.run(hand) {
            Err(error) if !order.may_fail => return Err(error),
            _ => {}
        }
    }
    match step.change.standing(machine::text(&place).as_deref()) {
        Standing::Made => Ok(()),
        _ => bail!("the commands succeeded, but {} is not there", step.change.shown()),
    }
}

/// Looks again with the same eyes: what is planned now was not enough.
fn settle(out: &mut impl Write, ink: Ink, facts: &Facts) -> Result<ExitCode> {
    let machine = Machine::read(facts);
    let left = plan::plan(&machine);
    match &machine.refused {
        None if left.steps.is_empty() => {
            writeln!(
                out,
                "{}: tried again, nothing is refused now; next: cargo workshop doctor",
                ink.green("fixed")
            )?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            writeln!(out, "{}: {} is left; {FIX} again", ink.yellow("not all"), left.steps.len())?;
            Ok(ExitCode::FAILURE)
        }
        Some(refusal) => {
            writeln!(out, "{}: a user namespace is refused still: {refusal}", ink.red("not enough"))?;
            yours(out, ink, &left)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn hand(root: bool) -> Hand {
    if root { Hand::Root } else { Hand::Sudo }
}
