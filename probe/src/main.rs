//! `probe list`, `probe report [--json] [--facts JSON]`, `probe facts`, `probe try NAME [--facts JSON]`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use probe::catalogue::{self, PROBES, Probe};
use probe::facts::Facts;
use probe::report::{Host, Report};
use probe::roll_call;

const USAGE: &str = "usage: probe list
       probe report [--json] [--facts \"$(probe facts)\"]   what is seen from here; with the host's facts: whose it is
       probe facts                                        what the host is, run there
       probe try NAME [--facts JSON]                      one attempt to get out; harmless";

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    match run(&args) {
        Ok(text) => {
            // No quarrel with a reader who has seen enough: `probe list | head`.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("probe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed.
fn run(args: &[String]) -> Result<String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => Ok(list()),
        ["facts"] => Ok(serde_json::to_string(&Host::here())? + "\n"),
        ["report", options @ ..] => report(options),
        ["try", name] => attempt(name, &Facts::default()),
        ["try", name, "--facts", json] => attempt(name, &serde_json::from_str(json).context("the facts")?),
        // For the tests: somebody to attack, and a starter with groups and a cgroup.
        ["victim", ..] => victim(),
        // One of many that are started to be counted.
        ["sitter"] => {
            std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
            Ok(String::new())
        }
        ["dressed", options @ ..] => dressed(options),
        _ => bail!("{USAGE}"),
    }
}

fn list() -> String {
    let line = |probe: &Probe| {
        let Probe { name, row, stopped_by, reference, .. } = probe;
        format!("{name:<20} {row}\n{:20} stopped by: {stopped_by}; {reference}\n", "")
    };
    PROBES.iter().map(line).collect()
}

fn report(options: &[&str]) -> Result<String> {
    let mut json = false;
    let mut host = None;
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "--json" => json = true,
            "--facts" => {
                let text = rest.next().context("--facts needs what `probe facts` printed on the host")?;
                host = Some(serde_json::from_str::<Host>(text).context("the facts")?);
            }
            _ => bail!("{USAGE}"),
        }
    }
    let report = Report::new(host.as_ref());
    Ok(if json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() })
}

fn attempt(name: &str, facts: &Facts) -> Result<String> {
    let probe =
        catalogue::find(name).with_context(|| format!("there is no probe {name:?}; see probe list"))?;
    let evidence = roll_call::attempt(probe, facts)?;
    if facts.socket.is_some() {
        return Ok(String::new());
    }
    let mut text = format!("{}; what stops it: {}\n", probe.row, probe.stopped_by);
    for line in &evidence.told {
        text += &format!("  {line}\n");
    }
    for line in evidence.found.iter().flat_map(|found| found.lines()).take(20) {
        text += &format!("  found: {line}\n");
    }
    Ok(text)
}

/// Waits to be attacked, until whoever started it closes its standard input.
fn victim() -> Result<String> {
    // Where Yama restricts tracing to parents, everybody may trace this one: what protects it must be a room.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    println!("here");
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(String::new())
}

/// Becomes a command, with a supplementary group or in a cgroup, as a login would have left it.
fn dressed(options: &[&str]) -> Result<String> {
    match options {
        ["--group", group, rest @ ..] => {
            let group = nix::unistd::Gid::from_raw(group.parse().context("the group")?);
            nix::unistd::setgroups(&[group]).context("setgroups")?;
            dressed(rest)
        }
        ["--cgroup", folder, rest @ ..] => {
            let file = std::path::Path::new(folder).join("cgroup.procs");
            std::fs::write(&file, "0").with_context(|| file.display().to_string())?;
            dressed(rest)
        }
        [command, arguments @ ..] => {
            let error = Command::new(command).args(arguments).exec();
            Err(error).with_context(|| (*command).to_string())
        }
        [] => bail!("dressed needs a command"),
    }
}
