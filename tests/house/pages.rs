//! That the book shows what is there: each file and anchor that a page takes in exists.

use crate::source::House;

/// Code comes into the book by named anchors, and every one of them is there.
pub(crate) fn every_book_anchor_exists(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for page in house.files.iter().filter(|file| file.path.starts_with("book/") && file.path.ends_with(".md"))
    {
        for (n, line) in page.text.lines().enumerate() {
            for asked in includes(line) {
                if let Err(why) = include(house, &page.path, asked) {
                    found.push(page.says(n + 1, format!("{{{{#include {asked}}}}}: {why}")));
                }
            }
        }
    }
    found
}

/// What stands in `{{#include ...}}` and its sisters. One that is escaped (`\{{`) is text.
fn includes(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("{{#").filter_map(move |(at, _)| {
        if line[..at].ends_with('\\') {
            return None;
        }
        let inside = line[at + 3..].split_once("}}")?.0;
        let (name, asked) = inside.split_once(' ')?;
        name.contains("include").then_some(asked.trim())
    })
}

fn include(house: &House, page: &str, asked: &str) -> Result<(), String> {
    let (path, anchor) = asked.split_once(':').unwrap_or((asked, ""));
    let path = resolve(page, path);
    let file = house.at(&path).ok_or_else(|| format!("there is no {path}"))?;
    if anchor.is_empty() {
        let whole = !path.ends_with(".rs");
        return whole
            .then_some(())
            .ok_or_else(|| "code is taken in by a named anchor, not as a whole file".into());
    }
    if anchor.starts_with(|c: char| c.is_ascii_digit() || c == ':') {
        // A snapshot begins with a header of fixed length that a page leaves out; nothing in it can drift.
        let header = path.ends_with(".snap") && anchor.ends_with(':') && file.text.lines().count() > 4;
        return header.then_some(()).ok_or_else(|| "line numbers drift; name an anchor".into());
    }
    for mark in ["ANCHOR", "ANCHOR_END"] {
        let wanted = format!("{mark}: {anchor}");
        let times = file.text.lines().filter(|line| line.trim_end().ends_with(&wanted)).count();
        if times != 1 {
            return Err(format!("`{wanted}` stands {times} times in {path}, not once"));
        }
    }
    Ok(())
}

/// `../../chapters/x` seen from the page.
fn resolve(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The folders at the top that hold what a page may name.
const TOP: [&str; 10] = [
    ".ci/",
    ".devcontainer/",
    "benches/",
    "book/src/",
    "chapters/",
    "checks/",
    "probe/",
    "setup/",
    "tests/",
    "workshop/",
];

/// A reader who is sent to a file finds it.
pub(crate) fn every_file_that_a_page_names_exists(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for page in house.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (n, line) in page.text.lines().enumerate() {
            let part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            for name in line.split(|c| !part(c)).filter(|name| TOP.iter().any(|top| name.starts_with(top))) {
                let name = name.trim_end_matches(['.', '/']);
                let there = house.files.iter().any(|file| {
                    file.path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                // `chapters/NN-name` stands for all of them.
                if !there && !name.contains("NN") {
                    found.push(page.says(n + 1, format!("names {name}, which isn't there")));
                }
            }
        }
    }
    found
}

#[test]
fn house_bites_a_page_that_names_what_is_not_there() {
    let page =
        "see `setup/lima.yaml`, chapters/NN-name/src and chapters/00-process/.\nnot `setup/lost.yaml`.\n";
    let files = [("README.md", page), ("setup/lima.yaml", ""), ("chapters/00-process/Cargo.toml", "")];
    let found = every_file_that_a_page_names_exists(&House::made_up(&files));
    assert_eq!(found, ["README.md:2: names setup/lost.yaml, which isn't there"]);
}

#[test]
fn house_bites_an_anchor_that_is_not_there() {
    let page = "\
{{#include ../../a/src/lib.rs:good}}
{{#rustdoc_include ../../a/src/lib.rs:lost}}
{{#include ../../a/src/none.rs:good}}
{{#include ../../a/src/lib.rs:3:9}}
{{#include ../../a/src/lib.rs}}
{{#include out.snap:4:}} {{#include out.snap:4:9}}
{{#include out.txt}} and \\{{#include example.rs}}
";
    let source = "// ANCHOR: good\nfn f() {}\n// ANCHOR_END: good\n";
    let house = House::made_up(&[
        ("book/src/page.md", page),
        ("a/src/lib.rs", source),
        ("book/src/out.txt", ""),
        ("book/src/out.snap", "---\nx\n---\n1\n2\n"),
    ]);
    let found = every_book_anchor_exists(&house);
    let places: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, [2, 3, 4, 5, 6].map(|n| format!("book/src/page.md:{n}")), "{found:?}");
}
