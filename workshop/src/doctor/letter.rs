//! `cargo workshop doctor --report`: one text file that a learner sends in the day before.
//!
//! What is in it can be read in a minute before it is sent: no environment, no addresses, no name of the machine,
//! the home folder as `~`.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use super::attempt::attempt;
use super::facts::Facts;
use super::fix::change::SETTINGS;
use super::users::{in_path, sysctl};
use super::{examine, report};
use crate::ink::Ink;

/// The first line; by it a report of ours is known again.
const HEAD: &str = "boxroom: a report by cargo workshop doctor";

/// What is tried, each in a process of its own: as we are, and (`user`) as an ordinary user.
const TRIES: [&str; 11] =
    ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time", "chroot", "proc", "overlay"];

/// Writes the report to `file` (`-`: to `out`), and says where it is.
///
/// # Errors
/// The file is there and is no report of ours, or can't be written.
pub fn run(out: &mut impl Write, file: &Path) -> Result<ExitCode> {
    let facts = Facts::read();
    let text = Veil::here().over(&letter(&facts)?);
    if file == Path::new("-") {
        write!(out, "{text}")?;
        return Ok(ExitCode::SUCCESS);
    }
    put(file, &text)?;
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    writeln!(out, "the report is in {}", place.display())?;
    writeln!(out, "read it (it is {} lines), then send it in", text.lines().count())?;
    Ok(ExitCode::SUCCESS)
}

/// Beside, then renamed: a report is whole or not there.
fn put(file: &Path, text: &str) -> Result<()> {
    match fs::read_to_string(file) {
        Ok(there) if !there.starts_with(HEAD) => {
            bail!("{} is there and is no report of the doctor's; name another file", file.display())
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| file.display().to_string());
        }
        _ => {}
    }
    let name = file.file_name().context("a report needs a file's name")?.to_string_lossy().into_owned();
    let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _not_there = fs::remove_file(&beside);
    }
    written.with_context(|| format!("could not write {}", file.display()))
}

fn letter(facts: &Facts) -> Result<String> {
    let mut out = Vec::new();
    writeln!(out, "{HEAD}\n")?;
    versions(&mut out, facts)?;
    kernel(&mut out)?;
    tries(&mut out)?;
    own(&mut out, facts)?;
    writeln!(out, "== what the doctor found, by chapter")?;
    report::text(&mut out, Ink::PLAIN, &examine(facts))?;
    String::from_utf8(out).context("the report is text")
}

fn versions(out: &mut impl Write, facts: &Facts) -> Result<()> {
    writeln!(out, "== versions")?;
    let git = ["-C", &facts.checkout.to_string_lossy(), "describe", "--always", "--dirty", "--exclude=*"];
    line(out, "boxroom", &format!("{} {}", env!("CARGO_PKG_VERSION"), said("git", &git)))?;
    for (program, flag) in [
        ("rustc", "--version"),
        ("cargo", "--version"),
        ("cc", "--version"),
        ("unshare", "--version"),
        ("sudo", "--version"),
        ("apparmor_parser", "--version"),
        ("systemctl", "--version"),
        ("strace", "--version"),
    ] {
        line(out, program, &said(program, &[flag]))?;
    }
    for program in ["newuidmap", "newgidmap", "usermod", "busybox"] {
        let place = in_path(program).map_or("not here".into(), |path| path.display().to_string());
        line(out, program, &place)?;
    }
    writeln!(out)?;
    Ok(())
}

/// The first line that a program says.
fn said(program: &str, words: &[&str]) -> String {
    let Ok(said) = Command::new(program).args(words).output() else { return "not here".into() };
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("says nothing").trim().into()
}

fn kernel(out: &mut impl Write) -> Result<()> {
    writeln!(out, "== the kernel's switches")?;
    for name in SETTINGS {
        let value = sysctl(name).map_or("no such switch".into(), |value| value.to_string());
        line(out, &name.replace('/', "."), &value)?;
    }
    line(out, "security modules", &first("/sys/kernel/security/lsm"))?;
    line(out, "AppArmor's label", &first("/proc/self/attr/current"))?;
    writeln!(out)?;
    Ok(())
}

