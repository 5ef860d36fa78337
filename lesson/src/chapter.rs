//! Which chapter is meant, and where what belongs to it stands.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where the learner's copies are: `exercises/` of the checkout, or what `BOXROOM_EXERCISES` names, for a checkout that can't
/// be written and for tests.
#[must_use]
pub fn exercises(top: &Path) -> PathBuf {
    match env::var_os("BOXROOM_EXERCISES") {
        Some(folder) if !folder.is_empty() => folder.into(),
        _ => top.join("exercises"),
    }
}

/// A chapter that has an exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// `02-namespaces`.
    pub name: String,
    /// The top of the checkout.
    pub top: PathBuf,
}

impl Chapter {
    /// All chapters with an `exercise.toml`, from the ground up.
    ///
    /// # Errors
    /// `top` is no checkout of ours.
    pub fn all(top: &Path) -> Result<Vec<Self>> {
        let folder = top.join("chapters");
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.path().join("exercise.toml").is_file() {
                found.push(Self { name: entry.file_name().to_string_lossy().into_owned(), top: top.into() });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The chapter that `wanted` means: `2`, `02`, `namespaces`, `02-namespaces`, `ch02`, `ex02-namespaces`.
    ///
    /// # Errors
    /// There is none; the message names those that there are.
    pub fn find(top: &Path, wanted: &str) -> Result<Self> {
        let all = Self::all(top)?;
        let plain = wanted.trim_start_matches("ch").trim_start_matches("ex");
        let number = plain.parse::<u32>().ok();
        let fits = |chapter: &&Self| {
            chapter.name == plain
                || chapter.name.split_once('-').is_some_and(|(_, title)| title == wanted)
                || number.is_some() && chapter.number() == number
        };
        match all.iter().find(fits) {
            Some(chapter) => Ok(chapter.clone()),
            None => {
                let names: Vec<_> = all.iter().map(|chapter| chapter.name.as_str()).collect();
                bail!("there is no exercise {wanted:?}; there are {}", names.join(", "))
            }
        }
    }

    /// `2`.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.name.split('-').next()?.parse().ok()
    }

    /// `02`.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }

    /// The reference: its sources, its exercise.toml, its checks.
    #[must_use]
    pub fn reference(&self) -> PathBuf {
        self.top.join("chapters").join(&self.name)
    }

    /// The workspace of the learner's copies. git ignores it.
    #[must_use]
    pub fn exercises(&self) -> PathBuf {
        exercises(&self.top)
    }

    /// Whether they stand at their usual place in the checkout.
    #[must_use]
    pub fn is_at_home(&self) -> bool {
        self.exercises() == self.top.join("exercises")
    }

    /// The learner's own copy.
    #[must_use]
    pub fn learners(&self) -> PathBuf {
        self.exercises().join(format!("ex{}", self.name))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.learners().join("Cargo.toml").is_file()
    }

    /// The name of its library in Rust: `ch02_namespaces`.
    #[must_use]
    pub fn library(&self) -> String {
        format!("ch{}", self.name.replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesson_a_chapter_is_found_by_any_of_its_names() {
        let top = std::env::temp_dir().join(format!("boxroom-lesson-{}", std::process::id()));
        let folder = top.join("chapters/02-namespaces");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("exercise.toml"), "").unwrap();
        for wanted in ["2", "02", "namespaces", "02-namespaces", "ch02", "ex02-namespaces"] {
            assert_eq!(Chapter::find(&top, wanted).unwrap().name, "02-namespaces", "{wanted}");
        }
        let error = Chapter::find(&top, "03").unwrap_err().to_string();
        assert!(error.contains("there are 02-namespaces"), "{error}");
        fs::remove_dir_all(&top).unwrap();
    }
}
