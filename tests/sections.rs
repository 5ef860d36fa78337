//! What a failed check says has its words, and they send the reader to sections of the book that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lesson::exercise::Exercise;

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

#[test]
fn each_check_has_words_and_all_words_have_their_check() {
    for folder in chapters() {
        let Ok(exercise) = Exercise::of(&folder) else { continue };
        let checks: BTreeSet<String> =
            rust_of(&folder).iter().flat_map(|text| after(text, "name: \"ch")).collect();
        let checks: BTreeSet<String> = checks.into_iter().map(|rest| format!("ch{rest}")).collect();
        let words: BTreeSet<String> = exercise.check.keys().cloned().collect();
        assert_eq!(checks, words, "{}: its checks, and the sections [check.NAME]", folder.display());
        for (name, words) in &exercise.check {
            let lines = [&words.expected, &words.meaning, &words.look, &words.read];
            assert!(lines.iter().all(|line| !line.trim().is_empty()), "{name} has an empty line");
            assert!(!sections(&words.read).is_empty(), "{name} names no section of the book: {}", words.read);
        }
    }
}

#[test]
fn each_key_that_a_check_sees_has_words_and_all_words_have_their_key() {
    let shared = fs::read_to_string(Path::new(HOUSE).join("checks/words.toml")).expect("words.toml is there");
    let shared = Exercise::parse(&shared).expect("words.toml is in the form");
    let keys = |text: &str| [after(text, "::seen(\""), after(text, "::common(\"")].concat();
    for (section, words) in &shared.check {
        assert!(words.seen.contains_key(section), "words.toml: [check.{section}] has no seen.{section}");
    }
    let own: BTreeSet<String> =
        rust_in(&Path::new(HOUSE).join("checks/src")).iter().flat_map(|text| keys(tested(text))).collect();
    let lost: Vec<_> = own.iter().filter(|key| !shared.check.contains_key(*key)).collect();
    assert!(lost.is_empty(), "checks/words.toml has no words for {lost:?}");
    for folder in chapters() {
        let Ok(exercise) = Exercise::of(&folder) else { continue };
        let used: BTreeSet<String> = rust_of(&folder).iter().flat_map(|text| keys(text)).collect();
        let there: BTreeSet<String> =
            exercise.check.values().flat_map(|words| words.seen.keys().cloned()).collect();
        let lost: Vec<_> =
            used.iter().filter(|key| !there.contains(*key) && !shared.check.contains_key(*key)).collect();
        assert!(lost.is_empty(), "{}: no words for {lost:?}", folder.display());
        let idle: Vec<_> = there.difference(&used).collect();
        assert!(idle.is_empty(), "{}: no check sees {idle:?}", folder.display());
    }
}

#[test]
fn the_chapters_that_are_exercises_have_their_words() {
    let with_words = chapters().into_iter().filter_map(|folder| Exercise::of(&folder).ok());
    assert!(with_words.filter(|exercise| !exercise.check.is_empty()).count() >= 4, "chapters 00 to 03");
}

fn chapters() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(HOUSE).join("chapters")).expect("there are chapters");
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The sources of a chapter's checks.
fn rust_of(chapter: &Path) -> Vec<String> {
    rust_in(&chapter.join("tests"))
}

fn rust_in(folder: &Path) -> Vec<String> {
    let files = files_below(vec![folder.to_path_buf()], "rs");
    files.iter().map(|file| fs::read_to_string(file).expect("a source is text")).collect()
}

/// A source without its unit tests.
fn tested(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// What follows each `mark`, up to the end of the string that it is in.
fn after(text: &str, mark: &str) -> Vec<String> {
    text.split(mark).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_string())).collect()
}

/// The checks of the chapters, what they share, and the words of both.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(HOUSE).join("checks/src")];
    folders.extend(chapters().iter().map(|chapter| chapter.join("tests")));
    let mut files = files_below(folders, "rs");
    files.push(Path::new(HOUSE).join("checks/words.toml"));
    files
        .extend(chapters().iter().map(|chapter| chapter.join("exercise.toml")).filter(|file| file.is_file()));
    files
}

/// The files below these folders whose names end so.
fn files_below(mut folders: Vec<PathBuf>, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == ending) {
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
            "how to use this book" => "how-to-use.md".to_string(),
            other => page_of(other),
        };
        found.push((page, rest[begin + 1..end].to_string()));
    }
    found
}

/// The page of `chapter NN`.
fn page_of(chapter: &str) -> String {
    let begin = format!("ch{}-", chapter.trim_start_matches("chapter "));
    let pages = fs::read_dir(Path::new(HOUSE).join("book/src")).expect("there is a book").flatten();
    let mut names = pages.map(|page| page.file_name().to_string_lossy().into_owned());
    names.find(|name| name.starts_with(&begin)).unwrap_or_else(|| chapter.into())
}

fn headings(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(HOUSE).join("book/src").join(page)).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.strip_prefix('#'));
    names.map(|line| line.trim_start_matches('#').trim().to_string()).collect()
}
