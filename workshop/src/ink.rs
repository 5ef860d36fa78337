//! Colour for a terminal, plain text for a pipe, a file, `NO_COLOR` and a dumb terminal.

use std::env;
use std::io::IsTerminal;

/// Whether there is colour, decided once per run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ink {
    colour: bool,
}

impl Ink {
    /// No colour at all.
    pub const PLAIN: Self = Self { colour: false };
    /// Colour, whatever the other end is: for tests.
    pub const COLOUR: Self = Self { colour: true };

    /// What suits the stream that is written to.
    #[must_use]
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: stream.is_terminal() && !refused && !dumb }
    }

    /// Good.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Works in part, or wasn't tried.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Missing, or escaped.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// A heading.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What may be skipped.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Breaks `text` at spaces so that no line is wider than `width` columns, each line after the first
/// indented by `indent`. A word that is longer stays whole: commands must be copied in one piece.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    let mut used = indent;
    for word in text.split_whitespace() {
        let wide = word.chars().count();
        let line = lines.last_mut().map_or(0, |line| line.len());
        if line > 0 && used + 1 + wide > width {
            lines.push(String::new());
            used = indent;
        } else if line > 0 {
            if let Some(line) = lines.last_mut() {
                line.push(' ');
            }
            used += 1;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
        used += wide;
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ink_leaves_text_alone() {
        assert_eq!(Ink::PLAIN.red("no"), "no");
        assert_eq!(Ink::COLOUR.red("no"), "\x1b[31mno\x1b[0m");
    }

    #[test]
    fn wrapped_text_keeps_its_words() {
        assert_eq!(wrap("one two three", 9, 2), "one two\n  three");
        assert_eq!(wrap("averyverylongword", 5, 2), "averyverylongword");
    }
}
