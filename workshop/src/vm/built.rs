//! Our own programs for a machine that has no libraries: the chapters, the probe, the chapters' checks, all static.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use lesson::mutant::Mutant;

/// A chapter of this checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// `02-namespaces`.
    pub name: String,
    /// `chapters/02-namespaces`.
    pub folder: PathBuf,
}

/// What goes into the guest's `/built`.
#[derive(Debug)]
pub struct Programs {
    /// Each chapter's binary, the probe, and the guide, whose `clean` some checks run.
    pub binaries: Vec<PathBuf>,
    /// The checks of the chapters that were asked for, with the chapter.
    pub checks: Vec<(Chapter, PathBuf)>,
    /// The house's own tests whose outcome differs with the version of groups, by name: `explain`, `book`.
    pub tests: Vec<(&'static str, PathBuf)>,
    /// Their mistakes that show on cgroup version 2 alone, each a binary named `mutant-NAME`.
    pub mutants: Vec<(Mutant, PathBuf)>,
}

/// The launch of every chapter, told call by call; the page of chapter 03, block by block.
const OF_THE_HOUSE: [&str; 2] = ["explain", "book"];

/// The chapters that are there, in their order.
///
/// # Errors
/// There is no checkout: this program was carried elsewhere.
pub fn chapters() -> Result<Vec<Chapter>> {
    let folder = probe::workspace().join("chapters");
    let mut found: Vec<Chapter> = fs::read_dir(&folder)
        .with_context(|| format!("no chapters at {}", folder.display()))?
        .flatten()
        .filter(|entry| entry.path().join("tests/checks.rs").is_file())
        .map(|entry| Chapter { name: entry.file_name().to_string_lossy().into_owned(), folder: entry.path() })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Those that `asked` names, by number or by name; all of them where nobody asks.
///
/// # Errors
/// There is no such chapter; the message has the list.
pub fn choose(all: &[Chapter], asked: &[String]) -> Result<Vec<Chapter>> {
    if asked.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen = Vec::new();
    for word in asked {
        let Some(chapter) = all.iter().find(|chapter| is_meant(&chapter.name, word)) else {
            let names: Vec<&str> = all.iter().map(|chapter| chapter.name.as_str()).collect();
            bail!("there is no chapter {word}; there are {}", names.join(", "));
        };
        chosen.push(chapter.clone());
    }
    Ok(chosen)
}

/// `2`, `02`, `02-namespaces`, `namespaces`, `ch02-namespaces`.
fn is_meant(name: &str, word: &str) -> bool {
    let word = word.strip_prefix("ch").unwrap_or(word);
    let (number, rest) = name.split_once('-').unwrap_or((name, ""));
    word == name || word == rest || (word.parse::<u32>().is_ok() && word.parse::<u32>() == number.parse())
}

/// Builds them. All chapters' binaries, because a check looks at the chapter before too; the checks of `asked`.
///
/// # Errors
/// They don't compile, or this machine has no static C library.
pub fn build(all: &[Chapter], asked: &[Chapter]) -> Result<Programs> {
    if !probe::has_static_libc() {
        bail!("no libc.a here, and the guest has no libraries: apt-get install libc6-dev");
    }
    let flags = flags("vm")?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let packages: Vec<String> = all.iter().map(|chapter| format!("ch{}", chapter.name)).collect();
    let mut words =
        vec!["build", "--bins", "--package", "probe", "--package", "workshop", "--package", "boxroom"];
    words.extend(packages.iter().flat_map(|package| ["--package", package.as_str()]));
    words.extend(&flags);
    let binaries = probe::cargo(&words, &[])?;
    let mut checks = Vec::new();
    for chapter in asked {
        let package = format!("ch{}", chapter.name);
        checks.push((chapter.clone(), test(&package, "checks", &flags)?));
    }
    let mut tests = Vec::new();
    for name in if asked.is_empty() { &[][..] } else { &OF_THE_HOUSE } {
        tests.push((*name, test("boxroom", name, &flags)?));
    }
    Ok(Programs { binaries, checks, tests, mutants: mutants(asked, &flags)? })
}

/// A package's test. cargo gives it a name with a hash, `deps/checks-0123`; the package's binary comes along as it is.
fn test(package: &str, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let words = [&["test", "--no-run", "--test", name, "--package", package], flags].concat();
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    };
    let built = probe::cargo(&words, &[])?.into_iter().find(is_it);
    built.with_context(|| format!("cargo built no test {name} of {package}"))
}

/// Built from a copy of the sources each, in a folder of their own: tests/mutants.rs has another, and a mistake must not be taken for the
/// chapter itself.
fn mutants(asked: &[Chapter], flags: &[&str]) -> Result<Vec<(Mutant, PathBuf)>> {
    let folder = probe::target_dir()?.join("mutants-vm");
    let target = folder.join("target").display().to_string();
    let shown = |mutant: &Mutant| {
        mutant.version == Some(2) && asked.iter().any(|chapter| chapter.name == mutant.chapter)
    };
    let mut built = Vec::new();
    for mutant in Mutant::all(probe::workspace())?.into_iter().filter(shown) {
        let tree = mutant.sources(probe::workspace(), &folder)?;
        let manifest = tree.join("Cargo.toml").display().to_string();
        let package = mutant.package();
        let words = ["build", "--manifest-path", &manifest, "--target-dir", &target, "--package", &package];
        let made = probe::cargo(&[&words[..], flags].concat(), &[])?;
        let file = made.into_iter().find(|path| path.ends_with(&package)).context("cargo built no mutant")?;
        let kept = folder.join(format!("mutant-{}", mutant.name));
        fs::copy(file, &kept)?;
        built.push((mutant, kept));
    }
    Ok(built)
}

/// The packages' binaries as they are released, for what is measured.
///
/// # Errors
/// They don't compile.
pub fn optimised(packages: &[&str]) -> Result<Vec<PathBuf>> {
    let mut words = vec!["build".to_string(), "--bins".into()];
    words.extend(packages.iter().flat_map(|package| ["--package".into(), package.to_string()]));
    words.extend(flags("release")?);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let built = probe::cargo(&words, &[])?;
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| packages.iter().any(|one| **one == *name));
    Ok(built.into_iter().filter(named).collect())
}

/// Static, in this profile.
fn flags(profile: &str) -> Result<Vec<String>> {
    let words = [
        "--profile",
        profile,
        "--locked",
        "--target",
        &host_target()?,
        "--config",
        "target.'cfg(target_os=\"linux\")'.rustflags=['-Ctarget-feature=+crt-static']",
    ];
    Ok(words.map(String::from).to_vec())
}

fn host_target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("starting rustc")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_has_many_names() {
        for word in ["2", "02", "02-namespaces", "namespaces", "ch02-namespaces"] {
            assert!(is_meant("02-namespaces", word), "{word}");
        }
        for word in ["", "3", "name", "12"] {
            assert!(!is_meant("02-namespaces", word), "{word}");
        }
        let wrong = choose(&chapters().unwrap(), &["99".into()]).unwrap_err().to_string();
        assert!(wrong.contains("02-namespaces"), "{wrong}");
    }
}
