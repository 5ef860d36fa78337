//! A container's life from its start to its end, as the host sees it.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use checks::drive::{is_alive, status_field, within};
use checks::finding::Finding;
use checks::mould;
use checks::stage::Stage;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getsid};

use crate::lodge::{Lodge, Seen, equal, says, seen};

/// As long as anything may take here.
const PATIENCE: Duration = Duration::from_secs(10);

/// The command of a container that was just started, by the word on its command line.
pub(crate) fn first_of(word: &str) -> Result<Seen, Finding> {
    let mut found = None;
    within(PATIENCE, || {
        found = seen(word).into_iter().next();
        found.is_some()
    });
    found.ok_or_else(|| Finding::seen("no_container").with("said", "it isn't to be found on the host"))
}

/// Its parent, outside.
pub(crate) fn monitor_of(first: Seen) -> Result<i32, Finding> {
    let status = first.status();
    let parent = status_field(&status, "PPid").parse().map_err(|error| anyhow::anyhow!("PPid: {error}"))?;
    Ok(parent)
}

/// The starter has a process group and a terminal's hangup of its own, as a window that is closed.
pub(crate) fn outlives(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let name = lodge.expects("outlives");
    let words = ["run", "-d", "--name", &name, mould::IMAGE, "sh", "-c", "sleep 5000; exit", &name];
    let words = if lodge.knows {
        &words[..]
    } else {
        // It is killed, and would leave its group.
        &["run", "--no-group", "--", mould::IMAGE, "sh", "-c", "sleep 1; exit", &name]
    };
    let mut starter =
        lodge.command(words)?.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
    let group = Pid::from_raw(starter.id().cast_signed());
    let first = first_of(&name);
    within(PATIENCE, || !lodge.knows || starter.try_wait().is_ok_and(|ended| ended.is_some()));
    let _ = killpg(group, Signal::SIGHUP);
    let _ = killpg(group, Signal::SIGKILL);
    let _ = starter.wait();
    let first = first?;
    std::thread::sleep(Duration::from_millis(200));
    if !is_alive(first.0) {
        return Err(Finding::seen("gone"));
    }
    let monitor = monitor_of(first)?;
    let session = |pid: i32| getsid(Some(Pid::from_raw(pid))).map_or(0, Pid::as_raw);
    if session(monitor) != monitor {
        return Err(Finding::seen("session").with("monitor", monitor));
    }
    says(&lodge.tell(&["ps", "--filter", &format!("name={name}"), "--format", "{{.State}}"])?, "running\n")
}

/// Nothing of the starter's is held: who reads its output to the end isn't kept waiting.
pub(crate) fn lets_go(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let name = lodge.expects("lets-go");
    let began = Instant::now();
    // A shell reads until every copy of the pipe is closed; descriptor 7 is one that nobody meant for us.
    let script =
        "out=$(\"$0\" run -d --name \"$1\" \"$2\" sh -c 'sleep 5000; exit' \"$1\" 7>&1); echo ${#out}";
    let binary = lodge.command(&[])?;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).arg(binary.get_program()).args([&name, mould::IMAGE]).env_clear();
    shell.envs(binary.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = shell.output()?;
    equal(String::from_utf8_lossy(&output.stdout).trim(), "12")?;
    if began.elapsed() > Duration::from_secs(5) {
        return Err(Finding::seen("kept").with("seconds", began.elapsed().as_secs()));
    }
    Ok(())
}

/// What the image says and the command line takes away is away, and nothing of whoever starts it comes in.
pub(crate) fn environment(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    // The image has a PATH, whoever starts it has none.
    let words = ["run", "--rm", "--hostname", "here", "-e", "PATH", "-e", "CALLER", mould::IMAGE, "env"];
    let mut starter = lodge.command(&words)?;
    let output = starter.env_remove("PATH").env("CALLER", "mine").env("TERM", "the host's").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    equal(&lines.join(" "), "CALLER=mine HOME=/root HOSTNAME=here")
}

