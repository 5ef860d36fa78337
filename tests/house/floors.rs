//! The floors: a chapter stands on the chapters below it, the engine on all of them, and nobody leans upward.

use crate::source::{File, House, has_word};

/// A chapter's manifest and sources name only chapters below it, and nothing that stands on top of all.
pub(crate) fn a_chapter_uses_only_chapters_below(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for file in &house.files {
        let Some((number, folder)) = chapter(&file.path) else { continue };
        let manifest = file.path == format!("{folder}/Cargo.toml");
        if !(manifest || file.path.starts_with(&format!("{folder}/src/")) && file.path.ends_with(".rs")) {
            continue;
        }
        for (n, line) in lines(file, manifest) {
            for above in named(line).filter(|other| *other > number) {
                found.push(file.says(
                    n,
                    format!("chapter {number:02} names chapter {above:02}: it may use only those below it"),
                ));
            }
            let top = ["workshop", "checks", "lesson", "boxroom"];
            let name = |name: &&&str| {
                let package = manifest && line.trim_start().starts_with(**name);
                package || !manifest && has_word(line, name) && line.contains(&format!("{name}::"))
            };
            if let Some(name) = top.iter().find(name) {
                found.push(
                    file.says(n, format!("a chapter names `{name}`, which stands on top of the chapters")),
                );
            }
        }
    }
    found
}

/// `src/` is a command line over the chapters: no mechanism, no system call.
pub(crate) fn the_engine_adds_no_mechanism(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for file in house.rust().filter(|file| file.path.starts_with("src/")) {
        for (n, line) in file.code.lines().enumerate() {
            let mechanism = line.contains("Mechanism for") || line.contains("Root for");
            let kernel = ["nix", "rustix", "libc"]
                .iter()
                .find(|name| has_word(line, name) && line.contains(&format!("{name}::")));
            if mechanism || kernel.is_some() {
                found.push(file.says(n + 1, "src/ adds no mechanism of its own: it belongs to a chapter"));
            }
        }
    }
    found
}

/// One name finds a chapter's package, page and checks.
pub(crate) fn one_name_finds_everything(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, manifest) in house.packages() {
        let Some(name) = folder.strip_prefix("chapters/") else { continue };
        let package = format!("ch{name}");
        if !manifest.text.contains(&format!("name = \"{package}\"")) {
            found.push(manifest.says(1, format!("the package in {folder} is called {package}")));
        }
        let wanted = [
            format!("book/src/{package}.md"),
            format!("{folder}/tests/checks.rs"),
            format!("{folder}/src/main.rs"),
        ];
        for path in wanted.iter().filter(|path| house.at(path).is_none()) {
            found.push(manifest.says(1, format!("chapter {name} has no {path}")));
        }
    }
    found
}

/// Every crate takes the house's lints, and they ask for a word on every public item.
pub(crate) fn every_crate_has_the_lints(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, manifest) in house.packages() {
        if manifest.text.contains("[package]") && !manifest.text.contains("[lints]\nworkspace = true") {
            found.push(manifest.says(1, "without `[lints]` `workspace = true`"));
        }
        if folder.is_empty() {
            for lint in ["missing_docs", "unsafe_op_in_unsafe_fn", "undocumented_unsafe_blocks"] {
                if !manifest.text.lines().any(|line| line.starts_with(lint)) {
                    found.push(manifest.says(1, format!("the workspace's lints lack {lint}")));
                }
            }
        }
    }
    found
}

/// `chapters/02-namespaces/...`: its number and its folder.
fn chapter(path: &str) -> Option<(u32, String)> {
    let name = path.strip_prefix("chapters/")?.split('/').next()?;
    Some((name.split('-').next()?.parse().ok()?, format!("chapters/{name}")))
}

/// The chapters that a line names, as `ch03-cgroups` or `ch03_cgroups`.
fn named(line: &str) -> impl Iterator<Item = u32> {
    line.match_indices("ch").filter_map(|(at, _)| {
        let rest = &line[at + 2..];
        let number = rest.get(..2)?.parse().ok()?;
        let whole = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        (whole && rest[2..].starts_with(['-', '_'])).then_some(number)
    })
}

/// The lines that count: of a manifest those before the dev-dependencies (checks stand above what they check).
fn lines(file: &File, manifest: bool) -> impl Iterator<Item = (usize, &str)> {
    let all = file.code.lines().enumerate().map(|(n, line)| (n + 1, line));
    all.take_while(move |(_, line)| !(manifest && line.contains("dev-dependencies")))
}

#[test]
fn house_bites_a_chapter_that_leans_upward() {
    let house = House::made_up(&[
        (
            "chapters/01-chroot/Cargo.toml",
            "name = \"ch01-chroot\"\nch00-process.workspace = true\nch02-namespaces.workspace = true\n[dev-dependencies]\nchecks.workspace = true",
        ),
        (
            "chapters/01-chroot/src/lib.rs",
            "//! as ch02_namespaces\nuse ch00_process::x;\nuse ch03_cgroups::y;\nuse checks::z;",
        ),
        ("chapters/01-chroot/tests/checks.rs", "use checks::z;"),
    ]);
    let found = a_chapter_uses_only_chapters_below(&house);
    let places: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "chapters/01-chroot/Cargo.toml:3",
            "chapters/01-chroot/src/lib.rs:3",
            "chapters/01-chroot/src/lib.rs:4"
        ],
        "{found:?}"
    );
}

#[test]
fn house_bites_a_mechanism_in_the_engine() {
    let source = "//! x\nimpl Mechanism for Volumes {}\nuse nix::mount::mount;\nuse ch02_namespaces::launch;";
    let found = the_engine_adds_no_mechanism(&House::made_up(&[
        ("src/main.rs", source),
        ("chapters/01-chroot/src/lib.rs", source),
    ]));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn house_bites_a_chapter_without_its_page() {
    let house = House::made_up(&[
        ("chapters/01-chroot/Cargo.toml", "name = \"ch01-chroot\""),
        ("chapters/01-chroot/src/main.rs", ""),
    ]);
    assert_eq!(one_name_finds_everything(&house).len(), 2);
}

#[test]
fn house_bites_a_crate_without_the_lints() {
    let house = House::made_up(&[
        ("a/Cargo.toml", "[package]\n"),
        ("b/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
        ("Cargo.toml", "[workspace.lints.rust]\nmissing_docs = \"warn\""),
    ]);
    let found = every_crate_has_the_lints(&house);
    assert_eq!(found.len(), 3, "{found:?}");
}
