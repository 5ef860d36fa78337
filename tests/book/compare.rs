//! What the book expects beside what came: `...` and `[..]` stand for what differs from machine to machine.

/// Whether `came` is what `expected` describes.
pub(crate) fn fits(expected: &[&str], came: &[&str]) -> bool {
    match expected.split_first() {
        None => came.is_empty(),
        Some((&"...", rest)) => (0..=came.len()).any(|skipped| fits(rest, &came[skipped..])),
        Some((line, rest)) => {
            came.split_first().is_some_and(|(first, others)| line_fits(line, first) && fits(rest, others))
        }
    }
}

fn line_fits(expected: &str, came: &str) -> bool {
    let came = came.trim_end();
    let Some((before, after)) = expected.trim_end().split_once("[..]") else {
        return expected.trim_end() == came;
    };
    let Some(rest) = came.strip_prefix(before) else { return false };
    let places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    places.into_iter().any(|at| line_fits(after, &rest[at..]))
}
