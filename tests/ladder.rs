//! The ladder is run, and is what the snapshot says: `tests/snapshots/ladder-PROFILE.snap`.

#![allow(clippy::print_stdout)] // the root of a test binary: what can't be tried is said aloud

use std::fs;

use checks::ladder::{self, Ladder};
use checks::need::is_required;
use checks::profile::Profile;

#[test]
fn the_ladder_is_what_the_snapshot_says() {
    let ladder = ladder::run(Profile::here(), &mut |_, _, _| ()).expect("the ladder runs");
    let name = format!("ladder-{}", ladder.profile().name());
    let text = with_rows_not_tried(&ladder, &name);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// A row that this machine can't try is taken from the snapshot, and said aloud: another machine has its verdict.
fn with_rows_not_tried(ladder: &Ladder, name: &str) -> String {
    let mut text = ladder.render(true);
    let file = format!("{}/tests/snapshots/{name}.snap", env!("CARGO_MANIFEST_DIR"));
    let before = fs::read_to_string(file).unwrap_or_default();
    for (probe, why) in ladder.not_tried() {
        assert!(
            !is_required("ladder"),
            "BOXROOM_REQUIRE names the whole ladder, and {probe} can't be tried: {why}"
        );
        println!("NOT TRIED {probe}: {why}");
        let row = probe::catalogue::find(probe).expect("a probe has its name").row;
        let line = |text: &str| text.lines().find(|line| line.starts_with(row)).map(String::from);
        if let (Some(now), Some(then)) = (line(&text), line(&before)) {
            text = text.replace(&now, &then);
        }
    }
    text
}
