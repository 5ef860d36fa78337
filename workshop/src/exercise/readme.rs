//! The tasks of an exercise as a page: the README of the learner's copy.

use lesson::chapter::Chapter;
use lesson::exercise::Exercise;

/// The page.
#[must_use]
pub fn page(chapter: &Chapter, exercise: &Exercise) -> String {
    let digits = chapter.digits();
    let (core, all) = (exercise.minutes(false), exercise.minutes(true));
    let mut page = format!("# {}: {}\n\n", chapter.name, exercise.title);
    page.push_str(&format!(
        "{core} minutes{}. The story: `book/src/ch{}.md`. This folder is yours; nothing in it is tracked.\n\n",
        if all > core { format!(", {all} with the optional tasks") } else { String::new() },
        chapter.name
    ));
    page.push_str(&format!(
        "```sh\ncargo test                     # the checker\ncargo workshop check {digits}        # the same, task by task\ncargo workshop watch {digits}        # on every save\ncargo workshop hint {digits} TASK    # three hints each, from gentle to nearly the answer\n```\n\n"
    ));
    page.push_str(
        "Each task is a `todo!` between two `ANCHOR` lines; leave those lines where they are. What you haven't written\nyet is lent from the reference while the checks run, so each task is judged by itself.\n",
    );
    if let Some(opening) = &exercise.opening {
        page.push_str(&format!("\n## 0 {} ({} min)\n\n", opening.title, opening.minutes));
        page.push_str(&format!("{}\n\n`{}`\n", opening.what.trim(), opening.command));
    }
    for (number, task) in exercise.tasks.iter().enumerate().map(|(n, task)| (n + 1, task)) {
        let optional = if task.core { "" } else { ", optional" };
        page.push_str(&format!(
            "\n## {number} {}: {} ({} min{optional})\n\n",
            task.name, task.title, task.minutes
        ));
        page.push_str(&format!("**Predict.** {}\n\n", task.predict.question));
        for (n, answer) in task.predict.answers.iter().enumerate() {
            page.push_str(&format!("{}. {answer}\n", n + 1));
        }
        page.push_str(&format!(
            "\n`cargo workshop predict {digits} {} --answer N` keeps your answer.\n\n",
            task.name
        ));
        page.push_str(&format!("**Write.** {}\n\n", task.what.trim()));
        for blank in &task.blanks {
            page.push_str(&format!("- `{}`, `{}`\n", blank.file, blank.anchor));
        }
        page.push_str(&format!("\n**Read.** {}\n\n", task.read.join("; ")));
        page.push_str(&format!("**Proven by.** {}\n\n", task.checks.join(", ")));
        page.push_str(&format!("**Break it again.** {}\n", task.break_it.trim()));
        if let Some(row) = &task.breaks {
            page.push_str(&format!("The ladder's row: `{row}`.\n"));
        }
    }
    page
}
