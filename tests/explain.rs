//! `--explain` on the base image, call by call: the snapshots are the lesson, and the book includes them.

use std::process::{ExitCode, Stdio};

use ch00_process::kernel::raw;
use checks::need::{Need, is_required};
use checks::stage::{STAGES, Stage};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for stage in STAGES {
        let number = &stage[..2];
        // An ordinary user's ids and maps differ from machine to machine; root's launch is the lesson.
        let name = format!("ch{number}_the_launch_is_told_call_by_call");
        trials.push(match too_old(stage) {
            Some(why) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why))),
            None => trial(name, Need::Root, move || told(stage)),
        });
        let name = format!("ch{number}_json_tells_the_same_calls");
        trials.push(trial(name, Need::UserNamespace, move || same_in_json(stage)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: String, need: Need, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    match need.missing() {
        Some(why) if is_required(need.name()) => Trial::test(name, move || Err(why.into())),
        Some(why) => Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why))),
        None => Trial::test(name, run),
    }
}

/// What an older kernel is asked instead is told, too, but the snapshots have the calls that a new one is asked.
fn too_old(stage: &str) -> Option<&'static str> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    (&stage[..2] > "03" && version < (6, 8)).then_some(
        "before Linux 6.8 layers are stacked by mount(2); cargo workshop vm --kernel 6.12 shows it",
    )
}

fn told(name: &'static str) -> Result<(), Failed> {
    let text = explained(name, "--explain", "told")?;
    let rootfs = Stage::of(name).map_err(|error| format!("{error:#}"))?;
    let rootfs = rootfs.rootfs().map(|path| path.display().to_string());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let shown = normalised(&text, rootfs.as_deref());
    // What is told of groups differs with the version that the machine has.
    let snapshot = match Need::Cgroup2.missing() {
        None if &name[..2] > "02" => format!("explain-{name}-v2"),
        Some(_) if &name[..2] > "02" => format!("explain-{name}-v1"),
        _ => format!("explain-{name}"),
    };
    settings.bind(|| insta::assert_snapshot!(snapshot, shown));
    Ok(())
}

fn same_in_json(name: &'static str) -> Result<(), Failed> {
    // Both may run beside the other test, and a group's name is taken once.
    let text = explained(name, "--explain", "as-text")?;
    let json = explained(name, "--explain=json", "as-json")?;
    let objects = json.lines().filter(|line| line.starts_with('{')).count();
    let calls = text.lines().filter(|line| line.starts_with("   ") && !line.starts_with("    ")).count();
    for line in json.lines().filter(|line| line.starts_with('{')) {
        for key in ["process", "moment", "mechanism", "call", "result", "why"] {
            if !line.contains(&format!("\"{key}\":\"")) {
                return Err(format!("no {key} in {line}").into());
            }
        }
    }
    if objects == calls && calls > 0 {
        Ok(())
    } else {
        Err(format!("{calls} calls as text, {objects} as JSON").into())
    }
}

fn explained(name: &'static str, flag: &str, group: &str) -> Result<String, Failed> {
    let stage = Stage::of(name).map_err(|error| format!("{error:#}"))?;
    // Numbers of descriptors are part of what is told: nothing but the standard three may be inherited, not even
    // what whoever started this test has left open.
    raw::close_range_on_exec()?;
    // Where no group is given a limit would be refused.
    let limits: &[&str] = match Need::Cgroup.missing() {
        None => &["--memory", "64M", "--cpus", "0.5", "--pids", "32"],
        Some(_) => &[],
    };
    // From chapter 04 on a name is the container's, and its group is called by its id; and without a group none can be named.
    let named = ["--name", group];
    let limits = if stage.has(4) || Need::Cgroup.missing().is_some() {
        limits.to_vec()
    } else {
        [&named[..], limits].concat()
    };
    let limits = stage.knows(3, &limits);
    // Of this stage alone: the stages have one data root, and another one's container may have it at this moment.
    let volume = format!("{group}-{}", &name[..2]);
    let (file, plug) = ("/etc/passwd:/etc/issue:ro", format!("{volume}:/data"));
    let plugged = stage.knows(5, &["-v", &plug, "-v", file]);
    let mut command = stage
        .command(&[&[flag], limits.as_slice(), &plugged].concat(), &["/bin/true"])
        .map_err(|error| format!("{error:#}"))?;
    let output = command.stdin(Stdio::null()).output()?;
    if stage.has(5) {
        removed(&stage, &volume)?;
    }
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8_lossy(&output.stderr).replace(&volume, group);
    Ok(if stage.has(4) { of_an_image(&text, group) } else { text })
}

