//! The words of the guest on its second serial line, and what a chapter's checks print, read back.
//!
//! ```text
//! @kernel 6.1.0-56-cloud-amd64     it is up
//! @begin 02-namespaces root        a suite begins, as this user
//! | test ch02_... ... ok           a line of the suite
//! @end 0 3.10 21.58                it ended with this status; from when to when, in seconds after boot
//! @beat 2 7.31                     container 2 is alive
//! @seen NAME LINE                  a line of a snapshot as it would be here
//! @mark NAME WORDS                 what a demonstration measured
//! @over                            the plan is done
//! ```

use std::collections::BTreeMap;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Proven.
    Passed,
    /// What it said.
    Failed(String),
    /// Why it wasn't tried.
    Ignored(String),
}

/// One check of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `ch02_hostname_is_its_own`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// One run of a test program in the guest.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Suite {
    /// `02-namespaces`.
    pub name: String,
    /// As whom: `root` or `learner`.
    pub who: String,
    /// In the order in which they ended.
    pub checks: Vec<Check>,
    /// How many it said there would be.
    pub announced: Option<usize>,
    /// Its exit status; none where it never ended.
    pub status: Option<i32>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Everything that it printed.
    #[serde(skip)]
    pub lines: Vec<String>,
}

/// What the guest has said so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Heard {
    /// `uname -r`, as soon as it is up.
    pub kernel: Option<String>,
    /// The suites, the last of them perhaps not at its end.
    pub suites: Vec<Suite>,
    /// What demonstrations measured: name and words.
    #[serde(skip)]
    pub marks: Vec<(String, String)>,
    /// Snapshots that differ here, by their names, as they would be.
    #[serde(skip)]
    pub seen: BTreeMap<String, String>,
    /// Whether the plan came to its end.
    pub over: bool,
}

impl Heard {
    /// Takes one line in; the end of a line is of no meaning.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "@kernel" => self.kernel = Some(rest.into()),
            "@begin" => {
                let (name, who) = rest.split_once(' ').unwrap_or((rest, ""));
                self.suites.push(Suite { name: name.into(), who: who.into(), ..Suite::default() });
            }
            "|" => {
                if let Some(suite) = self.suites.last_mut() {
                    suite.line(rest);
                }
            }
            "@end" => {
                if let Some(suite) = self.suites.last_mut() {
                    suite.end(rest);
                }
            }
            "@seen" => {
                let (name, line) = rest.split_once(' ').unwrap_or((rest, ""));
                let text = self.seen.entry(name.into()).or_default();
                text.push_str(line);
                text.push('\n');
            }
            "@mark" => {
                let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
                self.marks.push((name.into(), words.into()));
            }
            "@over" => self.over = true,
            // What a firmware or a shell adds is nothing that was said to us.
            _ => {}
        }
    }
}

impl Suite {
    fn line(&mut self, line: &str) {
        if let Some(check) = check_in(line) {
            self.checks.push(check);
        } else if let Some(count) = line.strip_prefix("running ").and_then(first_number) {
            self.announced = Some(count);
        }
        self.lines.push(line.into());
    }

    fn end(&mut self, words: &str) {
        let mut words = words.split_ascii_whitespace();
        self.status = words.next().and_then(|word| word.parse().ok());
        let mut time = || words.next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
        let began = time();
        self.seconds = time() - began;
        for at in 0..self.checks.len() {
            if let Outcome::Failed(_) = self.checks[at].outcome {
                self.checks[at].outcome = Outcome::Failed(self.said_about(&self.checks[at].name));
            }
        }
    }

    /// The part after `---- NAME ----`, up to the next such line or the list that ends the failures.
    fn said_about(&self, name: &str) -> String {
        let heading = format!("---- {name} ----");
        let part = self.lines.iter().skip_while(|line| **line != heading).skip(1).take_while(|line| {
            !(line.starts_with("---- ") && line.ends_with(" ----"))
                && *line != "failures:"
                && !line.starts_with("test result: ")
        });
        part.map(String::as_str).collect::<Vec<_>>().join("\n").trim().to_string()
    }

    /// How many passed, failed, were ignored.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count =
            |wanted: fn(&Outcome) -> bool| self.checks.iter().filter(|check| wanted(&check.outcome)).count();
        (
            count(|outcome| matches!(outcome, Outcome::Passed)),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(|outcome| matches!(outcome, Outcome::Ignored(_))),
        )
    }

    /// Why it counts as failed; nothing where it is well. A suite that ended early, told fewer checks than it
    /// announced, or proved nothing at all isn't well, whatever its status.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let (passed, failed, _) = self.counts();
        let told = self.checks.len();
        match (self.status, self.announced) {
            (None, _) => Some(format!("it never ended; {told} checks were told")),
            (_, None) => Some("it announced no checks".into()),
            (_, Some(announced)) if announced != told => {
                Some(format!("it announced {announced} checks and told {told}"))
            }
            _ if failed > 0 => Some(format!("{failed} failed")),
            (Some(status), _) if status != 0 => Some(format!("it ended with {status}")),
            _ if passed == 0 => Some("nothing was proven".into()),
            _ => None,
        }
    }
}

