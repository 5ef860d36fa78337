//! The book's console blocks are run, and print what the book says; its code is taken in, its links lead somewhere.
//!
//! In an expected output a line `...` stands for any lines and `[..]` for anything within a line. What a block needs
//! stands in its fence: `console,userns,strace`. Where that is missing the block is ignored, with the reason.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use checks::need::is_required;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

#[path = "book/compare.rs"]
mod compare;
#[path = "book/page.rs"]
mod page;
#[path = "book/session.rs"]
mod session;

use page::Page;
use session::Session;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match pages() {
        Ok(pages) => {
            let names: Vec<String> = pages.iter().map(|page| page.name.clone()).collect();
            let named = Trial::test("book_summary_names_every_page", move || summary(&names));
            // Where there is no checkout, there is nothing to compare with but what the blocks print.
            let named = if probe::built_folder().is_none() { vec![named] } else { vec![] };
            in_turn(pages.into_iter().map(trials).chain([named]).collect())
        }
        Err(error) => vec![Trial::test("the_pages_can_be_read", move || Err(error.to_string().into()))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The first of each page, then the second of each: a page is one sitting, so threads at the same page only wait.
fn in_turn(pages: Vec<Vec<Trial>>) -> Vec<Trial> {
    let mut places: Vec<(usize, Trial)> =
        pages.into_iter().flat_map(|trials| trials.into_iter().enumerate()).collect();
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, trial)| trial).collect()
}

/// A page that the summary doesn't name is in no built book.
fn summary(names: &[String]) -> Result<(), Failed> {
    let summary = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/book/src/SUMMARY.md"))?;
    for name in names.iter().filter(|name| *name != "SUMMARY") {
        if !summary.contains(&format!("({name}.md)")) {
            return Err(format!("SUMMARY.md doesn't name {name}.md").into());
        }
    }
    Ok(())
}

fn pages() -> io::Result<Vec<Page>> {
    let folder = match probe::built_folder() {
        Some(built) => built.join("book"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src"),
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

/// A page's blocks build on each other, so whichever trial comes first runs them all, in their order.
fn trials(page: Page) -> Vec<Trial> {
    let page = Arc::new(page);
    let ran: Arc<OnceLock<Vec<Result<(), String>>>> = Arc::default();
    let mut trials = Vec::new();
    for (n, block) in page.blocks.iter().enumerate() {
        let name = format!("book_{}_line_{}", page.name, block.line);
        if let Some((need, why)) = block.missing() {
            if is_required(&need) {
                trials.push(Trial::test(name, move || Err(why.into())));
                continue;
            }
            trials.push(Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why))));
            continue;
        }
        let (page, ran) = (Arc::clone(&page), Arc::clone(&ran));
        trials.push(Trial::test(name, move || {
            let results = ran.get_or_init(|| Session::run(&page));
            results[n].clone().map_err(Failed::from)
        }));
    }
    let name = page.name.clone();
    if probe::built_folder().is_none() {
        trials.push(Trial::test(format!("book_{name}_code_and_links"), move || {
            let wrong = page.wrong();
            if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
        }));
    }
    trials
}
