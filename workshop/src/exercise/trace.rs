//! The learner's launch beside the reference's, call by call: where do they part?

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use ch00_process::explain::Told;
use checks::learner;
use checks::stage::{STAGES, Stage};

use super::desk::Desk;

/// The first call in which the learner's launch differs from the reference's, in words.
///
/// # Errors
/// One of them can't be built or started.
pub fn first_difference(desk: &Desk) -> Result<String> {
    let name = STAGES.into_iter().find(|name| *name == desk.chapter.name).context("no stage of that name")?;
    let theirs = told(&Stage::of(name)?)?;
    let binary = learner::lent(&desk.chapter, &desk.exercise, &desk.chapter.learners())?;
    let mine = told(&Stage::with_binary(name, binary)?)?;
    Ok(differ(&mine, &theirs))
}

/// Every call of a launch of `true`.
fn told(stage: &Stage) -> Result<Vec<Told>> {
    let mut command: Command = stage.command(&["--explain=json"], &["/bin/true"])?;
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let calls: Vec<Told> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if calls.is_empty() {
        bail!("{} told no call: {}", stage.binary().unwrap_or(Path::new("")).display(), text.trim());
    }
    Ok(calls)
}

fn differ(mine: &[Told], theirs: &[Told]) -> String {
    let n = (0..mine.len().max(theirs.len()))
        .find(|n| mine.get(*n).map(|call| shape(&call.call)) != theirs.get(*n).map(|call| shape(&call.call)));
    let Some(n) = n else { return "  your launch makes the reference's calls, in its order".into() };
    let shown = |calls: &[Told]| {
        calls
            .get(n)
            .map_or_else(|| "no further call".into(), |call| format!("{} = {}", call.call, call.result))
    };
    let mut text = format!("  call {} is the first that differs:\n    yours      {}\n", n + 1, shown(mine));
    text.push_str(&format!("    reference  {}", shown(theirs)));
    if let Some(call) = theirs.get(n) {
        text.push_str(&format!("\n               {}", call.why));
    }
    text
}

/// A call without what differs from run to run: numbers (pids, descriptors), and ids of hexadecimal digits: a container's
/// has twelve, a group's and a record's eight or more.
fn shape(call: &str) -> String {
    let mut shape = String::new();
    for word in call.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if bare.len() >= 8 && bare.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            shape.push_str(&word[bare.len()..]);
        } else {
            shape.extend(word.chars().filter(|c| !c.is_ascii_digit()));
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Told {
        Told { place: Default::default(), call: text.into(), result: "0".into(), why: "because".into() }
    }

    #[test]
    fn the_first_difference_is_a_call_and_no_number() {
        let theirs = [call("open(3)"), call("pivot_root"), call("umount2")];
        let text = differ(&[call("open(7)"), call("umount2")], &theirs);
        assert!(text.contains("call 2") && text.contains("reference  pivot_root"), "{text}");
        assert!(differ(&theirs[..2], &theirs).contains("no further call"));
        assert!(differ(&theirs, &theirs).contains("in its order"));
    }

    #[test]
    fn an_id_is_no_difference() {
        let same = |mine: &str, theirs: &str| differ(&[call(mine)], &[call(theirs)]).contains("in its order");
        // The twelve digits of a container, the eight of a group; one of them by chance without a number, or without a letter.
        assert!(same("mkdir(boxroom-7e803bf98807, 0o755)", "mkdir(boxroom-433e0b15df2a, 0o755)"));
        assert!(same("mkdir(boxroom-deadbeef/x)", "mkdir(boxroom-12345678/x)"));
        assert!(!same("mkdir(boxroom-7e803bf98807)", "rmdir(boxroom-7e803bf98807)"));
        assert!(same("write(cpu.max, 9999999)", "write(cpu.max, 10000000)"));
        assert!(!same("mount(defaced)", "mount(decade)"));
    }
}
