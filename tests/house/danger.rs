//! Where unsafe code may stand, and that each piece of it says why it is sound.

use crate::source::{File, House, has_word};

const ROOM: &str = "chapters/00-process/src/kernel/raw/";

/// `unsafe` has one room.
pub(crate) fn unsafe_stays_in_its_room(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for file in house.rust().filter(|file| !file.path.starts_with(ROOM)) {
        for (n, line) in file.code.lines().enumerate() {
            if has_word(line, "unsafe") || line.contains("allow(unsafe_code)") {
                found.push(file.says(n + 1, format!("unsafe outside {ROOM}: make a safe function there")));
            }
        }
    }
    found
}

/// The shortest reason that could be one.
const REASON: usize = 20;

/// Each unsafe block names the invariant and why it holds; each unsafe function what its caller owes.
pub(crate) fn unsafe_says_why_it_is_sound(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for file in house.rust() {
        for (n, line) in file.code.lines().enumerate().filter(|(_, line)| has_word(line, "unsafe")) {
            let above = comment_above(file, n);
            let function = has_word(line, "fn") && !line.contains("extern");
            let mark = if function { "# Safety" } else { "SAFETY:" };
            match above.split_once(mark) {
                None => found.push(file.says(n + 1, format!("unsafe without `{mark}` above it"))),
                Some((_, reason)) if reason.trim().len() < REASON => {
                    found.push(file.says(
                        n + 1,
                        format!("`{mark}{reason}` is no reason: name the invariant, and why it holds here"),
                    ));
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// The comment that belongs to line `n`: on it, or above the statement that it is in.
fn comment_above(file: &File, n: usize) -> String {
    let (comments, code): (Vec<&str>, Vec<&str>) =
        (file.comments.lines().collect(), file.code.lines().collect());
    let mut lines = vec![comments.get(n).copied().unwrap_or_default()];
    let mut at = n;
    let mut seen = false;
    while at > 0 {
        at -= 1;
        let (comment, code) = (comments[at].trim(), code[at].trim());
        if comment.is_empty() {
            // A statement may begin some lines above its unsafe; what ends with ; or } is another one.
            if seen || code.is_empty() || code.ends_with([';', '}']) {
                break;
            }
        } else {
            seen = true;
            lines.push(comment);
        }
    }
    lines.reverse();
    lines.iter().map(|line| line.trim().trim_start_matches('/').trim()).collect::<Vec<_>>().join(" ")
}

#[test]
fn house_bites_unsafe_elsewhere() {
    let source = "//! unsafe\nfn f() { unsafe { g() } }\n#![allow(unsafe_code)]";
    let house =
        House::made_up(&[("chapters/01-chroot/src/lib.rs", source), (&format!("{ROOM}mod.rs"), source)]);
    let found = unsafe_stays_in_its_room(&house);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("chapters/01-chroot/src/lib.rs:2:"), "{found:?}");
}

#[test]
fn house_bites_unsafe_without_a_reason() {
    let source = "\
fn a() {
    // SAFETY: the descriptor was just returned by the kernel and nobody else has it.
    let x =
        unsafe { from_raw(n) };
    let y = unsafe { from_raw(n) };
    // SAFETY: obviously safe
    unsafe { g() }
}
/// # Safety
/// The caller has checked that no other thread runs in this process.
pub unsafe fn b() {}
pub unsafe fn c() {}
";
    let found = unsafe_says_why_it_is_sound(&House::made_up(&[("raw.rs", source)]));
    let lines: Vec<_> = found.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["5", "7", "12"], "{found:?}");
}
