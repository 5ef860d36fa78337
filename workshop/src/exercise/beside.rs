//! Two texts side by side, where the terminal is wide enough; else one below the other.

/// What a column needs to be worth its place.
const NARROWEST: usize = 56;

/// `left` and `right` under their titles, in `width` columns. A line that is too long for its column goes on below.
#[must_use]
pub fn beside((left_title, left): (&str, &str), (right_title, right): (&str, &str), width: usize) -> String {
    let column = width.saturating_sub(3) / 2;
    if column < NARROWEST {
        return format!("── {left_title}\n{left}\n── {right_title}\n{right}\n");
    }
    let (left, right) = (lines(left_title, left, column), lines(right_title, right, column));
    let mut out = String::new();
    for n in 0..left.len().max(right.len()) {
        let line = |of: &[String]| of.get(n).cloned().unwrap_or_default();
        let both = format!("{:column$} │ {}", line(&left), line(&right));
        out.push_str(both.trim_end());
        out.push('\n');
    }
    out
}

/// The lines without their common indent, under a title; one that is too long goes on below.
fn lines(title: &str, text: &str, column: usize) -> Vec<String> {
    let indent = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.chars().take_while(|c| *c == ' ').count())
        .min()
        .unwrap_or(0);
    let mut out = vec![format!("── {title}")];
    for line in text.lines() {
        let line: Vec<char> = line.chars().skip(indent).collect();
        let rows: Vec<String> = line.chunks(column).map(|row| row.iter().collect()).collect();
        out.extend(if rows.is_empty() { vec![String::new()] } else { rows });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_where_there_is_room() {
        let wide = beside(("yours", "    a\n    b"), ("the reference", "    c"), 130);
        assert!(
            wide.lines().nth(1).is_some_and(|line| line.starts_with('a') && line.ends_with("│ c")),
            "{wide}"
        );
        let narrow = beside(("yours", "a"), ("the reference", "c"), 80);
        assert_eq!(narrow, "── yours\na\n── the reference\nc\n");
    }
}
