//! What doesn't compile: the compiler's own message, in the learner's files and lines, then the task.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::Desk;

pub(crate) fn speaks() -> Result<()> {
    let desk = Desk::with("02")?;
    desk.write(
        "02-namespaces",
        "src/uts.rs",
        "task-uts",
        "        k.why(\"x\").sethostnam(&self.hostname)\n",
    )?;
    let (code, said) = desk.refuses(&["check", "02"])?;
    for part in
        ["no method named `sethostnam`", "exercises/ex02-namespaces/src/uts.rs:", "it is task 1 (uts)"]
    {
        ensure!(code == 125 && said.contains(part), "no {part:?} in: {said}");
    }
    Ok(())
}

/// The body before it, of another task, is lent while the compiler reads, and is longer than the blank.
pub(crate) fn counts() -> Result<()> {
    let desk = Desk::with("03")?;
    let file = "src/group.rs";
    desk.write("03-cgroups", file, "task-doors", "        self.dors(k);\n")?;
    let text = fs::read_to_string(desk.file("03-cgroups", file))?;
    let line = 1 + text.lines().position(|line| line.contains("self.dors")).context("the line is there")?;
    let (_, said) = desk.refuses(&["check", "03"])?;
    for part in [
        &format!("exercises/ex03-cgroups/{file}:{line}:14"),
        &format!("\n{line} |         self.dors(k);"),
        "it is task 5 (birth)",
    ] {
        ensure!(said.contains(part), "no {part:?} in: {said}");
    }
    Ok(())
}
