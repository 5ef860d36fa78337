//! A failed check sends its reader to a section of the book: each section that is named is there.

use std::fs;
use std::path::{Path, PathBuf};

const HOUSE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn each_section_that_a_check_names_is_a_heading() {
    let mut named = 0;
    let mut lost = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a source is text");
        for (page, section) in sections(&text) {
            named += 1;
            if !headings(&page).iter().any(|heading| heading.eq_ignore_ascii_case(&section)) {
                lost.push(format!("{}: {page} has no section '{section}'", file.display()));
            }
        }
    }
    assert!(named > 20, "only {named} sections are named: is the form another?");
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn a_section_that_is_not_there_is_found() {
    let found = sections("read: \"book: chapter 02, 'a root that isn't a view'; pivot_root(2)\",");
    assert_eq!(found, [("ch02-namespaces.md".to_string(), "a root that isn't a view".to_string())]);
    assert!(!headings("ch02-namespaces.md").contains(&"Nowhere".to_string()));
}

/// The checks of the chapters, and what they share.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![Path::new(HOUSE).join("checks/src")];
    for chapter in fs::read_dir(Path::new(HOUSE).join("chapters")).expect("there are chapters") {
        folders.push(chapter.expect("a chapter").path().join("tests"));
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Every `book: PAGE, 'SECTION'`: the page's file and the section's name.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for rest in text.split("book: ").skip(1) {
        let rest = rest.split(['"', ';', '\n']).next().unwrap_or_default();
        let (Some((page, _)), Some(begin), Some(end)) =
            (rest.split_once(", '"), rest.find('\''), rest.rfind('\''))
        else {
            continue;
        };
        let page = match page {
            "chapter 00" => "ch00-process.md",
            "chapter 01" => "ch01-chroot.md",
            "chapter 02" => "ch02-namespaces.md",
            "chapter 04" => "ch04-images.md",
            "how to use this book" => "how-to-use.md",
            other => other,
        };
        found.push((page.to_string(), rest[begin + 1..end].to_string()));
    }
    found
}

fn headings(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(HOUSE).join("book/src").join(page)).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.strip_prefix('#'));
    names.map(|line| line.trim_start_matches('#').trim().to_string()).collect()
}
