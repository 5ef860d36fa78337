//! What a program says and nobody takes: a reader who has seen enough (`| head`) is no failure and no noise; a disk without
//! room is an error, for every program and every verb that speaks.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use checks::stage;

/// Programs, and verbs that say something wherever they are run; `NEW` is a folder that isn't there.
const SPEAKERS: &[(&str, &[&[&str]])] = &[
    ("ch00-process", &[&["--help"], &["gym"]]),
    ("ch01-chroot", &[&["--version"], &["base", "NEW"]]),
    ("ch02-namespaces", &[&["run", "--help"], &["order"]]),
    ("ch03-cgroups", &[&["--help"], &["ls"], &["tree"], &["stats", "--no-stream"]]),
    ("ch04-images", &[&["--help"], &["ls"]]),
    ("ch05-volumes", &[&["--help"], &["volume", "ls"], &["volume", "create"]]),
    (
        "ch06-lifecycle",
        &[&["--help"], &["ps"], &["ps", "--help"], &["system", "info"], &["stats", "--no-stream"]],
    ),
    (
        "boxroom",
        &[
            &["--help"],
            &["--version"],
            &["help", "run"],
            &["ps", "-a"],
            &["images"],
            &["volume", "ls"],
            &["volume", "create", "thesis"],
            &["volume", "inspect", "thesis"],
            &["system", "df"],
            &["system", "info"],
            &["system", "prune", "-f"],
            &["completion", "bash"],
            &["gym"],
            &["tree"],
            &["base", "NEW"],
        ],
    ),
];

fn said(program: &str, words: &[&str], dir: &Path, out: Stdio) -> Output {
    let new = dir.join("new").display().to_string();
    let words = words.iter().map(|word| if *word == "NEW" { new.as_str() } else { word });
    let mut command = Command::new(stage::program(program).expect("cargo builds it"));
    command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", dir);
    command.env("BOXROOM_ROOT", dir.join("root")).env("BOXROOM_RUN", dir.join("run"));
    command.stdin(Stdio::null()).stdout(out).output().expect("it can be started")
}

/// Each of them, its output given to what `out` makes, and judged.
fn each(out: impl Fn() -> Stdio, judge: impl Fn(i32, &str) -> bool) {
    for (program, verbs) in SPEAKERS {
        let dir = tempfile::tempdir().expect("a folder in /tmp");
        for words in *verbs {
            let output = said(program, words, dir.path(), out());
            let (code, err) = (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr));
            assert!(judge(code, &err), "{program} {}: {code}, {err}", words.join(" "));
        }
    }
}

#[test]
fn who_has_read_enough_hears_no_noise() {
    let closed = || std::io::pipe().expect("a pipe").1.into(); // its reader is gone at once
    each(closed, |code, err| code == 0 && !err.contains("pipe") && !err.contains("panic"));
}

#[test]
fn words_that_are_lost_are_an_error() {
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("full(4)").into();
    each(full, |code, err| code == 1 && err.matches("No space left on device").count() == 1);
}

#[test]
fn what_was_done_is_done() {
    let dir = tempfile::tempdir().expect("a folder in /tmp");
    let full = OpenOptions::new().write(true).open("/dev/full").expect("full(4)");
    said("boxroom", &["volume", "create", "thesis"], dir.path(), full.into());
    let listed = said("boxroom", &["volume", "ls", "-q"], dir.path(), Stdio::piped());
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "thesis\n");
}