/// The volume that was plugged in: it would outlive the test.
fn removed(stage: &Stage, volume: &str) -> Result<(), Failed> {
    let command = stage.command(&[], &["true"]).map_err(|error| format!("{error:#}"))?;
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut remove = std::process::Command::new(command.get_program());
    remove.args(["volume", "rm", "-f", volume]).env_clear().envs(environment);
    let output = remove.output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// The container's id, the data root and the layers' diff_ids in words that are the same on every machine.
fn of_an_image(text: &str, group: &str) -> String {
    let id = text.split("/containers/").nth(1).map(|rest| rest.chars().take(12).collect::<String>());
    let id = id.unwrap_or_default();
    let text = text.replace(&format!("boxroom-{id}"), &format!("boxroom-{group}")).replace(&id, "ID");
    let text = match checks::stage::folder() {
        Ok(folder) => text.replace(&folder.join("root").display().to_string(), "DATA"),
        Err(_) => text,
    };
    let mut parts: Vec<String> = text.split('"').map(String::from).collect();
    for part in
        parts.iter_mut().filter(|part| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        *part = "DIFF_ID".into();
    }
    parts.join("\"")
}

/// What differs from run to run: pids, the rootfs's path, how many variables, where a record and a group are.
fn normalised(text: &str, rootfs: Option<&str>) -> String {
    let text = rootfs.map_or_else(|| text.to_string(), |rootfs| text.replace(rootfs, "ROOTFS"));
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        // The reason of a call that was left out.
        let is_reason = line.starts_with("       ");
        if is_reason && skipping {
            continue;
        }
        skipping = of_another_hierarchy(line);
        if skipping {
            continue;
        }
        let line = if line.contains("clone3(") { cut(line, "= ", "PID") } else { line.into() };
        let line = if line.contains("= device ") { cut(&line, "= ", "FILE") } else { line };
        let line = between(&line, "/proc/", "/", "PID");
        let line = path(&path(&line, "/boxroom-told", "GROUP"), "/records/", "RECORDS/");
        // How many hierarchies of version 1 there are, and so which number this one's file has, differs.
        let line = if line.contains("/tasks\", O_WRONLY") { cut(&line, "= ", "FD") } else { line };
        let line = between(&line, "waitid(P_PIDFD, ", ",", "FD");
        out.push_str(&between(&line, "[/* ", " variables", "N"));
        out.push('\n');
    }
    out
}

/// Version 1 has a hierarchy for each controller, and which are there differs: the one of memory stands for all.
fn of_another_hierarchy(line: &str) -> bool {
    line.contains("/boxroom-told") && line.contains("/sys/fs/cgroup/") && {
        let below = line.split("/sys/fs/cgroup/").nth(1).unwrap_or_default();
        !["memory/", "unified/", "boxroom-told"].iter().any(|name| below.starts_with(name))
    }
}

/// Each quoted path that goes through `mark`, from its beginning to there, is `word`; a record's own name is `NOTE`.
fn path(line: &str, mark: &str, word: &str) -> String {
    let mut parts: Vec<String> = line.split('"').map(String::from).collect();
    for part in parts.iter_mut().skip(1).step_by(2) {
        if let Some((_, rest)) = part.split_once(mark) {
            *part = if mark == "/records/" { format!("{word}NOTE") } else { format!("{word}{rest}") };
        }
    }
    parts.join("\"")
}

/// The line up to and with `mark`, and `word` in place of the rest.
fn cut(line: &str, mark: &str, word: &str) -> String {
    line.rsplit_once(mark).map_or_else(|| line.into(), |(before, _)| format!("{before}{mark}{word}"))
}

/// `word` in place of the digits between `mark` and `end`.
fn between(line: &str, mark: &str, end: &str, word: &str) -> String {
    let Some((before, after)) = line.split_once(mark) else { return line.into() };
    let Some((digits, rest)) = after.split_once(end) else { return line.into() };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return line.into();
    }
    format!("{before}{mark}{word}{end}{rest}")
}
