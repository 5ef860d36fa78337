//! `cargo workshop doctor errno`: each error number that a learner meets, with its usual cause.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use ch00_process::kernel::errno::{Meaning, TABLE};
use nix::errno::Errno;
use serde::Serialize;

use crate::ink::{Ink, wrap};

#[derive(Serialize)]
struct Entry<'a> {
    call: &'a str,
    errno: String,
    number: i32,
    says: &'a str,
    cause: &'a str,
    hint: &'a str,
}

/// Explains the errno (`EPERM`, `1`) or the call (`pivot_root`) with this name; without one, all of them.
///
/// # Errors
/// The table has nothing about that name, or the writer is gone.
pub fn run(out: &mut impl Write, ink: Ink, name: Option<&str>, json: bool) -> Result<ExitCode> {
    let found: Vec<&Meaning> =
        TABLE.iter().filter(|meaning| name.is_none_or(|name| about(meaning, name))).collect();
    if found.is_empty() {
        let name = name.unwrap_or_default();
        let errno = number(name).map(Errno::from_raw).filter(|errno| *errno != Errno::UnknownErrno);
        let Some(errno) = errno else {
            bail!(
                "no errno or system call {name:?} is explained here; without a name, all are (and errno(3) has every one)"
            );
        };
        writeln!(
            out,
            "{errno:?} ({}): {}. No call of these chapters is known for it; see errno(3).",
            errno as i32,
            errno.desc()
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        let entries: Vec<_> = found.iter().map(|meaning| entry(meaning)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&entries)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut errnos: Vec<Errno> = found.iter().map(|meaning| meaning.errno).collect();
    errnos.sort_by_key(|errno| *errno as i32);
    errnos.dedup();
    for (n, errno) in errnos.into_iter().enumerate() {
        let gap = if n == 0 { "" } else { "\n" };
        writeln!(
            out,
            "{gap}{} ({}): {}",
            ink.bold(&format!("{errno:?}")),
            errno as i32,
            errno.desc().to_lowercase()
        )?;
        for meaning in found.iter().filter(|meaning| meaning.errno == errno) {
            writeln!(out, "  {:14} {}", meaning.call, wrap(meaning.cause, 100, 17))?;
            writeln!(out, "  {:>14} {}", ink.dim("try"), wrap(meaning.hint, 100, 17))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about(meaning: &Meaning, name: &str) -> bool {
    meaning.call == name
        || number(name).map_or_else(
            || format!("{:?}", meaning.errno).eq_ignore_ascii_case(name),
            |n| meaning.errno as i32 == n,
        )
}

/// `1`, or the number of `EPERM`.
fn number(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    (1..134).find(|n| format!("{:?}", Errno::from_raw(*n)).eq_ignore_ascii_case(name))
}

fn entry(meaning: &Meaning) -> Entry<'_> {
    Entry {
        call: meaning.call,
        errno: format!("{:?}", meaning.errno),
        number: meaning.errno as i32,
        says: meaning.errno.desc(),
        cause: meaning.cause,
        hint: meaning.hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str) -> String {
        let mut out = Vec::new();
        let _code = run(&mut out, Ink::PLAIN, Some(name), false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_errno_is_found_by_name_number_and_call() {
        assert_eq!(said("EPERM"), said("eperm"));
        assert_eq!(said("EPERM"), said("1"));
        assert!(said("pivot_root").contains("EINVAL"));
        assert!(!said("EPERM").contains("EINVAL"));
    }

    #[test]
    fn an_errno_without_a_story_is_named_and_a_wrong_name_refused() {
        assert!(said("EXDEV").contains("EXDEV (18)"));
        assert!(run(&mut Vec::new(), Ink::PLAIN, Some("nonsense"), false).is_err());
    }
}
