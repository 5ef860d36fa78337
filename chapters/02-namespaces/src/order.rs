//! Eight steps of a launch, shuffled, to be put in order; and an order run exactly as it was given, to see what comes of it.
//!
//! It can't hurt: the steps run on a small host of its own ([`arena`]), and what they did is looked at from outside ([`damage`]).

use std::cell::RefCell;
use std::fmt::Write;
use std::path::Path;
use std::rc::Rc;

use ch00_process::exec::Command;
use ch00_process::explain::Process;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch01_chroot::rootfs;
use nix::errno::Errno;
use nix::unistd::geteuid;

use self::arena::{Arena, SOMEBODY, Steps};
use self::damage::{Seen, Watcher};
use crate::users::{Map, Users};

mod arena;
mod damage;

/// One step of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each says in `STEPS` what it is
pub enum Step {
    Attach,
    User,
    Rooms,
    Umount,
    Private,
    Name,
    Pivot,
    Proc,
}

/// The steps in the order in which they are shown, so that letter A is the first; with the name by which each calls the
/// kernel, and what it does.
const STEPS: [(Step, &str, &str); 8] = [
    (Step::Attach, "02-namespaces/order/attach", "attach the new proc at /proc"),
    (Step::User, "02-namespaces/order/user", "become an ordinary user"),
    (Step::Rooms, "02-namespaces/order/rooms", "be born into new namespaces: mounts, pids, hostname"),
    (Step::Umount, "02-namespaces/order/umount", "take the old root away"),
    (Step::Private, "02-namespaces/order/private", "make the propagation of all mounts private"),
    (Step::Name, "02-namespaces/order/name", "set the hostname to \"box\""),
    (Step::Pivot, "02-namespaces/order/pivot", "let the new root and the old one change places"),
    (Step::Proc, "02-namespaces/order/proc", "make a new proc, attached nowhere yet"),
];

/// How the names of all steps begin.
const OURS: &str = "02-namespaces/order/";

/// The order of the reference.
const RIGHT: &str = "CEHGDAFB";

/// The steps with their letters, and how to answer.
#[must_use]
pub fn question() -> String {
    let mut text =
        String::from("Eight steps of a launch, shuffled. In which order does a container come of them?\n\n");
    for (letter, (_, _, what)) in ('A'..).zip(STEPS) {
        let _ = writeln!(text, "  {letter}  {what}");
    }
    text.push_str(
        "\nAnswer with eight letters: ch02-namespaces order ABCDEFGH\nYour order is run as it is, on a small host of its own, and what it did is shown. A wrong one hurts nobody.\n",
    );
    text
}

/// The order that `letters` mean, in small letters or capitals.
///
/// # Errors
/// A letter is missing, stands twice, or is none of the eight.
pub fn parse(letters: &str) -> Result<Vec<Step>> {
    let wrong = |cause: String| {
        let hint = "each letter from A to H once; ch02-namespaces order shows them";
        Err(Failure::said(format!("{letters:?} is no order of eight steps"), cause, hint))
    };
    let mut order = Vec::new();
    for letter in letters.chars().map(|letter| letter.to_ascii_uppercase()) {
        let Some((_, (step, _, _))) = ('A'..).zip(STEPS).find(|(other, _)| *other == letter) else {
            return wrong(format!("{letter:?} is none of them"));
        };
        if order.contains(&step) {
            return wrong(format!("{letter} stands twice"));
        }
        order.push(step);
    }
    let missing: String = ('A'..)
        .zip(STEPS)
        .filter(|(_, (step, _, _))| !order.contains(step))
        .map(|(letter, _)| letter)
        .collect();
    if missing.is_empty() { Ok(order) } else { wrong(format!("missing: {missing}")) }
}

/// Runs the steps in this order, and then a command, on a host of its own. Tells each call, what is wrong afterwards, and
/// whether the order holds.
///
/// # Errors
/// This machine or user can't make such a host.
pub fn run(order: &[Step], named: Option<&Path>) -> Result<(String, bool)> {
    let rootfs = rootfs::find(named)?;
    let map = if geteuid().is_root() { None } else { Some(Map::best()) };
    if map.is_some_and(|map| !map.has(SOMEBODY)) {
        return Err(Failure::said(
            "this user has one id only",
            "one of the steps becomes another user, and there is no other",
            "a range in /etc/subuid and /etc/subgid (cargo workshop doctor --fix), or --root",
        ));
    }
    let seen = Rc::new(RefCell::new(Seen::default()));
    let k = Kernel::new(Process::Host, Some(Box::new(Watcher(Rc::clone(&seen)))));
    // It only has to be there while it is looked at, and is ended then.
    let sleep = Command::with_env(vec!["sleep".into(), "20".into()], vec!["PATH=/usr/bin:/bin".into()])?;
    let ended = Launch::new(sleep)
        .with(map.map(|map| Users { map }))
        .with(Arena { away: rootfs.clone() })
        .with(Steps { order: order.to_vec(), rootfs })
        .run(&k);
    let seen = seen.borrow();
    match ended {
        // The host of its own could not even be made.
        Err(failure) if seen.calls.is_empty() && !failure.place.mechanism.starts_with(OURS) => Err(failure),
        ended => Ok(report(order, &seen, ended.err().as_ref())),
    }
}

