//! Wrong input: what a person is told, and with which code the program ends. The snapshots hold all three.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use assert_cmd::Command;
use checks::stage;
use insta::assert_snapshot;

/// `PROGRAM ARGS` in a folder of its own: stdout, stderr and the code, the folder's path shown as `DIR`. What chapter 03
/// refuses is asked of chapter 03: the engine's containers are of images.
fn said(program: &str, dir: &Path, args: &[&str]) -> String {
    let output = Command::new(stage::program(program).expect("cargo builds it"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir)
        .env("BOXROOM_ROOT", dir.join("root"))
        .env("BOXROOM_RUN", dir.join("run"))
        .output()
        .expect("it can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir.display().to_string(), "DIR");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().unwrap_or(-1);
    format!("$ {program} {}\n{stdout}{stderr}exit code {code}", args.join(" "))
}

/// A folder with things in it that are no root file system.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder in /tmp");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "text").expect("a file");
    fs::create_dir(at("empty")).expect("a folder");
    symlink("nowhere", at("dangling")).expect("a link");
    fs::create_dir(at("full")).expect("a folder");
    fs::write(at("full/theirs"), "").expect("a file");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    dir
}

fn all_said(program: &str, dir: &Path, lines: &[&[&str]]) -> String {
    lines.iter().map(|args| said(program, dir, args)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_rootfs_that_is_none() {
    let dir = folder();
    let tried = ["nothing", "file", "empty", "dangling", "/proc", "/proc/self"]
        .map(|name| ["run", "--rootfs", name, "true"]);
    assert_snapshot!(all_said("ch03-cgroups", dir.path(), &tried.each_ref().map(|args| args.as_slice())));
}

#[test]
fn a_base_where_something_is() {
    let dir = folder();
    assert_snapshot!(all_said(
        "boxroom",
        dir.path(),
        &[&["base", "file"], &["base", "full"], &["base", "nothing/base"]]
    ));
    assert!(dir.path().join("full/theirs").exists(), "what was there is there");
}

#[test]
fn a_flag_that_makes_no_sense() {
    let dir = folder();
    let long = "x".repeat(65);
    let tried: [&[&str]; 11] = [
        &["run", "--only", "uts", "--hostname", &long, "true"],
        &["run", "--only", "uts", "--hostname", "", "true"],
        &["run", "--boottime", "1w", "true"],
        &["run", "--boottime", "-1s", "true"],
        &["run", "--only", "uts", "--boottime", "1y", "true"],
        &["run", "--only", "uts", "--env", "=value", "true"],
        &["run", "--user", "me", "true"],
        &["run", "--user", "-1", "true"],
        &["run", "--only", "uts", "--rootfs", "empty", "true"],
        &["run", "--no-such-flag", "true"],
        &["run"],
    ];
    assert_snapshot!(all_said("ch03-cgroups", dir.path(), &tried));
}

#[test]
fn a_limit_that_makes_no_sense() {
    let dir = folder();
    let with = |options: &[&'static str]| [&["run", "--only", "uts"], options, &["true"]].concat();
    let tried = [
        with(&["--memory", "64Q"]),
        with(&["--memory", "-1"]),
        with(&["--memory", "0"]),
        with(&["--memory", "4k"]),
        with(&["--memory-swap", "64M"]),
        with(&["--memory", "64M", "--memory-swap", "32M"]),
        with(&["--memory", "64M", "--memory-high", "65M"]),
        with(&["--cpus", "0"]),
        with(&["--cpus", "half"]),
        with(&["--cpu-weight", "0"]),
        with(&["--cpu-weight", "-1"]),
        with(&["--cpuset", "1-0"]),
        with(&["--cpuset", "-1"]),
        with(&["--pids", "0"]),
        with(&["--pids", "-1"]),
        with(&["--io-max", "/dev/sda"]),
        with(&["--name", "../etc"]),
        with(&["--no-group", "--pids", "9"]),
        with(&["--cgroup-parent", "/../.."]),
    ];
    let tried: Vec<&[&str]> = tried.iter().map(Vec::as_slice).collect();
    assert_snapshot!(all_said("ch03-cgroups", dir.path(), &tried));
}

/// What the machine has differs, so this is no snapshot.
#[test]
fn a_limit_that_is_larger_than_the_machine() {
    let dir = folder();
    for (option, value) in [("--memory", "8000000T"), ("--memory-high", "8000000T"), ("--cpus", "100000")] {
        let said = said("ch03-cgroups", dir.path(), &["run", "--only", "uts", option, value, "true"]);
        assert!(said.contains("a limit that can't be reached limits nothing"), "{said}");
        assert!(said.ends_with("exit code 125"), "{said}");
    }
}

#[test]
fn an_image_that_is_none() {
    let dir = folder();
    let tried: [&[&str]; 16] = [
        &["run"],
        &["run", "nothing", "true"],
        &["run", "Upper/Case", "true"],
        &["run", "--memory", "4k", "nothing", "true"],
        &["run", "--name", "../etc", "nothing", "true"],
        &["import", "file", "x"],
        &["import", "nowhere", "x"],
        &["import", "file", "a b"],
        &["load", "--input", "file"],
        &["save", "nothing"],
        &["tag", "nothing", "x"],
        &["rmi", "nothing"],
        &["inspect", "nothing"],
        &["history", "sha256:12"],
        &["diff", "nothing"],
        &["cp", "a", "b"],
    ];
    assert_snapshot!(all_said("boxroom", dir.path(), &tried));
}