/// `test NAME   ... ok`, `... FAILED`, `... ignored (why)`.
fn check_in(line: &str) -> Option<Check> {
    let (name, said) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let outcome = if said == "ok" {
        Outcome::Passed
    } else if said == "FAILED" {
        Outcome::Failed(String::new())
    } else {
        let why = said.strip_prefix("ignored")?.trim();
        let why = why.strip_prefix('(').and_then(|why| why.strip_suffix(')')).unwrap_or(why);
        Outcome::Ignored(why.into())
    };
    Some(Check { name: name.trim().into(), outcome })
}

fn first_number(text: &str) -> Option<usize> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The reason in the kernel's own words, where its console tells of a panic.
#[must_use]
pub fn panic_in(console: &str) -> Option<String> {
    let at = console.find("Kernel panic - not syncing")?;
    Some(console[at..].lines().next().unwrap_or_default().trim_end_matches('\r').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = "\
SeaBIOS (version 1.16)\r
@kernel 6.1.0-56-cloud-amd64\r
@begin 02-namespaces learner\r
| \r
| running 3 tests\r
| test ch02_a           ... ok\r
| test ch02_b_is_longer ... ignored (only root can; run it (by sudo))\r
| test ch02_c           ... FAILED\r
| \r
| failures:\r
| \r
| ---- ch02_c ----\r
| \r
| seen:     nothing\r
| expected: more\r
| \r
| \r
| failures:\r
|     ch02_c\r
| \r
| test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.36s\r
@end 101 3.5 21.75\r
@over\r
";

    fn hear(text: &str) -> Heard {
        let mut heard = Heard::default();
        text.lines().for_each(|line| heard.line(line));
        heard
    }

    #[test]
    fn the_guests_words_become_outcomes() {
        let heard = hear(WELL);
        assert_eq!(heard.kernel.as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert!(heard.over);
        let suite = &heard.suites[0];
        assert_eq!((suite.name.as_str(), suite.who.as_str()), ("02-namespaces", "learner"));
        assert_eq!(suite.counts(), (1, 1, 1));
        assert_eq!(suite.checks[1].outcome, Outcome::Ignored("only root can; run it (by sudo)".into()));
        assert_eq!(suite.checks[2].outcome, Outcome::Failed("seen:     nothing\nexpected: more".into()));
        assert!((suite.seconds - 18.25).abs() < 0.001);
        assert_eq!(suite.trouble().as_deref(), Some("1 failed"));
    }

    #[test]
    fn a_suite_that_stops_early_or_proves_nothing_is_no_success() {
        let cut = hear("@begin x root\n| running 2 tests\n| test a ... ok\n");
        assert_eq!(cut.suites[0].trouble().as_deref(), Some("it never ended; 1 checks were told"));
        let few = hear("@begin x root\n| running 2 tests\n| test a ... ok\n@end 0 1 2\n");
        assert_eq!(few.suites[0].trouble().as_deref(), Some("it announced 2 checks and told 1"));
        let none = hear("@begin x root\n| running 1 test\n| test a ... ignored\n@end 0 1 2\n");
        assert_eq!(none.suites[0].trouble().as_deref(), Some("nothing was proven"));
        let silent = hear("@begin x root\n@end 0 1 2\n");
        assert_eq!(silent.suites[0].trouble().as_deref(), Some("it announced no checks"));
        let odd = hear("@begin x root\n| running 1 test\n| test a ... ok\n@end 1 1 2\n");
        assert_eq!(odd.suites[0].trouble().as_deref(), Some("it ended with 1"));
    }

    #[test]
    fn a_snapshot_comes_back_line_by_line() {
        let heard =
            hear("@seen explain-a ---\r\n@seen explain-a \r\n@seen explain-a    clone3(...)  = 7\n@over\n");
        assert_eq!(heard.seen["explain-a"], "---\n\n   clone3(...)  = 7\n");
    }

    #[test]
    fn a_panic_is_told_in_the_kernels_words() {
        let console = "[    4.1] sysrq: Trigger a crash\r\n[    4.1] Kernel panic - not syncing: sysrq triggered crash\r\n[    4.2] CPU: 0";
        assert_eq!(panic_in(console).as_deref(), Some("Kernel panic - not syncing: sysrq triggered crash"));
        assert_eq!(panic_in("all is well"), None);
    }
}
