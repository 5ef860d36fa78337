//! Where another suite's packages are: the machine's own sources, with the suite's name replaced.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// The Debian suites that a machine's sources may name.
const SUITES: [&str; 5] = ["bullseye", "bookworm", "trixie", "forky", "sid"];

/// Source files for `suite`, each with a name that apt reads.
///
/// # Errors
/// No source of this machine names a Debian suite.
pub fn derive(suite: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let derived = if name.ends_with(".sources") { stanzas(&text, suite) } else { lines(&text, suite) };
        if !derived.is_empty() {
            found.push((name, derived));
        }
    }
    if found.is_empty() {
        bail!(
            "no source of this machine's apt names a Debian suite, so there is no way to {suite}'s kernel; \
             a Debian (a container of it will do) has one"
        );
    }
    Ok(found)
}

fn files() -> Vec<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = parts
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "list" || end == "sources"))
        .collect();
    files.sort();
    files.insert(0, "/etc/apt/sources.list".into());
    files
}

/// The old form: `deb [options] URI SUITE COMPONENTS`.
fn lines(text: &str, suite: &str) -> String {
    let derived = text.lines().filter(|line| line.trim_start().starts_with("deb ")).filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let place = words.iter().position(|word| replaced(word, suite).is_some())?;
        let mut words: Vec<String> = words.into_iter().map(Into::into).collect();
        words[place] = replaced(&words[place], suite)?;
        Some(words.join(" ") + "\n")
    });
    derived.collect()
}

/// The new form (deb822): paragraphs, one of their fields `Suites: A B`.
fn stanzas(text: &str, suite: &str) -> String {
    let mut derived = String::new();
    for stanza in text.split("\n\n") {
        let mut suits = false;
        let mut kept = String::new();
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            let Some(named) = line.strip_prefix("Suites:") else {
                kept.push_str(line);
                kept.push('\n');
                continue;
            };
            let suites: Vec<String> =
                named.split_ascii_whitespace().filter_map(|name| replaced(name, suite)).collect();
            suits = !suites.is_empty();
            kept.push_str(&format!("Suites: {}\n", suites.join(" ")));
        }
        if suits {
            derived.push_str(&kept);
            derived.push('\n');
        }
    }
    derived
}

/// `bookworm-security` as `trixie-security`; nothing for what is no suite, or one that not every Debian has.
fn replaced(name: &str, suite: &str) -> Option<String> {
    let (old, rest) = name.split_once('-').map_or((name, None), |(old, rest)| (old, Some(rest)));
    match rest {
        _ if !SUITES.contains(&old) => None,
        None => Some(suite.into()),
        Some(rest @ ("security" | "updates")) => Some(format!("{suite}-{rest}")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_sources_are_led_to_another_suite() {
        let new = "\
Types: deb
# a note
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main

Types: deb
URIs: http://other.example
Suites: nodistro
Components: main
";
        let derived = stanzas(new, "trixie");
        assert!(derived.contains("Suites: trixie trixie-updates\n"), "{derived}");
        assert!(!derived.contains("nodistro") && !derived.contains("other.example"), "{derived}");
        let old =
            "deb [arch=amd64] http://mirror.example/debian bookworm main\n# deb x\ndeb-src x bookworm main\n";
        assert_eq!(lines(old, "bullseye"), "deb [arch=amd64] http://mirror.example/debian bullseye main\n");
        assert_eq!(lines("deb http://ubuntu.example noble main\n", "bullseye"), "");
    }
}
