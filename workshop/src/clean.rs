//! `cargo workshop clean`: what boxroom left behind when it was killed, and only that.
//!
//! It goes by the records that are written before a thing is made (`ch00_process::record`): what no
//! record names is not ours, and what a living process owns is in use, though its run root be another.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use ch00_process::explain::Process;
use ch00_process::kernel::Kernel;
use ch00_process::mechanism::Mechanism;
use ch00_process::record::{self, Record};
use ch03_cgroups::cgroup::Cgroup;
use ch04_images::mapped;
use ch04_images::own::Own;
use ch05_volumes::volumes::Volumes;
use ch06_lifecycle::life::Life;

use crate::doctor::facts::Facts;
use crate::ink::Ink;

/// Removes (or, `dry_run`, names) what ended processes left.
///
/// # Errors
/// The records can't be read, or the writer is gone. What can't be removed is said, and makes the exit code 1.
pub fn run(out: &mut impl Write, ink: Ink, dry_run: bool) -> Result<ExitCode> {
    let unread = "could not read the records of what boxroom made";
    let (orphans, unfinished) = (record::orphans().context(unread)?, record::unfinished().context(unread)?);
    if orphans.is_empty() && unfinished.is_empty() {
        writeln!(out, "nothing to clean: every record's maker is alive or cleaned up itself")?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut done, mut kept) = (0, 0);
    for note in unfinished {
        let what = format!("{} (a note that was never finished)", note.display());
        if dry_run {
            writeln!(out, "would remove {what}")?;
        } else {
            fs::remove_file(&note).with_context(|| note.display().to_string())?;
            writeln!(out, "{} {what}", ink.green("removed"))?;
        }
        done += 1;
    }
    for orphan in orphans {
        let what = shown(&orphan);
        let left = format!("left by process {}", orphan.owner.pid);
        if let Some(owner) = orphan.claimed() {
            writeln!(
                out,
                "{} {what}: process {} uses it, which has another run root",
                ink.red("kept"),
                owner.pid
            )?;
            kept += 1;
            continue;
        }
        if dry_run {
            writeln!(out, "would remove {what} ({left})")?;
            done += 1;
            continue;
        }
        match remove(orphan) {
            Ok(Gone::Removed) => writeln!(out, "{} {what} ({left})", ink.green("removed"))?,
            Ok(Gone::InTheMap) => {}
            Ok(Gone::Already) => {
                writeln!(out, "{} {what}: gone already, its record removed", ink.green("removed"))?
            }
            Err(error) => {
                writeln!(out, "{} {what}: {error:#}", ink.red("kept"))?;
                kept += 1;
                continue;
            }
        }
        done += 1;
    }
    let word = if dry_run { "would be removed" } else { "removed" };
    let rest = if kept == 0 { String::new() } else { format!(", {kept} kept: see above") };
    writeln!(out, "{done} {word}{rest}")?;
    Ok(if kept == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Kind and name; of a group, which has a folder in each hierarchy (one a line), the first and how many.
fn shown(orphan: &Record) -> String {
    let mut lines = orphan.what.lines();
    let first = lines.next().unwrap_or_default();
    match lines.count() {
        0 => format!("{} {first}", orphan.kind),
        more => format!("{} {first} and {more} like it", orphan.kind),
    }
}

enum Gone {
    Removed,
    InTheMap,
    Already,
}

fn remove(orphan: Record) -> Result<Gone> {
    let gone = match orphan.kind.as_str() {
        "directory" => directory(Path::new(&orphan.what), orphan.owner.pid)?,
        Cgroup::NAME => group(&orphan)?,
        Own::NAME => container(&orphan.what)?,
        Volumes::NAME => volume(&orphan.what)?,
        Life::NAME => life(Path::new(&orphan.what))?,
        kind => bail!("this boxroom doesn't know how to remove a {kind}; a newer one left it"),
    };
    orphan.forget()?;
    Ok(gone)
}

/// The same way that a launch takes at its normal end: whoever is still inside is killed, then the group removed.
fn group(orphan: &Record) -> Result<Gone> {
    // Two began to make the same one, the first was killed: it is the second's now.
    let in_use = |record: &Record| record.what == orphan.what && record.owner.lives();
    if record::all()?.iter().any(in_use) {
        return Ok(Gone::Already);
    }
    let there = orphan.what.lines().any(|folder| Path::new(folder).exists());
    Cgroup::cleanup(&Kernel::new(Process::Host, None), &orphan.what)
        .map_err(|failure| anyhow!("{failure}"))?;
    Ok(if there { Gone::Removed } else { Gone::Already })
}

/// A container's own folder, the way that its launch takes at the end.
fn container(folder: &str) -> Result<Gone> {
    if !Path::new(folder).exists() {
        return Ok(Gone::Already);
    }
    Own::cleanup(&Kernel::new(Process::Host, None), folder).map_err(|failure| anyhow!("{failure}"))?;
    Ok(Gone::Removed)
}

/// A container that was half made, half removed, or was to go at its end.
fn life(folder: &Path) -> Result<Gone> {
    if !folder.exists() {
        return Ok(Gone::Already);
    }
    let swept =
        Life::sweep(folder, &Kernel::new(Process::Host, None)).map_err(|failure| anyhow!("{failure}"))?;
    Ok(if swept { Gone::Removed } else { Gone::Already })
}

/// A volume without a name, whose container is gone.
fn volume(folder: &str) -> Result<Gone> {
    if !Path::new(folder).exists() {
        return Ok(Gone::Already);
    }
    Volumes::cleanup(&Kernel::new(Process::Host, None), folder).map_err(|failure| anyhow!("{failure}"))?;
    Ok(Gone::Removed)
}

/// Removes a directory that a record names. The name comes from a file, so it is looked at twice: only what has the
/// name that a base has while it is built, by that very process, can be one that boxroom made.
fn directory(path: &Path, maker: u32) -> Result<Gone> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if !path.is_absolute() || !plain || !is_partial(&name, maker) {
        bail!("not a path that boxroom would make a directory at; remove its record by hand");
    }
    let seen = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Gone::Already),
        seen => seen?,
    };
    if !seen.is_dir() {
        bail!("it is not a directory any more, so it isn't the one that boxroom made");
    }
    // Whatever is mounted in there is somebody's files, and removing would go right through.
    if let Some(mount) = Facts::read().mounts.iter().find(|mount| mount.point.starts_with(path)) {
        bail!("something is mounted at {}; umount it first", mount.point.display());
    }
    match fs::remove_dir_all(path) {
        // What an ordinary user's container made belongs to ids that only somebody in the same map may touch.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && mapped::is_needed() => {
            // It says itself what it has removed: this one, and whatever else was left.
            let _ = mapped::run(vec!["clean".into()], &Kernel::new(Process::Host, None))?;
            if path.exists() {
                bail!("in the map it could not be removed either: see above")
            }
            return Ok(Gone::InTheMap);
        }
        other => other?,
    }
    Ok(Gone::Removed)
}

