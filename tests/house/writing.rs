//! How a file is written: its first line, its length, its name, what it leaves behind.

use crate::source::{House, has_word};

/// Every room says at its door what it is for.
pub(crate) fn every_file_says_what_it_is_for(house: &House) -> Vec<String> {
    let silent = house.rust().filter(|file| !file.text.starts_with("//!"));
    silent
        .map(|file| file.says(1, "begins without `//!`: say in its first line what this room is for"))
        .collect()
}

const LONGEST: usize = 400;

/// A file holds one idea.
pub(crate) fn no_file_is_too_long(house: &House) -> Vec<String> {
    let long = |lines| {
        format!("{lines} lines, and {LONGEST} are the most: a file holds one idea; give the second its own")
    };
    let found = house.rust().filter(|file| file.text.lines().count() > LONGEST);
    found.map(|file| file.says(LONGEST + 1, long(file.text.lines().count()))).collect()
}

/// A name says what is inside.
pub(crate) fn no_name_says_nothing(house: &House) -> Vec<String> {
    let nothing = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    let mut found = Vec::new();
    for file in house.rust() {
        let mut parts: Vec<&str> = file.path.split('/').collect();
        parts.pop();
        parts.push(file.stem());
        if let Some(part) = parts.iter().find(|part| nothing.contains(part)) {
            found.push(file.says(1, format!("`{part}` says nothing about what is inside; name the idea")));
        }
        let folder = parts.len().checked_sub(2).map_or("", |n| parts[n]);
        if file.stem().starts_with(&format!("{folder}_")) {
            found.push(file.says(1, format!("the name repeats its folder `{folder}`")));
        }
    }
    found
}

/// What isn't done is an issue, not a comment.
pub(crate) fn nothing_is_left_for_later(house: &House) -> Vec<String> {
    // In two halves, or this very file would be found.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut found = Vec::new();
    for file in house.rust() {
        for (n, (comment, code)) in file.comments.lines().zip(file.code.lines()).enumerate() {
            if let Some(mark) = marks.iter().find(|mark| has_word(comment, mark)) {
                found.push(file.says(n + 1, format!("{mark}: do it, or write an issue")));
            }
            // Exercises are made from the reference; the reference itself is whole.
            if let Some(mark) = ["todo!", "unimplemented!"].iter().find(|mark| code.contains(*mark)) {
                found.push(file.says(n + 1, format!("{mark}: the reference is whole")));
            }
        }
    }
    found
}

/// Only the root module of a binary prints; everything else is given a writer. So nothing prints between
/// clone and exec, and what is said can be tested.
pub(crate) fn only_a_binarys_root_prints(house: &House) -> Vec<String> {
    let prints = ["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()", "stderr()"];
    let mut found = Vec::new();
    for file in house.rust().filter(|file| !may_print(&file.path)) {
        for (n, line) in file.code_lines() {
            let word =
                |name: &str| has_word(line, name.trim_end_matches(['!', '(', ')'])) && line.contains(name);
            if let Some(name) = prints.iter().find(|name| word(name)) {
                found.push(file.says(
                    n,
                    format!("`{name}` outside a binary's root module: take a `&mut impl Write` from main"),
                ));
            }
        }
    }
    found
}

/// Where the root module of many binaries stands once: each chapter's test binary is a table and a call of it.
const ROOTS: [&str; 1] = ["checks/src/table.rs"];

fn may_print(path: &str) -> bool {
    let program = path.ends_with("/main.rs") || path == "src/main.rs" || path.contains("/src/bin/");
    program
        || ROOTS.contains(&path)
        || path.ends_with("build.rs")
        || path.split('/').any(|part| part == "tests" || part == "benches")
}

#[test]
fn house_bites_a_file_without_a_purpose() {
    let house = House::made_up(&[("a/src/lib.rs", "//! Good.\n"), ("a/src/b.rs", "use std::fs;\n")]);
    assert_eq!(every_file_says_what_it_is_for(&house).len(), 1);
    assert!(every_file_says_what_it_is_for(&house)[0].starts_with("a/src/b.rs:1: "));
}

#[test]
fn house_bites_a_long_file() {
    let house = House::made_up(&[("a.rs", &"//!\n".repeat(401)), ("b.rs", &"//!\n".repeat(400))]);
    assert_eq!(
        no_file_is_too_long(&house),
        ["a.rs:401: 401 lines, and 400 are the most: a file holds one idea; give the second its own"]
    );
}

#[test]
fn house_bites_names_that_say_nothing() {
    let names = ["a/src/utils.rs", "a/common/x.rs", "a/container/container_start.rs", "a/src/launch.rs"];
    let house = House::made_up(&names.map(|name| (name, "")));
    assert_eq!(no_name_says_nothing(&house).len(), 3);
}

#[test]
fn house_bites_what_is_left_for_later() {
    let later = concat!("// TO", "DO: more\nfn f() { to", "do!() }\nlet s = \"TO", "DO\";");
    let found = nothing_is_left_for_later(&House::made_up(&[("a.rs", later)]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.rs:1:") && found[1].starts_with("a.rs:2:"), "{found:?}");
}

#[test]
fn house_bites_printing_below_the_root() {
    let prints = "//! x\nfn f() { println!(\"x\") }\n// println!\nfn g() { c.stdout(Stdio::null()) }\nfn h() { io::stderr() }\n#[cfg(test)]\nmod tests { fn t() { println!() } }";
    let house =
        House::made_up(&[("a/src/lib.rs", prints), ("a/src/main.rs", prints), ("a/tests/x.rs", prints)]);
    let found = only_a_binarys_root_prints(&house);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a/src/lib.rs:2:") && found[1].starts_with("a/src/lib.rs:5:"), "{found:?}");
}
