//! What chapter 00 must show: a process is started, watched to its end, and what happened is told truly.

#[path = "checks/handshake.rs"]
mod handshake;

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use checks::drive::{Visit, is_there, no_zombie, run, status_field, within};
use checks::finding::Finding;
use checks::stage::Stage;
use checks::table::{Check, Table};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() -> ExitCode {
    Table { chapter: "00-process", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

const CHECKS: &[Check] = &[
    Check { name: "ch00_the_command_is_executed", new: true, needs: &[], run: command_is_executed },
    Check { name: "ch00_exit_code_is_the_commands", new: true, needs: &[], run: exit_code },
    Check { name: "ch00_death_by_signal_is_128_plus_n", new: true, needs: &[], run: death_by_signal },
    Check {
        name: "ch00_nothing_runs_before_the_parent_says_so",
        new: true,
        needs: &[],
        run: handshake::held,
    },
    Check { name: "ch00_missing_command_is_127_and_named", new: true, needs: &[], run: missing },
    Check { name: "ch00_not_executable_is_126_with_its_errno", new: true, needs: &[], run: not_executable },
    Check { name: "ch00_engine_failure_is_125", new: true, needs: &[], run: engine_failure },
    Check { name: "ch00_signal_reaches_the_command", new: true, needs: &[], run: forwarded },
    Check { name: "ch00_no_zombie_stays", new: true, needs: &[], run: no_zombie },
    Check { name: "ch00_signals_are_as_after_a_login", new: true, needs: &[], run: signals_reset },
    Check { name: "ch00_a_stopped_parent_still_learns_the_end", new: true, needs: &[], run: stopped_parent },
];

fn command_is_executed(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let parent = status_field(&visit.present.status, "PPid").to_string();
    let expected = visit.stage.id().to_string();
    let code = visit.end()?;
    if parent != expected || code != 0 {
        return Err(Finding::seen("parent").with("parent", parent == expected).with("code", code));
    }
    Ok(())
}

fn exit_code(stage: &Stage) -> Result<(), Finding> {
    code_of(stage, &["sh", "-c", "exit 3"], 3)
}

fn death_by_signal(stage: &Stage) -> Result<(), Finding> {
    code_of(stage, &["sh", "-c", "kill -KILL $$"], 137)
}

fn code_of(stage: &Stage, words: &[&str], expected: i32) -> Result<(), Finding> {
    let ended = run(stage, &[], words)?;
    if ended.code == expected {
        return Ok(());
    }
    Err(Finding::seen("code")
        .with("command", format!("{words:?}"))
        .with("code", ended.code)
        .with("expected", expected))
}

fn missing(stage: &Stage) -> Result<(), Finding> {
    error_names(stage, "/no/such/command", 127, "ENOENT")
}

fn not_executable(stage: &Stage) -> Result<(), Finding> {
    error_names(stage, "/etc/passwd", 126, "EACCES")
}

fn error_names(stage: &Stage, path: &str, code: i32, errno: &str) -> Result<(), Finding> {
    let ended = run(stage, &[], &[path])?;
    if ended.code == code && ended.stderr.contains(path) && ended.stderr.contains(errno) {
        return Ok(());
    }
    Err(Finding::seen("error")
        .with("path", path)
        .with("code", ended.code)
        .with("named", ended.stderr.contains(path))
        .with("errno", errno)
        .with("told", ended.stderr.contains(errno)))
}

fn engine_failure(stage: &Stage) -> Result<(), Finding> {
    let ended = run(stage, &["--no-such-option"], &["true"])?;
    if ended.code == 125 && !ended.stderr.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("code").with("code", ended.code))
}

fn forwarded(stage: &Stage) -> Result<(), Finding> {
    const LISTEN: &str = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    let mut child = stage.command(&[], &["sh", "-c", LISTEN])?.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.trim() == "ready" {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM)?;
    }
    let ended = within(Duration::from_secs(5), || matches!(child.try_wait(), Ok(Some(_))));
    if !ended {
        child.kill()?;
    }
    let code = child.wait()?.code();
    if line.trim() == "ready" && code == Some(7) {
        return Ok(());
    }
    Err(Finding::seen("code").with("code", format!("{code:?}")))
}

fn signals_reset(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let mask = |name| u64::from_str_radix(status_field(&visit.present.status, name), 16).unwrap_or(u64::MAX);
    // The probe is a Rust program: its own runtime ignores SIGPIPE (bit 12), whatever it was given. The C library keeps
    // signals 32 and 33 to itself: posix_spawn(3), which starts the stage, leaves them ignored, and sigaction(3) refuses
    // to mend that, so a stage written in a language above the C library can't.
    let (blocked, ignored) = (mask("SigBlk"), mask("SigIgn") & !(1 << 12 | 0b11 << 31));
    visit.end()?;
    let broken = run(stage, &[], &["sh", "-c", "kill -PIPE $$; echo survived"])?;
    if blocked == 0 && ignored == 0 && broken.code == 128 + 13 {
        return Ok(());
    }
    Err(Finding::seen("signals")
        .with("blocked", format!("{blocked:x}"))
        .with("ignored", format!("{ignored:x}"))
        .with("code", broken.code))
}

fn stopped_parent(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let parent = Pid::from_raw(visit.stage.id().cast_signed());
    kill(parent, Signal::SIGSTOP)?;
    let pid = visit.present.pid;
    let Visit { mut stage, mut present, canary } = visit;
    present.go()?;
    present.bye();
    // It ends while nobody looks: a zombie until its parent goes on.
    let state = |pid| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    within(Duration::from_secs(2), || status_field(&state(pid), "State").starts_with('Z') || !is_there(pid));
    kill(parent, Signal::SIGCONT)?;
    let ended = within(Duration::from_secs(5), || matches!(stage.try_wait(), Ok(Some(_))));
    if !ended {
        stage.kill()?;
    }
    let code = stage.wait()?.code();
    drop(canary);
    if code == Some(0) {
        return Ok(());
    }
    Err(Finding::seen("code").with("code", format!("{code:?}")))
}
