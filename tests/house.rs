//! The architecture's invariants, checked: each rule names the file and the line that breaks it.
//!
//! A rule is a function over the files of the repository. Beside each stands a test on a small made-up
//! house that proves that the rule bites: a rule that nothing can break would be a claim, not a check.

use std::path::Path;
use std::sync::LazyLock;

#[path = "house/danger.rs"]
mod danger;
#[path = "house/floors.rs"]
mod floors;
#[path = "house/pages.rs"]
mod pages;
#[path = "house/running.rs"]
mod running;
#[path = "house/source.rs"]
mod source;
#[path = "house/writing.rs"]
mod writing;

/// Read once for all rules.
static HERE: LazyLock<source::House> =
    LazyLock::new(|| source::House::read(Path::new(env!("CARGO_MANIFEST_DIR"))));

/// Makes a test of each rule, on this very repository.
macro_rules! rules {
    ($($room:ident::$rule:ident),* $(,)?) => {$(
        #[test]
        fn $rule() {
            let broken = $room::$rule(&HERE);
            assert!(broken.is_empty(), "{} broken:\n{}", stringify!($rule), broken.join("\n"));
        }
    )*};
}

rules! {
    writing::every_file_says_what_it_is_for,
    writing::no_file_is_too_long,
    writing::no_name_says_nothing,
    writing::nothing_is_left_for_later,
    writing::only_a_binarys_root_prints,
    danger::unsafe_stays_in_its_room,
    danger::unsafe_says_why_it_is_sound,
    floors::a_chapter_uses_only_chapters_below,
    floors::the_engine_adds_no_mechanism,
    floors::one_name_finds_everything,
    floors::every_crate_has_the_lints,
    running::every_test_file_runs,
    running::plain_cargo_test_means_every_crate,
    pages::every_book_anchor_exists,
    pages::every_file_that_a_page_names_exists,
}
