//! `--step` and a person who has seen enough: Ctrl-C in the middle leaves nothing behind.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// `script` gives the program a terminal of its own. script(1).
#[test]
fn an_interrupt_at_a_step_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder in /tmp");
    let run = dir.path().join("run");
    let program = checks::stage::program("ch03-cgroups").expect("cargo builds it");
    let engine = format!("{} run --step --only uts true", program.display());
    let mut script = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &engine, "/dev/null"])
        .env("BOXROOM_RUN", &run)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) of util-linux");
    let (mut keys, mut screen) = (script.stdin.take().expect("piped"), script.stdout.take().expect("piped"));

    let mut seen = String::new();
    let mut until = |words: &str| {
        let mut some = [0; 512];
        while !seen.contains(words) {
            let length = screen.read(&mut some).expect("the terminal's output");
            assert!(length > 0, "no {words:?} in {seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..length]));
        }
    };
    until("prepare. Enter goes on");
    keys.write_all(b"\r").expect("Enter");
    // Where a group may be made, it has been by now.
    until("clone. Enter goes on");
    keys.write_all(&[3]).expect("Ctrl-C");
    until("the launch was given up");

    assert_eq!(script.wait().expect("it ends").code(), Some(130));
    let left: Vec<_> = fs::read_dir(run.join("records")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
