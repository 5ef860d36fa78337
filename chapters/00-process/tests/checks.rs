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
        return Err(Finding {
            seen: format!("the command's parent is the stage: {}; exit code {code}", parent == expected),
            expected: "the command is a child of the stage, and the stage ends when it has ended",
            meaning: "clone3 makes the child, execve makes the child the command, waitid learns its end",
            look: "ch00-process run --explain -- true",
            read: "book: chapter 00, 'the birth'; clone(2), execve(2)",
            ..Finding::default()
        });
    }
    Ok(())
}

fn exit_code(stage: &Stage) -> Result<(), Finding> {
    code_of(stage, &["sh", "-c", "exit 3"], 3, "the command's own exit code is passed on", "waitid(2)")
}

fn death_by_signal(stage: &Stage) -> Result<(), Finding> {
    code_of(stage, &["sh", "-c", "kill -KILL $$"], 137, "a signal's death is told as 128 + 9", "signal(7)")
}

fn code_of(
    stage: &Stage,
    words: &[&str],
    expected: i32,
    meaning: &'static str,
    page: &'static str,
) -> Result<(), Finding> {
    let ended = run(stage, &[], words)?;
    if ended.code == expected {
        return Ok(());
    }
    Err(Finding {
        seen: format!("{words:?} ended with {}, expected {expected}", ended.code),
        expected: "Docker's exit codes",
        meaning,
        look: "ch00-process run -- sh -c 'exit 3'; echo $?",
        read: if page == "signal(7)" {
            "book: chapter 00, 'the end'; signal(7)"
        } else {
            "book: chapter 00, 'the end'; waitid(2)"
        },
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!(
            "{path} ended with {}; the message names the path: {}, {errno}: {}",
            ended.code,
            ended.stderr.contains(path),
            ended.stderr.contains(errno)
        ),
        expected: "127 for a command that isn't there, 126 for one that can't be executed; path and errno in the message",
        meaning: "execve failed in the child, and what failed must travel to the parent, which alone prints",
        look: "ch00-process run --explain -- /no/such/command",
        read: "book: chapter 00, 'the child's side'; execve(2)",
        ..Finding::default()
    })
}

fn engine_failure(stage: &Stage) -> Result<(), Finding> {
    let ended = run(stage, &["--no-such-option"], &["true"])?;
    if ended.code == 125 && !ended.stderr.is_empty() {
        return Ok(());
    }
    Err(Finding {
        seen: format!("an unknown option ended with {}", ended.code),
        expected: "125 and a message: nothing was run, the engine itself failed",
        meaning: "a script must tell an engine that failed from a command that failed",
        look: "ch00-process run --no-such-option true; echo $?",
        read: "book: chapter 00, 'the end'; docker-run(1), EXIT STATUS",
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!(
            "SIGTERM to the stage; the command's handler says exit 7; the stage ended with {code:?}"
        ),
        expected: "the signal reaches the command, and its exit code comes back",
        meaning: "who stops the engine means the command: signals are passed on, not obeyed",
        look: "ch00-process run -- sh -c \"trap 'exit 7' TERM; sleep 60 & wait\"  and kill -TERM it",
        read: "book: chapter 00, 'the end'; pidfd_send_signal(2)",
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!(
            "blocked {blocked:x}, ignored {ignored:x}, SIGPIPE to itself ended with {}",
            broken.code
        ),
        expected: "nothing blocked, nothing ignored, SIGPIPE kills",
        meaning: "what the parent blocks or ignores its child inherits through execve; it must be reset before",
        look: "ch00-process run -- grep Sig /proc/self/status",
        read: "book: chapter 00, 'the child's side'; signal(7)",
        ..Finding::default()
    })
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
    Err(Finding {
        seen: format!("the command ended while the stage was stopped; the stage ended with {code:?}"),
        expected: "0: the end is not missed",
        meaning: "the end of a child is a state that can be waited for later, not an event that can be missed",
        look: "kill -STOP and kill -CONT the stage around the command's end",
        read: "book: chapter 00, 'the end'; pidfd_open(2), waitid(2)",
        ..Finding::default()
    })
}
