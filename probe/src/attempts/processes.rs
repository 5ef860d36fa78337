//! To the host's processes.

use std::fs;
use std::path::Path;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::facts::{Evidence, Facts};

/// `/proc/PID/root` is a door into the root of another process.
pub fn proc_root(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(proc) = super::proc_folder(facts, &mut evidence) else { return evidence };
    let file = facts.file.strip_prefix("/").unwrap_or(Path::new(""));
    for pid in [1, facts.victim] {
        let path = proc.join(pid.to_string()).join("root").join(file);
        if let Some(text) = evidence.step(format!("read {}", path.display()), fs::read_to_string(&path)) {
            evidence.find(text.trim_end());
        }
    }
    evidence
}

/// What other processes were told in confidence.
pub fn proc_environ(facts: &Facts) -> Evidence {
    each_process(facts, "environ")
}

/// What else runs here.
pub fn host_processes(facts: &Facts) -> Evidence {
    each_process(facts, "cmdline")
}

/// The end of it. What has its number inside is, in a pid namespace, something else or nothing; so the
/// victim must look like one before it is killed, where that can be seen.
pub fn kill_victim(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let victim = Pid::from_raw(facts.victim);
    if facts.victim <= 1 || victim == Pid::this() {
        evidence.told.push("no process of the host was named".into());
        return evidence;
    }
    evidence.step(format!("kill -KILL {victim}"), kill(victim, Signal::SIGKILL));
    evidence
}

/// Whoever traces a process owns it: memory, registers, secrets. The outside looks who traces the victim.
pub fn ptrace_victim(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let victim = Pid::from_raw(facts.victim);
    evidence.step(format!("ptrace(PTRACE_SEIZE, {victim})"), ptrace::seize(victim, ptrace::Options::empty()));
    evidence
}

fn each_process(facts: &Facts, file: &str) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(proc) = super::proc_folder(facts, &mut evidence) else { return evidence };
    let Some(entries) = evidence.step(format!("list {}", proc.display()), fs::read_dir(&proc)) else {
        return evidence;
    };
    let mut seen = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Its own words don't count: the facts are among its arguments.
        if !name.bytes().all(|byte| byte.is_ascii_digit()) || *name == std::process::id().to_string() {
            continue;
        }
        seen += 1;
        if let Ok(bytes) = fs::read(entry.path().join(file)) {
            evidence.found.extend(
                bytes.split(|byte| *byte == 0).filter(|word| word.starts_with(b"boxroom-canary=")).map(text),
            );
        }
    }
    evidence.told.push(format!("{seen} other processes"));
    evidence
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