pub(crate) fn stop(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    // Pid 1 of a pid namespace ignores what it has no handler for: no trap is needed to be deaf.
    let (name, first) = lodge.guest("deaf", &[])?;
    let began = Instant::now();
    says(&lodge.tell(&["stop", "-t", "1", &name])?, &format!("{name}\n"))?;
    let took = began.elapsed();
    if is_alive(first.0) {
        return Err(Finding::seen("alive"));
    }
    if took < Duration::from_millis(900) {
        return Err(Finding::seen("impatient").with("milliseconds", took.as_millis()));
    }
    says(&lodge.tell(&["wait", &name])?, "137\n")?;
    // One that listens ends by itself, and at once: to the usual signal, or to systemd's.
    for (word, options, signal) in
        [("listens", &[][..], "TERM"), ("halts", &["--stop-signal", "SIGRTMIN+3"], "37")]
    {
        let script = format!("trap 'exit 7' {signal}; touch /ready; while :; do sleep 0.05; done");
        let name = lodge.run(word, options, &["sh", "-c", &script, word])?;
        within(PATIENCE, || {
            lodge.tell(&["exec", &name, "test", "-e", "/ready"]).is_ok_and(|ended| ended.code == 0)
        });
        let began = Instant::now();
        says(&lodge.tell(&["stop", "-t", "30", &name])?, &format!("{name}\n"))?;
        if began.elapsed() > Duration::from_secs(5) {
            return Err(Finding::seen("patient").with("seconds", began.elapsed().as_secs()));
        }
        says(&lodge.tell(&["wait", &name])?, "7\n")?;
    }
    // One in the foreground ends with its command's code, not by a signal of ours.
    let name = lodge.expects("foreground");
    let words = ["run", "--rm", "--name", &name, mould::IMAGE, "sh", "-c", "sleep 5000; exit", &name];
    let mut starter = lodge.command(&words)?.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    first_of(&name)?;
    let stopped = lodge.tell(&["stop", "-t", "0", &name])?;
    let ended = starter.wait()?;
    says(&stopped, &format!("{name}\n"))?;
    equal(&format!("{:?}", ended.code()), "Some(137)")
}

/// 'Is a stopped container gone?'
pub(crate) fn again(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("again", &[])?;
    says(&lodge.tell(&["exec", &name, "sh", "-c", "echo kept > /file"])?, "")?;
    lodge.tell(&["stop", "-t", "0", &name])?;
    if is_alive(first.0) {
        return Err(Finding::seen("alive"));
    }
    says(&lodge.tell(&["start", &name])?, &format!("{name}\n"))?;
    let second = first_of(&name)?;
    if second == first {
        return Err(Finding::seen("alive"));
    }
    says(&lodge.tell(&["exec", &name, "cat", "/file"])?, "kept\n")
}

pub(crate) fn still(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let script = "n=0; while :; do n=$((n+1)); echo $n > /count; done";
    let name = lodge.run("still", &[], &["sh", "-c", script, &lodge.name("still")])?;
    let first = first_of(&name)?;
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", first.0)).unwrap_or_default();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap_or_default().split(' ').filter_map(|n| n.parse().ok()).collect();
        fields.get(10).copied().unwrap_or_default() + fields.get(11).copied().unwrap_or_default()
    };
    within(PATIENCE, || used() > 3);
    says(&lodge.tell(&["pause", &name])?, &format!("{name}\n"))?;
    let before = used();
    std::thread::sleep(Duration::from_millis(300));
    if used() > before {
        return Err(Finding::seen("runs"));
    }
    equal(&lodge.tell(&["exec", &name, "true"])?.code.to_string(), "1")?;
    says(&lodge.tell(&["unpause", &name])?, &format!("{name}\n"))?;
    if !within(PATIENCE, || used() > before + 2) {
        return Err(Finding::seen("stands"));
    }
    // Who is frozen can be stopped as well.
    lodge.tell(&["pause", &name])?;
    says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
    if is_alive(first.0) { Err(Finding::seen("alive")) } else { Ok(()) }
}

/// Each run leaves a line in a volume: nobody's word is asked for how often it ran.
pub(crate) fn restarts(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let volume = lodge.volume("runs");
    let mount = format!("{volume}:/runs");
    let lines = || -> Result<usize, Finding> {
        let read = lodge.tell(&[
            "run",
            "--rm",
            "-v",
            &mount,
            mould::IMAGE,
            "sh",
            "-c",
            "cat /runs/* 2>/dev/null",
        ])?;
        Ok(read.stdout.lines().count())
    };
    let script = "echo run >> /runs/file; exit 3";
    let name =
        lodge.run("fails", &["-v", &mount, "--restart", "on-failure:2"], &["sh", "-c", script, "x"])?;
    says(&lodge.tell(&["wait", &name])?, "3\n")?;
    equal(&lines()?.to_string(), "3")?;
    // What ends well isn't a failure.
    lodge.run(
        "well",
        &["-v", &mount, "--restart", "on-failure:1"],
        &["sh", "-c", "echo run >> /runs/file", "x"],
    )?;
    says(&lodge.tell(&["wait", &lodge.name("well")])?, "0\n")?;
    equal(&lines()?.to_string(), "4")?;
    // And whoever says stop is obeyed, whatever the policy is: while it runs, and between two of its lives.
    let state = |name: &str| lodge.tell(&["inspect", "-f", "{{.State.Status}}", name]);
    for (role, script) in [("always", "sleep 1000; exit"), ("again", "exit 1")] {
        let name = lodge.run(role, &["--restart", "always"], &["sh", "-c", script, "x"])?;
        says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
        says(&state(&name)?, "exited\n")?;
        std::thread::sleep(Duration::from_millis(400));
        says(&state(&name)?, "exited\n")?;
    }
    Ok(())
}

