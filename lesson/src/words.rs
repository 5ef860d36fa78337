//! What a failed check says, in five lines: seen, expected, meaning, look, read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The words of one check, apart from its code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckWords {
    /// What can be seen, by a key that the check names; `{name}` stands for a value.
    #[serde(default)]
    pub seen: BTreeMap<String, String>,
    /// What was expected.
    pub expected: String,
    /// Which mechanism is missing.
    pub meaning: String,
    /// A command to type now.
    pub look: String,
    /// The section of the book, the manual page.
    pub read: String,
}

impl CheckWords {
    /// What was seen under `key`, with its values in place. A key that has no words is shown with its values, so that
    /// nothing seen is ever lost.
    #[must_use]
    pub fn seen(&self, key: &str, values: &[(&str, String)]) -> String {
        match self.seen.get(key) {
            Some(text) => filled(text, values),
            None => {
                let values: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
                format!("{key}: {}", values.join(", "))
            }
        }
    }
}

/// `text` with each `{name}` replaced by its value.
#[must_use]
pub fn filled(text: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(text.to_string(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesson_values_stand_in_the_words_and_are_never_lost() {
        let words = CheckWords {
            seen: BTreeMap::from([("name".into(), "the name inside is {name}".into())]),
            ..CheckWords::default()
        };
        assert_eq!(words.seen("name", &[("name", "box".into())]), "the name inside is box");
        assert_eq!(words.seen("other", &[("code", "3".into())]), "other: code 3");
    }
}
