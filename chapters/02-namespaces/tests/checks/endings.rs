//! How it ends: orphans reaped, nothing left behind, the same exit codes as ever.

use std::time::Duration;

use checks::drive::{Visit, exit_codes, is_alive, run, within};
use checks::finding::Finding;
use checks::stage::Stage;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) fn init(stage: &Stage) -> Result<(), Finding> {
    // The inner shell ends at once: its fifty children are orphans, and process 1's. They end together: who waits for
    // all of them, when one signal may stand for many?
    const ORPHAN: &str = "sh -c 'n=0; while [ $n -lt 50 ]; do sleep 0.2 & n=$((n+1)); done; exit'; sleep 0.5; cat /proc/[0-9]*/stat";
    let inside = run(stage, &["--init"], &["sh", "-c", ORPHAN])?;
    let zombies = inside.stdout.lines().filter(|line| line.contains(") Z ")).count();
    let listed = inside.stdout.lines().any(|line| line.starts_with("1 ("));
    let ended = run(stage, &["--init"], &["sh", "-c", "exit 5"])?;
    if zombies == 0 && listed && ended.code == 5 {
        return Ok(());
    }
    Err(Finding::seen("zombies").with("zombies", zombies).with("listed", listed).with("code", ended.code))
}

pub(crate) fn killed(stage: &Stage) -> Result<(), Finding> {
    // The command's own child is what is left to live on, where only the command is ended with its parent.
    let Visit { mut stage, present, canary } = Visit::by(stage, &[], &["sh", "-c", "\"$0\" \"$@\"; true"])?;
    let pid = present.pid;
    stage.kill()?;
    stage.wait()?;
    let gone = within(Duration::from_millis(700), || !is_alive(pid));
    if !gone {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    drop((present, canary));
    if gone {
        return Ok(());
    }
    Err(Finding::seen("alive"))
}

pub(crate) fn codes(stage: &Stage) -> Result<(), Finding> {
    exit_codes(stage, &[])
}
