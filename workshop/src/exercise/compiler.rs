//! What the compiler says of a copy in which blanks are lent, in the learner's files and lines; and which task it is.

use std::collections::HashMap;
use std::fs;

use lesson::blank;
use lesson::exercise::{Blank, Task};

use super::desk::Desk;

/// The compiler's message on the lent copy, as if it had read the learner's, and the task that it speaks of.
#[must_use]
pub fn in_learners_words(desk: &Desk, message: &str) -> String {
    let mut sources = Sources { desk, read: HashMap::new() };
    let (mut told, mut file, mut is_error, mut wrong) = (Vec::new(), String::new(), false, None);
    for line in message.trim_end().lines() {
        if !line.starts_with(' ') {
            is_error = line.starts_with("error");
        }
        told.push(if let Some(place) = Place::read(line) {
            let (path, number) = (sources.path(place.path), sources.line(place.path, place.line));
            file = place.path.to_string();
            if is_error && wrong.is_none() {
                wrong = Some((path.clone(), number));
            }
            format!("{}{path}:{number}{}", place.before, place.after)
        } else if let Some((number, rest)) = gutter(line) {
            let width = line.len() - rest.len();
            format!("{:<width$}{rest}", sources.line(&file, number))
        } else {
            line.to_string()
        });
    }
    let task = match wrong.as_ref().and_then(|(path, line)| task_at(desk, path, *line)) {
        Some((number, task)) => format!("\n  it is task {number} ({}): {}", task.name, task.title),
        None => String::new(),
    };
    format!("your copy doesn't compile yet; the compiler says:\n{}{task}", told.join("\n"))
}

/// The task in whose body the line is; else, for what is missing at the top of a file, the first one in that file.
fn task_at<'a>(desk: &'a Desk, path: &str, line: usize) -> Option<(usize, &'a Task)> {
    let holds = |blank: &Blank| {
        let text = fs::read_to_string(desk.chapter.learners().join(&blank.file)).unwrap_or_default();
        blank::holds(&text, &blank.anchor, line)
    };
    let of_file = |task: &'a Task| task.blanks.iter().filter(|blank| path.ends_with(&blank.file));
    desk.numbered()
        .find(|(_, task)| of_file(task).any(holds))
        .or_else(|| desk.numbered().find(|(_, task)| of_file(task).next().is_some()))
}

/// `  --> lent02-namespaces/src/uts.rs:30:17`, in its parts.
struct Place<'a> {
    before: &'a str,
    path: &'a str,
    line: usize,
    after: &'a str,
}

impl<'a> Place<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let arrow = ["--> ", "::: "].into_iter().find(|arrow| line.trim_start().starts_with(arrow))?;
        let (before, place) = line.split_at(line.find(arrow)? + arrow.len());
        let (path, rest) = place.split_once(':')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some(Self { before, path, line: rest[..digits].parse().ok()?, after: &rest[digits..] })
    }
}

/// The number of `30 |         k.why(...)`, and what follows it with the space before the bar.
fn gutter(line: &str) -> Option<(usize, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    rest.trim_start().starts_with('|').then(|| Some((line[..digits].parse().ok()?, rest))).flatten()
}

/// The sources that a message names, each read once: the learner's and the copy.
struct Sources<'a> {
    desk: &'a Desk,
    read: HashMap<String, (String, String)>,
}

impl Sources<'_> {
    /// The learner's file, from the top of the checkout; another's stays as it is.
    fn path(&self, path: &str) -> String {
        let chapter = &self.desk.chapter.name;
        path.replace(&format!("lent{chapter}/"), &format!("exercises/ex{chapter}/"))
    }

    fn line(&mut self, path: &str, line: usize) -> usize {
        let Some((_, file)) = path.split_once(&format!("lent{}/", self.desk.chapter.name)) else {
            return line;
        };
        let desk = self.desk;
        let (learners, lent) = self.read.entry(path.to_string()).or_insert_with(|| {
            let lent = probe::target_dir().unwrap_or_default().join("lent");
            let read = |folder: std::path::PathBuf| fs::read_to_string(folder.join(file)).unwrap_or_default();
            (read(desk.chapter.learners()), read(lent.join(format!("lent{}", desk.chapter.name))))
        });
        let blanks = desk.exercise.tasks.iter().flat_map(|task| &task.blanks);
        let anchors = blanks.filter(|blank| blank.file == file).map(|blank| blank.anchor.as_str());
        blank::line_of(learners, lent, anchors, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workshop_the_compilers_places_are_read() {
        let place = Place::read("  --> lent02-namespaces/src/uts.rs:30:17").expect("a place");
        assert_eq!((place.before, place.path), ("  --> ", "lent02-namespaces/src/uts.rs"));
        assert_eq!((place.line, place.after), (30, ":17"));
        assert!(Place::read("   = note: `#[warn(unused)]` on by default").is_none());
        assert_eq!(gutter("30 |         k.why()"), Some((30, " |         k.why()")));
        assert_eq!(gutter("   |             ^^^"), None);
        assert_eq!(gutter("30 errors"), None);
    }
}
