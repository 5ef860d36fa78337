//! What came back from a guest, for people and for tools.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::console::{Heard, Outcome, Suite};
use super::kernels::Kernel;
use super::machine::{Accelerator, End};
use crate::ink::{Ink, wrap};

/// One boot, and everything that it proved.
#[derive(Debug)]
pub struct Run {
    /// Which kernel was asked for.
    pub kernel: Kernel,
    /// By what it ran.
    pub accelerator: Accelerator,
    /// What the guest said.
    pub heard: Heard,
    /// How it ended.
    pub end: End,
    /// The suites that the plan had: name and user.
    pub planned: Vec<(String, String)>,
    /// From qemu's start to its end, in seconds.
    pub seconds: f64,
    /// The last lines of the kernel's console.
    pub console: String,
}

impl Run {
    /// Everything that keeps this run from being a success, in words.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        match &self.end {
            End::Itself if !self.heard.over => {
                troubles.push("the machine ended before its plan was done".into());
            }
            End::Itself => {}
            End::Panicked(words) => troubles.push(format!("the guest's kernel fell over: {words}")),
            End::OutOfTime(limit) => {
                troubles.push(format!(
                    "the guest was ended after {} s: it hangs, or --limit is short",
                    limit.as_secs()
                ));
            }
            End::Broken(words) => troubles.push(words.clone()),
        }
        for (name, who) in &self.planned {
            match self.heard.suites.iter().find(|suite| suite.name == *name && suite.who == *who) {
                None => troubles.push(format!("{name} as {who}: it was never begun")),
                Some(suite) => troubles.extend(suite.trouble().map(|why| format!("{name} as {who}: {why}"))),
            }
        }
        troubles
    }

    /// For people.
    ///
    /// # Errors
    /// The writer is gone.
    pub fn tell(&self, out: &mut impl Write, ink: Ink) -> io::Result<()> {
        let release = self.heard.kernel.as_deref().unwrap_or("(it never came up)");
        let title = format!("Linux {release} (Debian {}), {}", self.kernel.debian, self.accelerator.words());
        writeln!(out, "{}", ink.bold(&title))?;
        for suite in &self.heard.suites {
            tell_suite(out, ink, suite)?;
        }
        let troubles = self.troubles();
        for trouble in &troubles {
            writeln!(out, "  {} {}", ink.red("FAILED"), wrap(trouble, 110, 9))?;
        }
        if !troubles.is_empty() && !matches!(self.end, End::Itself) {
            writeln!(out, "  the end of its console:")?;
            for line in last_lines(&self.console, 20) {
                writeln!(out, "    {line}")?;
            }
        }
        writeln!(out, "  {}", ink.dim(&format!("{:.0} s in all", self.seconds)))
    }

    /// For tools.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "kernel": self.kernel.series,
            "release": self.heard.kernel,
            "accelerated": self.accelerator == Accelerator::Kvm,
            "suites": self.heard.suites,
            "troubles": self.troubles(),
            "seconds": self.seconds,
        })
    }
}

fn tell_suite(out: &mut impl Write, ink: Ink, suite: &Suite) -> io::Result<()> {
    let (passed, failed, ignored) = suite.counts();
    let word = if suite.trouble().is_none() { ink.green("ok    ") } else { ink.red("FAILED") };
    writeln!(
        out,
        "  {word} {:16} as {:8} {passed:3} passed, {failed} failed, {ignored:2} ignored  {}",
        suite.name,
        suite.who,
        ink.dim(&format!("{:5.1} s", suite.seconds)),
    )?;
    for (why, names) in ignored_by_reason(suite) {
        let line = format!("{why}: {}", names.join(", "));
        writeln!(out, "           {} {}", ink.yellow("ignored"), wrap(&line, 110, 19))?;
    }
    for check in &suite.checks {
        match &check.outcome {
            Outcome::Passed | Outcome::Ignored(_) => {}
            Outcome::Failed(said) => {
                writeln!(out, "           {} {}", ink.red("failed "), check.name)?;
                for line in said.lines() {
                    writeln!(out, "             {line}")?;
                }
            }
        }
    }
    // A suite that died said why in its last words.
    if suite.trouble().is_some() && failed == 0 {
        for line in suite.lines.iter().rev().take(60).rev() {
            writeln!(out, "             {line}")?;
        }
    }
    Ok(())
}

/// One reason is said once, and the check that a check bites isn't named beside the check.
fn ignored_by_reason(suite: &Suite) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for check in &suite.checks {
        let Outcome::Ignored(why) = &check.outcome else { continue };
        let name = check.name.trim_end_matches("_fails_on_the_chapter_before");
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    reasons
}

fn last_lines(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::vm::kernels::USUAL;

    fn run(said: &str, end: End) -> Run {
        let mut heard = Heard::default();
        said.lines().for_each(|line| heard.line(line));
        let planned =
            vec![("02-namespaces".into(), "root".into()), ("02-namespaces".into(), "learner".into())];
        let accelerator = Accelerator::Emulation;
        Run { kernel: USUAL, accelerator, heard, end, planned, seconds: 1.0, console: String::new() }
    }

    const ROOT: &str = "@begin 02-namespaces root\n| running 1 test\n| test a ... ok\n@end 0 1 2\n";

    #[test]
    fn what_was_planned_and_never_begun_is_a_failure() {
        let run = run(&format!("{ROOT}@over"), End::Itself);
        assert_eq!(run.troubles(), ["02-namespaces as learner: it was never begun"]);
        let mut out = Vec::new();
        run.tell(&mut out, Ink::PLAIN).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("ok     02-namespaces") && text.contains("FAILED 02-namespaces as learner"),
            "{text}"
        );
    }

    #[test]
    fn a_hang_a_panic_and_an_early_end_are_outcomes() {
        let learner = ROOT.replace("root", "learner");
        let well = format!("{ROOT}{learner}@over");
        assert!(run(&well, End::Itself).troubles().is_empty());
        assert!(run(&well, End::OutOfTime(Duration::from_secs(9))).troubles()[0].contains("after 9 s"));
        assert!(run(&well, End::Panicked("Kernel panic".into())).troubles()[0].contains("fell over"));
        let cut = well.replace("@over", "");
        assert_eq!(run(&cut, End::Itself).troubles(), ["the machine ended before its plan was done"]);
    }
}
