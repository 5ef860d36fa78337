//! What a failed check has to say: what it saw, under a key; the words stand in the chapter's `exercise.toml`.

use std::fmt;

use lesson::words::CheckWords;

use crate::words;

/// Why a check failed.
///
/// A check names what it saw by a key and its values. What it says itself in `seen` to `read` stands, and what it
/// leaves empty is filled by the words of its name: see [`Finding::told`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// The key of what was seen; empty where `seen` says it.
    pub key: &'static str,
    /// The values that stand in its words, by their names.
    pub values: Vec<(&'static str, String)>,
    /// More values, which another machine or another run has otherwise.
    pub local: Vec<(&'static str, String)>,
    /// What was seen.
    pub seen: String,
    /// What was expected.
    pub expected: &'static str,
    /// Which mechanism is missing.
    pub meaning: &'static str,
    /// How to look at it oneself.
    pub look: &'static str,
    /// The section of the book and the manual page.
    pub read: &'static str,
    /// It is no failure: the attempt could not be made on this machine, and why. Nothing is proven by it.
    pub untried: Option<String>,
    /// It is no failure yet: the learner's task that it proves isn't written, and `seen` says which.
    pub is_not_yet: bool,
    /// What the order of the launch's calls explains, beside the meaning.
    pub order: Vec<String>,
}

impl Finding {
    /// What was seen, by its key in the check's words, or in those that every chapter has.
    #[must_use]
    pub fn seen(key: &'static str) -> Self {
        Self { key, ..Self::default() }
    }

    /// A value that stands in the words as `{name}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    /// A value of this machine or this run alone: it stands in the words as any other, and a snapshot has its name.
    #[must_use]
    pub fn with_local(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.local.push((name, value.to_string()));
        self
    }

    /// The same on every machine: what is only so here gives way to its name in braces.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        for (name, value) in &mut self.local {
            *value = format!("{{{name}}}");
        }
        self
    }

    /// It could not be tried on this machine, and why.
    #[must_use]
    pub fn untried(why: String) -> Self {
        Self { untried: Some(why), ..Self::default() }
    }

    /// What is the same for every check, whatever it is about: all five lines from `[check.KEY]` of `words.toml`.
    #[must_use]
    pub fn common(key: &'static str) -> Self {
        let Some(words) = words::common(key) else { return Self::seen(key) };
        Self {
            expected: &words.expected,
            meaning: &words.meaning,
            look: &words.look,
            read: &words.read,
            ..Self::seen(key)
        }
    }

    /// A task that isn't written yet; where the chapter is done without it, nothing fails for that.
    #[must_use]
    pub fn not_yet(text: String, optional: bool) -> Self {
        Self { untried: optional.then(|| text.clone()), seen: text, is_not_yet: true, ..Self::default() }
    }

    /// With all five lines: the finding's own first, then the check's words, then those that all chapters share.
    #[must_use]
    pub fn told(mut self, words: Option<&'static CheckWords>) -> Self {
        let of: Vec<&'static CheckWords> = [words, words::common(self.key)].into_iter().flatten().collect();
        if self.seen.is_empty() {
            let known = of.iter().find(|words| words.seen.contains_key(self.key)).copied();
            // Nothing that was seen is lost: a key without words is shown with its values.
            let known = known.cloned().unwrap_or_default();
            self.seen = known.seen(self.key, &[&*self.values, &*self.local].concat());
        }
        for words in of {
            let lines = [
                (&mut self.expected, &words.expected),
                (&mut self.meaning, &words.meaning),
                (&mut self.look, &words.look),
                (&mut self.read, &words.read),
            ];
            for (line, text) in lines {
                if line.is_empty() {
                    *line = text;
                }
            }
        }
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_not_yet {
            return out.write_str(&self.seen);
        }
        // Where no check has told it (it has no table), the shared words do.
        let told = self.clone().told(None);
        writeln!(out, "seen:     {}", told.seen)?;
        writeln!(out, "expected: {}", told.expected)?;
        let meaning = [&[told.meaning.to_string()], &*told.order].concat();
        writeln!(out, "meaning:  {}", meaning.join("; "))?;
        writeln!(out, "look:     {}", told.look)?;
        write!(out, "read:     {}", told.read)
    }
}

impl From<anyhow::Error> for Finding {
    fn from(error: anyhow::Error) -> Self {
        Self::common(words::NOT_STARTED).with("error", format!("{error:#}"))
    }
}

impl From<std::io::Error> for Finding {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<nix::Error> for Finding {
    fn from(error: nix::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Option<&'static CheckWords> {
        let words: CheckWords = CheckWords {
            seen: [("name".to_string(), "the name inside is {name}".to_string())].into(),
            expected: "a name of its own".into(),
            meaning: "no uts namespace".into(),
            look: "hostname".into(),
            read: "uts_namespaces(7)".into(),
        };
        Some(Box::leak(Box::new(words)))
    }

    #[test]
    fn checks_a_finding_is_told_in_the_words_of_its_check() {
        let told = Finding::seen("name").with("name", "box").told(words());
        assert_eq!(told.seen, "the name inside is box");
        assert_eq!(told.meaning, "no uts namespace");
    }

    #[test]
    fn checks_a_value_of_this_machine_is_told_and_leaves_no_trace_in_a_snapshot() {
        let finding = Finding::seen("name").with_local("name", "box");
        assert_eq!(finding.clone().told(words()).seen, "the name inside is box");
        assert_eq!(finding.everywhere().told(words()).seen, "the name inside is {name}");
    }

    #[test]
    fn checks_what_a_finding_says_itself_stands() {
        let own = Finding { seen: "host".into(), meaning: "another one", ..Finding::default() };
        let told = own.told(words());
        assert_eq!((&*told.seen, told.meaning, told.look), ("host", "another one", "hostname"));
    }

    #[test]
    fn checks_a_stage_that_does_not_start_says_so_in_place_of_the_check() {
        let told = Finding::from(anyhow::anyhow!("nobody answered")).told(words());
        assert_eq!(told.seen, "nobody answered");
        assert_eq!(Some(told.meaning), words::common(words::NOT_STARTED).map(|words| &*words.meaning));
    }

    #[test]
    fn checks_the_order_of_calls_stands_beside_the_meaning() {
        let finding = Finding { order: vec!["b at call 2, a never".into()], ..Finding::seen("name") };
        assert!(
            finding.told(words()).to_string().contains("meaning:  no uts namespace; b at call 2, a never\n")
        );
    }
}
