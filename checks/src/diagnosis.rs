//! Why a check failed, where the order of a launch's calls explains it: the launch is run once more, and told.

use std::fs;
use std::io::{Read, Seek};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use ch00_process::explain::Told;
use lesson::exercise::{Exercise, Order};

use crate::drive::within;
use crate::stage::Stage;

/// How long the launch may take; one that hangs is told as far as it came.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is out of order in the launch of `stage`, for the tasks that `check` proves. Nothing where they name no order,
/// or where the stage doesn't tell its calls (a program of somebody else's needn't know `--explain`).
#[must_use]
pub fn of(exercise: &Exercise, check: &str, stage: &Stage) -> Vec<String> {
    let proven = exercise.tasks.iter().filter(|task| task.checks.iter().any(|name| name == check));
    let orders: Vec<&Order> = proven.flat_map(|task| &task.orders).collect();
    if orders.is_empty() {
        return Vec::new();
    }
    // It is beside the verdict: where the launch can't be told, the verdict stands as it is.
    launch(stage).map(|told| out_of_order(&orders, &told)).unwrap_or_default()
}

/// Each order that the launch didn't keep: the later call came before the first, or without it.
fn out_of_order(orders: &[&Order], told: &str) -> Vec<String> {
    let calls: Vec<Told> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if calls.is_empty() {
        return Vec::new();
    }
    // As they are counted in what --explain prints, from 1. A call that the kernel refused did nothing.
    let number = |begin: &str| {
        let done = |call: &Told| call.call.starts_with(begin) && !call.result.starts_with("-1 ");
        calls.iter().position(done).map(|place| place + 1)
    };
    let shown =
        |number: Option<usize>| number.map_or("never".to_string(), |number| format!("at call {number}"));
    let mut found = Vec::new();
    for order in orders {
        let (first, then) = (number(&order.first), number(&order.then));
        // Where neither came, the plain launch doesn't make them (an option does), and their order explains nothing.
        let is_kept = match (first, then) {
            (Some(first), Some(then)) => first < then,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if !is_kept {
            found.push(format!("{} {}, {} {}", order.then_is, shown(then), order.first_is, shown(first)));
        }
    }
    found
}

/// What `run --explain=json -- /bin/true` says.
fn launch(stage: &Stage) -> Result<String> {
    // A file and not a pipe: whatever the stage leaves running could keep a pipe open.
    let mut file = tempfile::tempfile_in(crate::stage::folder()?)?;
    let mut command = stage.command(&["--explain=json"], &["/bin/true"])?;
    let mut child = command.stdout(Stdio::null()).stderr(file.try_clone()?).spawn()?;
    if !within(PATIENCE, || !matches!(child.try_wait(), Ok(None))) {
        child.kill()?;
        child.wait()?;
    }
    file.rewind()?;
    let mut told = Vec::new();
    fs::File::take(file, 1 << 20).read_to_end(&mut told)?;
    Ok(String::from_utf8_lossy(&told).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = r#"mount(\"\", \"/\", MS_REC | MS_PRIVATE)"#;
    const MADE: &str = r#"mount(\"proc\", \"/proc\")"#;

    fn order() -> Order {
        Order {
            first: r#"mount("", "/", MS_REC"#.into(),
            first_is: "propagation made private".into(),
            then: r#"mount("proc""#.into(),
            then_is: "mount made".into(),
        }
    }

    fn told(calls: &[(&str, &str)]) -> String {
        let line = |(call, result): &(&str, &str)| {
            format!(
                r#"{{"process":"child","moment":"enter","mechanism":"m","call":"{call}","result":"{result}","why":"w"}}"#
            )
        };
        let lines: Vec<String> = calls.iter().map(line).collect();
        format!("box: a line for a person\n{}\n", lines.join("\n"))
    }

    #[test]
    fn checks_a_kept_order_says_nothing() {
        let launch = told(&[("clone3()", "7"), (PRIVATE, "0"), (MADE, "0")]);
        assert!(out_of_order(&[&order()], &launch).is_empty());
        assert!(
            out_of_order(&[&order()], &told(&[(PRIVATE, "0")])).is_empty(),
            "the later call may be missing"
        );
    }

    #[test]
    fn checks_a_turned_order_names_both_calls() {
        let launch = told(&[("clone3()", "7"), (MADE, "0"), (PRIVATE, "0")]);
        assert_eq!(
            out_of_order(&[&order()], &launch),
            ["mount made at call 2, propagation made private at call 3"]
        );
    }

    #[test]
    fn checks_a_call_that_never_came_or_was_refused_is_never() {
        let refused = told(&[(PRIVATE, "-1 EPERM (Operation not permitted)"), (MADE, "0")]);
        let expected = ["mount made at call 2, propagation made private never"];
        assert_eq!(out_of_order(&[&order()], &refused), expected);
        assert_eq!(
            out_of_order(&[&order()], &told(&[(MADE, "0")])),
            ["mount made at call 1, propagation made private never"]
        );
    }

    #[test]
    fn checks_a_program_that_tells_nothing_gets_no_diagnosis() {
        assert!(out_of_order(&[&order()], "usage: mine.py run -- COMMAND\n").is_empty());
    }
}