fn tries(out: &mut impl Write) -> Result<()> {
    writeln!(out, "== tried (as this user; `user` always as an ordinary one)")?;
    for name in TRIES {
        let answer = match attempt(name, name == "user") {
            Ok(()) => "works".into(),
            Err(refusal) => format!("{refusal} ({})", refusal.errno as i32),
        };
        line(out, name, &answer)?;
    }
    writeln!(out)?;
    Ok(())
}

fn own(out: &mut impl Write, facts: &Facts) -> Result<()> {
    writeln!(out, "== this process, and what is lent to its user")?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for field in ["CapEff:", "NoNewPrivs:", "Seccomp:"] {
        let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("not told");
        line(out, field.trim_end_matches(':'), value.trim())?;
    }
    line(out, "uid_map", &words(&first("/proc/self/uid_map")))?;
    for group in fs::read_to_string("/proc/self/cgroup").unwrap_or_default().lines() {
        line(out, "cgroup", group)?;
    }
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let who = format!("{}:", facts.who.trim_start_matches("user "));
        let number = format!("{}:", nix::unistd::geteuid());
        let mine: Vec<_> =
            text.lines().filter(|line| line.starts_with(&who) || line.starts_with(&number)).collect();
        line(
            out,
            file,
            if mine.is_empty() { "nothing for this user".into() } else { mine.join(" ") }.as_str(),
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn line(out: &mut impl Write, name: &str, value: &str) -> Result<()> {
    writeln!(out, "{name:18} {value}")?;
    Ok(())
}

fn first(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text.lines().next().unwrap_or_default().trim_end_matches('\0').into(),
        Err(error) => format!("({error})"),
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What doesn't go out: where the home is, and what the machine is called.
struct Veil {
    /// From, to; longer ones first.
    names: Vec<(String, &'static str)>,
}

impl Veil {
    fn here() -> Self {
        let home = env::var("HOME").unwrap_or_default();
        let real = fs::canonicalize(&home).map(|path| path.display().to_string()).unwrap_or_default();
        let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        Self::of(&[&home, &real], &host)
    }

    fn of(homes: &[&str], host: &str) -> Self {
        let mut names: Vec<(String, &'static str)> = Vec::new();
        // A home of `/` would turn every path into one of the user's.
        for home in homes.iter().map(|home| home.trim_end_matches('/')).filter(|home| home.len() > 1) {
            names.push((home.into(), "~"));
        }
        let short = host.split('.').next().unwrap_or(host);
        for name in [host, short].into_iter().filter(|name| !name.is_empty() && *name != "localhost") {
            names.push((name.into(), "HOST"));
        }
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { names }
    }

    fn over(&self, text: &str) -> String {
        self.names.iter().fold(text.to_string(), |text, (from, to)| whole_words(&text, from, to))
    }
}

/// Replaces `from` where no letter, digit or dash continues it on either side.
fn whole_words(text: &str, from: &str, to: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let end = at + from.len();
        let before = rest[..at].chars().next_back().or_else(|| out.chars().next_back());
        let inside = before.is_some_and(part) || rest[end..].chars().next().is_some_and(part);
        out.push_str(&rest[..at]);
        out.push_str(if inside { from } else { to });
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_neither_the_home_nor_the_machine() {
        let veil = Veil::of(&["/home/ana", "/data/ana/"], "box.example.org");
        assert_eq!(
            veil.over("/home/ana/x /home/anabel /data/ana, on box and box.example.org; boxroom boxes"),
            "~/x /home/anabel ~, on HOST and HOST; boxroom boxes"
        );
        assert_eq!(Veil::of(&["/", ""], "").over("/etc"), "/etc");
    }

    #[test]
    fn a_file_of_somebody_elses_is_not_written_over() {
        let file = env::temp_dir().join(format!("boxroom-letter-{}", std::process::id()));
        fs::write(&file, "a diary").unwrap();
        assert!(put(&file, HEAD).unwrap_err().to_string().contains("no report of the doctor's"));
        fs::write(&file, format!("{HEAD} old")).unwrap();
        put(&file, &format!("{HEAD} new")).unwrap();
        assert!(fs::read_to_string(&file).unwrap().ends_with("new"));
        fs::remove_file(file).unwrap();
    }
}
