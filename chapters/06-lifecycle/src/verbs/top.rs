//! `top`: the processes of a container, as the host sees them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ch03_cgroups::group::Group;
use clap::Args;
use nix::unistd::{Pid, SysconfVar, Uid, User, sysconf};

use super::Io;
use super::table::columns;
use crate::containers::Containers;
use crate::state::Move;
use crate::when::When;

/// `top`
#[derive(Debug, Args)]
pub struct Top {
    /// The container
    container: String,
    /// The words of ps(1), which is asked then; one of its columns must be PID
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS OPTION")]
    options: Vec<String>,
}

/// # Errors
/// What could not be done.
pub(super) fn top(top: &Top, io: &mut Io<'_>) -> Result<()> {
    let container = Containers::open()?.find(&top.container)?;
    let state = container.state();
    state.status.after(Move::Kill, container.name()).map_err(|_| not_running(container.name()))?;
    let first = state.process.with_context(|| not_running(container.name()))?;
    let pids = all_of(first.pid);
    let text = if top.options.is_empty() { table(&pids) } else { asked(&top.options, &pids)? };
    write!(io.out, "{text}")?;
    Ok(())
}

fn not_running(name: &str) -> ch00_process::failure::Failure {
    ch00_process::failure::Failure::said(
        format!("container {name} is not running"),
        "",
        format!("boxroom start {name}"),
    )
    .code(1)
}

/// Who is in the same pid namespace, or where that is the host's, in the same group.
fn all_of(first: u32) -> Vec<u32> {
    let room = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let numbers = |list: &mut dyn Iterator<Item = String>| {
        let mut pids: Vec<u32> = list.filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        pids
    };
    if room(first) != room(std::process::id()) {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = numbers(&mut entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let its = room(first);
        return all.into_iter().filter(|pid| room(*pid) == its).collect();
    }
    let folders: Vec<PathBuf> = Group::of(Pid::from_raw(first.cast_signed()))
        .map(|group| group.parts.into_iter().map(|part| part.folder).collect())
        .unwrap_or_default();
    let text = folders.first().and_then(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
    numbers(&mut text.unwrap_or_else(|| first.to_string()).lines().map(Into::into))
}

/// What `ps -ef` would say.
fn table(pids: &[u32]) -> String {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().map_or(100, i64::cast_unsigned).max(1);
    let up = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up: f64 = up.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let head = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(pids.iter().filter_map(|pid| row(*pid, ticks, up)));
    columns(&rows)
}

fn row(pid: u32, ticks: u64, up: f64) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect(); // from the third on: proc_pid_stat(5)
    let number = |n: usize| fields.get(n - 3).and_then(|text| text.parse::<u64>().ok());
    let used = Duration::from_secs((number(14)? + number(15)?) / ticks).as_secs();
    let age = (up - number(22)? as f64 / ticks as f64).max(0.0);
    let began = When(When::now().0.saturating_sub((age * 1e9) as u64)).to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uid: u32 = uid.split_ascii_whitespace().next()?.parse().ok()?;
    let user =
        User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let command = if words.trim().is_empty() { format!("[{name}]") } else { words.trim_end().into() };
    let share = if age > 0.0 { (used as f64 * 100.0 / age).min(99.0) } else { 0.0 };
    let tty = match number(7)? {
        0 => "?".into(),
        // Minor and major of a pseudo-terminal, which is the container's own.
        device if device >> 8 & 0xfff == 136 => format!("pts/{}", device & 0xff),
        _ => "tty".to_string(),
    };
    Some(vec![
        user,
        pid.to_string(),
        number(4)?.to_string(),
        format!("{share:.0}"),
        began.get(11..16)?.into(),
        tty,
        format!("{:02}:{:02}:{:02}", used / 3600, used / 60 % 60, used % 60),
        command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
    ])
}

/// The host's ps, and of what it says the lines that are about the container.
fn asked(options: &[String], pids: &[u32]) -> Result<String> {
    let said = Command::new("ps").args(options).output().context("ps: is procps installed?")?;
    if !said.status.success() {
        bail!("ps {}: {}", options.join(" "), String::from_utf8_lossy(&said.stderr).trim());
    }
    let text = String::from_utf8_lossy(&said.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let Some(column) = head.split_ascii_whitespace().position(|name| name == "PID") else {
        bail!("couldn't find PID field in ps output; add it: -o pid,...");
    };
    let wanted: BTreeMap<String, ()> = pids.iter().map(|pid| (pid.to_string(), ())).collect();
    let its =
        |line: &&str| line.split_ascii_whitespace().nth(column).is_some_and(|pid| wanted.contains_key(pid));
    Ok(std::iter::once(head).chain(lines.filter(its)).map(|line| format!("{line}\n")).collect())
}
