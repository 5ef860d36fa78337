//! The marked bodies in a source: cut out for a skeleton, recognised when they are filled, filled from the reference.
//!
//! A body is marked by the book's own anchors, `// ANCHOR: task-NAME` and `// ANCHOR_END: task-NAME`, each on a line of
//! its own: one marker for code, exercise and book.

use anyhow::{Result, bail};

use crate::exercise::Blank;

/// Where a body stands in a source: the lines between its markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// The first line of the body, from 0.
    from: usize,
    /// The line of the end marker.
    to: usize,
}

/// The body that is marked as `anchor`, without the markers.
///
/// # Errors
/// A marker is missing or stands twice.
pub fn body(source: &str, anchor: &str) -> Result<String> {
    let span = find(source, anchor)?;
    Ok(source.lines().skip(span.from).take(span.to - span.from).map(|line| format!("{line}\n")).collect())
}

/// `source` with another body between the markers of `anchor`.
///
/// # Errors
/// A marker is missing or stands twice.
pub fn with_body(source: &str, anchor: &str, body: &str) -> Result<String> {
    let span = find(source, anchor)?;
    let mut out = String::with_capacity(source.len());
    for (n, line) in source.lines().enumerate() {
        if n == span.from {
            out.push_str(body);
        }
        if !(span.from..span.to).contains(&n) {
            out.extend([line, "\n"]);
        }
    }
    Ok(out)
}

/// The skeleton of one blank: its body becomes `todo!` with what to do, as task `number`.
///
/// # Errors
/// A marker is missing or stands twice.
pub fn cut(source: &str, blank: &Blank, number: usize) -> Result<String> {
    let indent: String = body(source, &blank.anchor)?
        .lines()
        .find(|line| !line.trim().is_empty())
        .map(|line| line.chars().take_while(|c| *c == ' ').collect())
        .unwrap_or_default();
    let mut skeleton = String::new();
    if !blank.uses.is_empty() {
        skeleton.push_str(&format!("{indent}let _ = ({},); // goes with the next line\n", blank.uses));
    }
    skeleton.push_str(&format!("{indent}todo!({:?});\n", format!("task {number}: {}", blank.todo)));
    with_body(source, &blank.anchor, &skeleton)
}

/// Whether the body of `anchor` is still to be written: it holds a `todo!` or `unimplemented!` outside of comments.
/// A body whose markers are gone counts as written: what it is worth the checks say.
#[must_use]
pub fn is_blank(source: &str, anchor: &str) -> bool {
    body(source, anchor).is_ok_and(|body| {
        body.lines()
            .map(|line| line.split("//").next().unwrap_or(line))
            .any(|code| code.contains("todo!") || code.contains("unimplemented!"))
    })
}

/// Whether line `line` of `source`, counted from 1, is in the body of `anchor`.
#[must_use]
pub fn holds(source: &str, anchor: &str, line: usize) -> bool {
    find(source, anchor).is_ok_and(|span| (span.from + 1..=span.to).contains(&line))
}

/// Which line of `source` is line `line` of `copy`, both counted from 1, where the bodies of `anchors` may be longer or
/// shorter in the copy. A line within such a body keeps its distance from the body's beginning.
#[must_use]
pub fn line_of<'a>(
    source: &str,
    copy: &str,
    anchors: impl IntoIterator<Item = &'a str>,
    line: usize,
) -> usize {
    let (mut more, mut fewer) = (0, 0);
    for anchor in anchors {
        if let (Ok(here), Ok(there)) = (find(source, anchor), find(copy, anchor))
            && there.to < line
        {
            more += here.to - here.from;
            fewer += there.to - there.from;
        }
    }
    (line + more).saturating_sub(fewer)
}

fn find(source: &str, anchor: &str) -> Result<Span> {
    let (begin, end) = (format!("// ANCHOR: {anchor}"), format!("// ANCHOR_END: {anchor}"));
    let lines = |marker: &str| -> Vec<usize> {
        source.lines().enumerate().filter(|(_, line)| line.trim() == marker).map(|(n, _)| n).collect()
    };
    match (lines(&begin)[..].as_ref(), lines(&end)[..].as_ref()) {
        ([from], [to]) if from < to => Ok(Span { from: from + 1, to: *to }),
        ([], []) => bail!("the lines `{begin}` and `{end}` are gone"),
        _ => bail!("`{begin}` and `{end}` have to stand once each, in this order"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn name(k: u8) -> u8 {\n    // ANCHOR: task-x\n    k + 1 // todo! nothing\n    // ANCHOR_END: task-x\n}\n";

    fn blank() -> Blank {
        Blank {
            file: "src/x.rs".into(),
            anchor: "task-x".into(),
            todo: "add \"one\": add(2)".into(),
            uses: "k".into(),
        }
    }

    #[test]
    fn lesson_a_body_is_cut_and_filled_again() {
        assert!(!is_blank(SOURCE, "task-x"));
        let skeleton = cut(SOURCE, &blank(), 3).unwrap();
        assert!(is_blank(&skeleton, "task-x"), "{skeleton}");
        assert!(skeleton.contains("    let _ = (k,);"), "{skeleton}");
        assert!(skeleton.contains(r#"    todo!("task 3: add \"one\": add(2)")"#), "{skeleton}");
        let filled = with_body(&skeleton, "task-x", &body(SOURCE, "task-x").unwrap()).unwrap();
        assert_eq!(filled, SOURCE);
    }

    #[test]
    fn lesson_an_empty_body_can_be_filled() {
        let empty = "// ANCHOR: task-x\n// ANCHOR_END: task-x\n";
        assert_eq!(
            with_body(empty, "task-x", "one\n").unwrap(),
            "// ANCHOR: task-x\none\n// ANCHOR_END: task-x\n"
        );
    }

    #[test]
    fn lesson_a_line_is_found_again_behind_a_longer_body() {
        let copy = with_body(SOURCE, "task-x", "    let one = 1;\n\n    k + one\n").unwrap();
        // Before the body, its last marker, and the brace behind it.
        let found: Vec<_> = [1, 2, 6, 7].map(|line| line_of(SOURCE, &copy, ["task-x"], line)).into();
        assert_eq!(found, [1, 2, 4, 5]);
        assert!(holds(SOURCE, "task-x", 3) && !holds(SOURCE, "task-x", 2) && !holds(SOURCE, "task-x", 4));
    }

    #[test]
    fn lesson_lost_markers_are_told() {
        assert!(body("fn a() {}", "task-x").unwrap_err().to_string().contains("are gone"));
        assert!(body("// ANCHOR_END: task-x\n// ANCHOR: task-x\n", "task-x").is_err());
    }
}