/// What was called, what was refused, what was damaged, and the verdict.
fn report(order: &[Step], seen: &Seen, failure: Option<&Failure>) -> (String, bool) {
    let mut text = String::new();
    let mut refused = None;
    let mut number = 0;
    for &step in order {
        let (letter, name, what) = of(step);
        let calls: Vec<_> = seen.calls.iter().filter(|told| told.place.mechanism == name).collect();
        let failed = failure.is_some_and(|failure| failure.place.mechanism == name);
        if calls.is_empty() && !failed {
            let _ = writeln!(text, "{letter}  {what}: never reached");
            continue;
        }
        let _ = writeln!(text, "{letter}  {what}");
        for told in calls {
            number += 1;
            let _ = writeln!(text, "   {number:2}  {} = {}", told.call, told.result);
        }
        if let Some(failure) = failure.filter(|_| failed) {
            refused = Some((step, number, failure));
        }
    }
    text.push('\n');
    for damage in &seen.damage {
        let _ = writeln!(text, "damage:  {damage}");
    }
    if let Some((step, number, failure)) = refused {
        let (letter, ..) = of(step);
        let code = if failure.errno == 0 {
            String::new()
        } else {
            format!(", {:?} at call {number}", failure.errno())
        };
        let _ = writeln!(text, "refused: step {letter}{code}: {}", why(step, order, failure));
        if is_before(Step::Pivot, step, order) && !is_before(Step::Umount, step, order) {
            text.push_str(
                "         the old root was still there: everything of the host's, one umount away\n",
            );
        }
    } else if let Some(failure) = failure {
        let _ = writeln!(text, "refused: after the steps: {failure}");
    }
    let holds = failure.is_none() && seen.damage.is_empty();
    let letters: String = order.iter().map(|&step| of(step).0).collect();
    text.push_str(&match (holds, letters == RIGHT) {
        (true, true) => "Nothing was refused, nothing leaked: this is the order.\n".into(),
        (true, false) => format!(
            "Nothing was refused, nothing leaked: this order holds too. The reference's is {RIGHT}.\n"
        ),
        (false, _) => "This is not the order yet. Which step came too early, or too late?\n".to_string(),
    });
    (text, holds)
}

/// Its letter, its name for the kernel, what it does.
fn of(step: Step) -> (char, &'static str, &'static str) {
    let found = ('A'..).zip(STEPS).find(|(_, (other, _, _))| *other == step);
    found.map_or(('?', "", ""), |(letter, (_, name, what))| (letter, name, what))
}

fn is_before(first: Step, then: Step, order: &[Step]) -> bool {
    let place = |step| order.iter().position(|&other| other == step);
    place(first) < place(then)
}

/// Why the kernel refused this step at this place.
fn why(step: Step, order: &[Step], failure: &Failure) -> String {
    let user = of(Step::User).0;
    match (step, failure.errno()) {
        (_, Errno::EPERM | Errno::EACCES) if is_before(Step::User, step, order) => {
            format!("step {user} gave root's rights away; nothing of this is allowed after it")
        }
        (Step::Pivot, Errno::EINVAL) => {
            "the root is shared with the host still: pivot_root refuses what would move other people's mounts"
                .into()
        }
        (Step::Umount, Errno::EINVAL) => "there is no old root here yet: pivot_root puts it there".into(),
        (Step::Proc, Errno::EPERM) if !is_before(Step::Rooms, step, order) => {
            "a proc shows a pid namespace, and this user has none of its own yet".into()
        }
        (Step::Proc, Errno::EPERM) => {
            "a user namespace may make a proc only while the host's is visible, and that is gone".into()
        }
        _ if failure.cause.is_empty() => failure.call.clone(),
        _ => failure.cause.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch02_an_order_has_each_letter_once() {
        assert_eq!(parse("cehgdafb").ok().map(|order| order.len()), Some(8));
        for (wrong, said) in
            [("CEHGDAF", "missing: B"), ("CCHGDAFB", "C stands twice"), ("CEHGDAFX", "'X' is none of them")]
        {
            assert!(parse(wrong).is_err_and(|failure| failure.cause == said), "{wrong}");
        }
    }

    #[test]
    fn ch02_the_steps_are_shown_shuffled() {
        let shown: String = ('A'..='H').collect();
        assert_ne!(shown, RIGHT);
        assert!(parse(RIGHT).is_ok());
        assert!(question().contains("  H  make a new proc"));
    }
}
