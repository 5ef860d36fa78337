//! `probe list`, `probe report [--json] [--facts JSON]`, `probe facts`, `probe try NAME [--facts JSON]`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use probe::catalogue::{self, PROBES};
use probe::facts::Facts;
use probe::report::{Host, Report};
use probe::roll_call;

const USAGE: &str = "usage: probe list
       probe report [--json] [--facts \"$(probe facts)\"]   what is seen from here; with the host's facts: whose it is
       probe facts                                        what the host is, run there
       probe try NAME [--facts JSON]                      one attempt to get out; harmless";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => list(),
        ["facts"] => println!("{}", serde_json::to_string(&Host::here())?),
        ["report", options @ ..] => report(options)?,
        ["try", name] => attempt(name, &Facts::default())?,
        ["try", name, "--facts", json] => attempt(name, &serde_json::from_str(json).context("the facts")?)?,
        // For the tests: somebody to attack, and a starter with groups and a cgroup.
        ["victim", ..] => victim()?,
        ["dressed", options @ ..] => dressed(options)?,
        _ => bail!("{USAGE}"),
    }
    Ok(())
}

fn list() {
    for probe in PROBES {
        println!(
            "{:<20} {}\n{:20} stopped by: {}; {}",
            probe.name, probe.row, "", probe.stopped_by, probe.reference
        );
    }
}

fn report(options: &[&str]) -> Result<()> {
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
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn attempt(name: &str, facts: &Facts) -> Result<()> {
    let probe =
        catalogue::find(name).with_context(|| format!("there is no probe {name:?}; see probe list"))?;
    let evidence = roll_call::attempt(probe, facts)?;
    if facts.socket.is_none() {
        println!("{}; what stops it: {}", probe.row, probe.stopped_by);
        for line in &evidence.told {
            println!("  {line}");
        }
        for line in evidence.found.iter().flat_map(|found| found.lines()).take(20) {
            println!("  found: {line}");
        }
    }
    Ok(())
}

/// Waits to be attacked, until whoever started it closes its standard input.
fn victim() -> Result<()> {
    // Where Yama restricts tracing to parents, everybody may trace this one: what protects it must be a room.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    println!("here");
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(())
}

/// Becomes a command, with a supplementary group or in a cgroup, as a login would have left it.
fn dressed(options: &[&str]) -> Result<()> {
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