pub(crate) fn moves(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("moves", &[])?;
    let refused = |words: &[&str], wanted: &str| -> Result<(), Finding> {
        let ended = lodge.tell(words)?;
        let first = ended.stderr.lines().next().unwrap_or_default().to_string();
        let saw = format!("{} {}", ended.code, if first.contains(wanted) { wanted } else { &first });
        equal(&saw, &format!("1 {wanted}"))?;
        // The container and the way out are named.
        let named = ended.stderr.contains(words.last().copied().unwrap_or_default());
        equal(&format!("named: {named}"), "named: true")
    };
    let not_running = "is not running";
    refused(&["rm", &name], "container is running: stop the container before removing or force remove")?;
    refused(&["unpause", &name], "is not paused")?;
    says(&lodge.tell(&["exec", &name, "true"])?, "")?;
    lodge.tell(&["pause", &name])?;
    refused(&["pause", &name], "is already paused")?;
    refused(&["start", &name], "cannot start a paused container, try unpause instead")?;
    refused(&["rm", &name], "container is paused and must be unpaused first")?;
    refused(&["attach", &name], "you cannot attach to a paused container, unpause it first")?;
    lodge.tell(&["unpause", &name])?;
    lodge.tell(&["pause", &name])?;
    says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
    refused(&["kill", &name], not_running)?;
    refused(&["pause", &name], not_running)?;
    refused(&["top", &name], not_running)?;
    refused(&["attach", &name], "you cannot attach to a stopped container, start it first")?;
    // As Docker: to start what runs, and to stop what has ended, is no mistake.
    says(&lodge.tell(&["stop", &name])?, &format!("{name}\n"))?;
    lodge.tell(&["start", &name])?;
    says(&lodge.tell(&["start", &name])?, &format!("{name}\n"))?;
    says(&lodge.tell(&["rm", "-f", &name])?, &format!("{name}\n"))?;
    refused(&["stop", "check-nobody-has-this-name"], "No such container: check-nobody-has-this-name")?;
    // Who attaches stays to the end; what waits to be started again can be started, and made to end.
    let name = lodge.run("attached", &[], &["sleep", "1"])?;
    says(&lodge.tell(&["attach", &name])?, "")?;
    let name = lodge.run("waits", &["--restart", "always"], &["false"])?;
    let waits = || {
        let told = lodge.tell(&["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", &name]);
        told.is_ok_and(|told| told.stdout.starts_with("restarting") && !told.stdout.ends_with(" 0\n"))
    };
    equal(&within(PATIENCE, waits).to_string(), "true")?;
    says(&lodge.tell(&["start", &name])?, &format!("{name}\n"))?;
    equal(&within(PATIENCE, waits).to_string(), "true")?;
    says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))
}

pub(crate) fn nothing_left(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("leaves", &[])?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    let groups = first.groups();
    says(&lodge.tell(&["rm", "-f", &name])?, &format!("{name}\n"))?;
    if is_alive(first.0) {
        return Err(Finding::seen("alive"));
    }
    crate::crash::nothing_of(&id, &name)?;
    if groups.contains("/boxroom-") && groups.lines().all(|line| !line.contains(&id)) {
        return Err(Finding::seen("left").with("what", "its group isn't called by its id"));
    }
    // With --rm it goes by itself, whatever its code was.
    let name = lodge.run("by-itself", &["--rm"], &["sh", "-c", "sleep 0.2; exit 3", "x"])?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    says(&lodge.tell(&["wait", &name])?, "3\n")?;
    within(PATIENCE, || crate::crash::nothing_of(&id, &name).is_ok());
    crate::crash::nothing_of(&id, &name)?;
    // And if it can't even be begun, with a starter or with a monitor: its name is free.
    let name = lodge.expects("never");
    for how in [&["--rm"][..], &["--rm", "-d"]] {
        let words = [&["run", "--name", &name], how, &["-v", "/nowhere:/srv", mould::IMAGE, "true"]].concat();
        equal(&lodge.tell(&words)?.code.to_string(), "125")?;
        says(&lodge.tell(&["ps", "-aq", "--filter", &format!("name={name}")])?, "")?;
    }
    says(&lodge.tell(&["run", "--rm", "--name", &name, mould::IMAGE, "echo", "free"])?, "free\n")
}

/// Chapter 04's program, which makes images.
pub(crate) fn moulder(words: &[&str]) -> Result<(), Finding> {
    let mut command = std::process::Command::new(checks::stage::program("ch04-images")?);
    command.args(words).env_clear().stdin(Stdio::null()).env("PATH", checks::stage::PATH).env("HOME", "/");
    let folder = checks::stage::folder()?;
    command.env("BOXROOM_RUN", folder.join("run")).env("BOXROOM_ROOT", folder.join("root"));
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(anyhow::anyhow!("ch04-images {words:?}: {said}").into())
}
