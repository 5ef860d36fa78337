//! Where the words of a failed check stand: in the chapter's `exercise.toml`, and here what all chapters share.

use std::io::ErrorKind;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use lesson::exercise::Exercise;
use lesson::words::CheckWords;

/// The key of a stage that doesn't start: then the check has seen nothing, and its own words would mislead.
pub const NOT_STARTED: &str = "stage_not_started";

static COMMON: LazyLock<Result<Exercise>> =
    LazyLock::new(|| Exercise::parse(include_str!("../words.toml")).context("checks/words.toml"));

/// The words that every chapter has for this key.
#[must_use]
pub fn common(key: &str) -> Option<&'static CheckWords> {
    COMMON.as_ref().ok()?.check.get(key)
}

/// The exercise of `chapter` (`02-namespaces`) in this checkout; none where the chapter hasn't one yet.
///
/// # Errors
/// It, or `words.toml`, isn't in the form.
pub fn of(chapter: &str) -> Result<Option<&'static Exercise>> {
    COMMON.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let folder = match probe::built_folder() {
        // Where there is no checkout, they lie beside the snapshots.
        Some(built) => built.join("snapshots").join(chapter),
        None => probe::workspace().join("chapters").join(chapter),
    };
    match Exercise::of(&folder) {
        // Read once for a table, and kept until the test binary ends: a finding's lines point into it.
        Ok(exercise) => Ok(Some(Box::leak(Box::new(exercise)))),
        Err(error) => match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == ErrorKind::NotFound => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_a_chapter_without_an_exercise_is_none_and_no_error() {
        assert!(of("99-nowhere").unwrap().is_none());
    }

    #[test]
    fn checks_the_shared_words_are_in_the_form() {
        assert!(common(NOT_STARTED).is_some_and(|words| words.seen.contains_key(NOT_STARTED)));
    }
}
