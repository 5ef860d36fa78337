//! At what containers have in common: the files that all of them are started from.

use std::fs;

use crate::facts::{Evidence, Facts};

/// The outside looks whether the file that others are started from is another now.
pub fn write(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = &facts.mould;
    evidence.step(format!("write {}", path.display()), fs::write(path, "not what it was\n"));
    evidence
}

/// The same, by taking it away.
pub fn delete(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = &facts.mould;
    evidence.step(format!("unlink {}", path.display()), fs::remove_file(path));
    evidence
}

/// What a container before this one has written.
pub fn others_files(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let path = &facts.mould;
    if let Some(text) = evidence.step(format!("read {}", path.display()), fs::read_to_string(path)) {
        evidence.find(text.trim_end());
    }
    evidence
}
