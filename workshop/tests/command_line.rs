//! The guide as a person uses it: `clean` takes what is boxroom's and only that, `doctor` talks to people and tools.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A run root of its own for one test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("boxroom-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("run/records")).unwrap();
        Self(folder)
    }

    fn directory(&self, name: &str) -> PathBuf {
        let folder = self.0.join(name);
        fs::create_dir_all(folder.join("etc")).unwrap();
        fs::write(folder.join("etc/passwd"), "root").unwrap();
        folder
    }

    /// A note that process `pid`, which began at `start`, was about to make `what`.
    fn record(&self, what: &Path, kind: &str, (pid, start): (u32, u64)) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let owner = json!({ "boot": boot.trim(), "pid": pid, "start": start });
        let text = json!({ "kind": kind, "what": what, "owner": owner }).to_string();
        let name = format!("{}.json", what.file_name().unwrap().to_string_lossy());
        fs::write(self.0.join("run/records").join(name), text).unwrap();
    }

    fn workshop(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workshop"));
        command.args(words).env("BOXROOM_RUN", self.0.join("run")).env("NO_COLOR", "1").output().unwrap()
    }

    fn records(&self) -> usize {
        fs::read_dir(self.0.join("run/records")).unwrap().count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A process that can't be there: pid 1 began at boot, not at the end of time.
const GONE: (u32, u64) = (1, u64::MAX);

#[test]
fn clean_removes_what_a_dead_process_left_and_nothing_else() {
    let place = Place::new("clean");
    let (left, beside) = (place.directory(".base.partial-1"), place.directory("base"));
    place.record(&left, "directory", GONE);

    let said = place.workshop(&["clean", "--dry-run"]);
    assert!(text(&said).contains("would remove directory"), "{said:?}");
    assert!(left.exists() && place.records() == 1, "a dry run removes nothing");

    let said = place.workshop(&["clean"]);
    assert!(said.status.success() && text(&said).ends_with("1 removed\n"), "{said:?}");
    assert!(!left.exists() && place.records() == 0);
    assert!(beside.join("etc/passwd").exists(), "what no record names is not ours");
    assert!(text(&place.workshop(&["clean"])).starts_with("nothing to clean"));
}

/// When a process began, in clock ticks after boot.
fn started(process: &str) -> u64 {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap()
}

#[test]
fn clean_leaves_a_living_process_alone() {
    let place = Place::new("living");
    let used = place.directory(".base.partial-2");
    place.record(&used, "directory", (std::process::id(), started("self")));
    assert!(text(&place.workshop(&["clean"])).starts_with("nothing to clean"));
    assert!(used.exists() && place.records() == 1);
}

/// Both run roots have it on record: ours by a process that has ended, another by one that lives.
#[test]
fn clean_leaves_what_a_living_process_of_another_run_root_has() {
    let (place, other) = (Place::new("mine"), Place::new("theirs"));
    let used = place.directory(".base.partial-1");
    place.record(&used, "directory", GONE);
    let mut engine = Command::new("sleep").arg("20").env("BOXROOM_RUN", other.0.join("run")).spawn().unwrap();
    other.record(&used, "directory", (engine.id(), started(&engine.id().to_string())));
    for words in [&["clean", "--dry-run"][..], &["clean"]] {
        let said = place.workshop(words);
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        let sentence = format!("process {} uses it, which has another run root", engine.id());
        assert!(text(&said).contains(&sentence), "{said:?}");
        assert!(used.exists() && place.records() == 1, "{words:?}");
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    let said = place.workshop(&["clean"]);
    assert!(said.status.success() && text(&said).ends_with("1 removed\n"), "{said:?}");
    assert!(!used.exists() && place.records() == 0 && other.records() == 1);
}

#[test]
fn clean_keeps_and_says_what_it_does_not_know() {
    let place = Place::new("unknown");
    let file = place.0.join("a-file");
    fs::write(&file, "somebody's").unwrap();
    place.record(&file, "directory", GONE);
    let foreign = place.directory("somebody's");
    place.record(&foreign, "directory", GONE);
    place.record(&place.0.join("group"), "cgroup", GONE);
    let said = place.workshop(&["clean"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(text(&said).contains("doesn't know how to remove a cgroup"), "{said:?}");
    assert!(file.exists() && foreign.join("etc/passwd").exists(), "a record alone makes nothing ours");
    assert_eq!(place.records(), 3);
}

/// Killed between the note's first byte and its name; and what is no note at all, which must not be waited for.
#[test]
fn clean_removes_a_note_that_was_never_finished() {
    let place = Place::new("unfinished");
    let records = place.0.join("run/records");
    let (half, living) =
        (records.join(".1-1-1"), records.join(format!(".{}-{}-1", std::process::id(), started("self"))));
    fs::write(&half, "{").unwrap();
    fs::write(&living, "{").unwrap();
    nix::unistd::mkfifo(&records.join("fifo.json"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(text(&place.workshop(&["clean", "--dry-run"])).contains("never finished") && half.exists());
    assert!(text(&place.workshop(&["clean"])).ends_with("1 removed\n"));
    assert!(!half.exists() && living.exists(), "its writer may be about to finish it");
    assert!(text(&place.workshop(&["clean"])).starts_with("nothing to clean"));
}

#[test]
fn doctor_speaks_plainly_into_a_pipe_and_json_to_tools() {
    let place = Place::new("doctor");
    let plain = text(&place.workshop(&["doctor"]));
    assert!(!plain.contains('\x1b'), "{plain}");
    for chapter in ["00-process", "01-chroot", "02-namespaces", "03-cgroups"] {
        assert!(plain.contains(chapter), "{plain}");
    }
    let told: Value = serde_json::from_slice(&place.workshop(&["doctor", "--json"]).stdout).unwrap();
    let rooms = told["rooms"].as_array().unwrap();
    assert!(
        rooms.iter().all(|room| room["findings"].as_array().is_some_and(|all| !all.is_empty())),
        "{told}"
    );
    // A finding that something is missing always comes with its cure.
    let findings = rooms.iter().flat_map(|room| room["findings"].as_array().unwrap());
    assert!(findings.filter(|one| one["state"] == "missing").all(|one| one["cure"].is_string()), "{told}");
}

#[test]
fn doctor_explains_an_errno_by_name_and_refuses_a_wrong_one() {
    let place = Place::new("errno");
    let said = text(&place.workshop(&["doctor", "errno", "pivot_root"]));
    assert!(said.contains("EINVAL (22)"), "{said}");
    let wrong = place.workshop(&["doctor", "errno", "nonsense"]);
    assert_eq!(wrong.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("\"nonsense\""), "{wrong:?}");
}

#[test]
fn vm_refuses_what_it_does_not_know_before_it_fetches_anything() {
    let place = Place::new("vm");
    for (words, said) in [
        (&["vm", "--kernel", "4.19"][..], "there are 5.10, 6.1, 6.12"),
        (&["vm", "99"], "there is no chapter 99; there are 00-process, "),
        (&["vm", "--count", "3"], "--count says how many for --panic, --compare or --launches"),
    ] {
        let refused = place.workshop(words);
        assert_eq!(refused.status.code(), Some(125), "{words:?}: {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{words:?}: {refused:?}");
    }
    let both = place.workshop(&["vm", "--panic", "--json"]);
    assert_eq!(both.status.code(), Some(2), "nothing that is asked for is ignored: {both:?}");
}