/// `.NAME.partial-PID`, or `.NAME.partial-PID-N` where that was taken.
fn is_partial(name: &str, maker: u32) -> bool {
    let begun = name.strip_prefix('.').and_then(|name| name.rsplit_once(".partial-"));
    begun.is_some_and(|(_, tail)| {
        let number = tail.split_once('-').map_or(tail, |(pid, _)| pid);
        number.parse() == Ok(maker)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_directory_is_removed() {
        for wrong in
            ["relative/.base.partial-7", "/", "/home", "/tmp/../.base.partial-7", "/tmp/.base.partial-8"]
        {
            assert!(directory(Path::new(wrong), 7).is_err(), "{wrong}");
        }
        for gone in ["/tmp/boxroom/never/.base.partial-7", "/tmp/boxroom/never/.a.partial-1.partial-7-2"] {
            assert!(matches!(directory(Path::new(gone), 7), Ok(Gone::Already)), "{gone}");
        }
    }

    #[test]
    fn a_link_in_its_place_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("boxroom-clean-{}", std::process::id()));
        let (real, link) = (folder.join(".real.partial-7"), folder.join(".link.partial-7"));
        fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(directory(&link, 7).is_err());
        assert!(matches!(directory(&real, 7), Ok(Gone::Removed)));
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&folder).unwrap();
    }
}
