//! That every test runs: each file in a `tests/` folder is a target, and plain `cargo test` means every crate.

use crate::source::{File, House};

/// Every file in a tests folder is a test target, or part of one.
pub(crate) fn every_test_file_runs(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, manifest) in house.packages() {
        let tests = if folder.is_empty() { "tests/".into() } else { format!("{folder}/tests/") };
        let files = || house.rust().filter(|file| file.path.starts_with(&tests));
        for file in files() {
            let rest = &file.path[tests.len()..];
            if rest.contains('/') {
                if !files().any(|other| is_module_of(file, other, &tests)) {
                    found.push(file.says(1, "no test takes it in by `mod`, so it never runs"));
                }
            } else if let Err(why) = runs(file, rest, manifest) {
                found.push(file.says(1, why));
            }
        }
    }
    found
}

/// A file directly in tests/: cargo finds it, unless the manifest says otherwise.
fn runs(file: &File, name: &str, manifest: &File) -> Result<(), String> {
    let sections: Vec<&str> = manifest.text.split("\n[").collect();
    let target = |section: &&&str| {
        let named = format!("name = \"{}\"", name.trim_end_matches(".rs"));
        section.starts_with("[test]]")
            && (section.contains(&named) || section.contains(&format!("tests/{name}\"")))
    };
    let section = sections.iter().find(target);
    if section.is_none() && manifest.text.contains("autotests = false") {
        return Err("autotests is off and no [[test]] names it, so it never runs".into());
    }
    let off = |line: &str| section.is_some_and(|section| section.lines().any(|one| one.trim() == line));
    if off("test = false") {
        return Err("its [[test]] says `test = false`, so it never runs".into());
    }
    let own = off("harness = false");
    let has_tests = file.code.contains("#[test]");
    let has_main = file.code.contains("fn main(");
    match (own, has_tests, has_main) {
        (true, _, false) => Err("harness = false, but it has no main".into()),
        (false, false, _) => {
            Err("holds no #[test]; for a main of its own the manifest needs harness = false".into())
        }
        _ => Ok(()),
    }
}

/// `other` says `mod stem;`, or names the file by `#[path]`, or the file is a `main.rs` (a target itself).
fn is_module_of(file: &File, other: &File, tests: &str) -> bool {
    let below = &file.path[tests.len()..];
    let stem = if file.stem() == "mod" { below.rsplit('/').nth(1).unwrap_or_default() } else { file.stem() };
    let folder = other.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let relative = file.path.strip_prefix(folder).map_or(below, |rest| rest.trim_start_matches('/'));
    let by_name = other.code.contains(&format!("mod {stem};"));
    (file.stem() == "main" && below.matches('/').count() == 1)
        || other.text.contains(&format!("#[path = \"{relative}\"]"))
        || (by_name && file.path != other.path && !other.text.contains("#[path"))
}

/// Plain `cargo test` at the top runs the whole house.
pub(crate) fn plain_cargo_test_means_every_crate(house: &House) -> Vec<String> {
    let Some(root) = house.at("Cargo.toml") else { return vec!["Cargo.toml:1: there is none".into()] };
    let list = |name: &str| {
        let text = root.text.split_once(&format!("\n{name} = [")).map_or("", |(_, rest)| rest);
        let text = text.split_once(']').map_or("", |(list, _)| list);
        text.split('"').skip(1).step_by(2).map(String::from).collect::<Vec<_>>()
    };
    let (members, defaults) = (list("members"), list("default-members"));
    let mut found = Vec::new();
    for (folder, manifest) in house.packages() {
        let folder = if folder.is_empty() { "." } else { folder };
        if manifest.text.contains("[package]") && !defaults.iter().any(|one| one == folder) {
            found.push(
                root.says(
                    1,
                    format!("{folder} is not in default-members, so plain `cargo test` leaves it out"),
                ),
            );
        }
        if folder != "." && !members.iter().any(|one| one == folder) {
            found.push(root.says(1, format!("{folder} is not a member of the workspace")));
        }
    }
    found
}

#[test]
fn house_bites_a_forgotten_test() {
    let house = House::made_up(&[
        (
            "a/Cargo.toml",
            "[package]\n\n[[test]]\nname = \"own\"\nharness = false\n\n[[test]]\nname = \"off\"\ntest = false\n",
        ),
        ("a/tests/good.rs", "mod part;\n#[test]\nfn x() {}"),
        ("a/tests/part/mod.rs", ""),
        ("a/tests/own.rs", "fn main() {}"),
        ("a/tests/off.rs", "#[test]\nfn x() {}"),
        ("a/tests/empty.rs", "fn x() {}"),
        ("a/tests/lost/part_two.rs", "#[test]\nfn x() {}"),
    ]);
    let found = every_test_file_runs(&house);
    let places: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["a/tests/off.rs:1", "a/tests/empty.rs:1", "a/tests/lost/part_two.rs:1"], "{found:?}");
    let off =
        House::made_up(&[("a/Cargo.toml", "autotests = false"), ("a/tests/x.rs", "#[test]\nfn x() {}")]);
    assert_eq!(every_test_file_runs(&off).len(), 1);
}

#[test]
fn house_bites_a_crate_that_plain_test_leaves_out() {
    let root = "[workspace]\nmembers = [\"a\", \"b\"]\ndefault-members = [\".\", \"a\"]\n[package]\n";
    let package = "[package]\n";
    let house = House::made_up(&[("Cargo.toml", root), ("a/Cargo.toml", package), ("b/Cargo.toml", package)]);
    let found = plain_cargo_test_means_every_crate(&house);
    assert_eq!(found, ["Cargo.toml:1: b is not in default-members, so plain `cargo test` leaves it out"]);
}
