//! `system df|prune|info`.

use anyhow::Result;
use ch00_process::keyboard::agrees;
use ch00_process::place;
use ch03_cgroups::hierarchy::{Hierarchies, Version};
use ch04_images::mapped;
use ch04_images::show::size;
use ch05_volumes::volume::Store as Volumes;
use clap::{Args, Subcommand};
use nix::sys::utsname::uname;

use super::table::columns;
use super::{Io, end, unwatched};
use crate::containers::Containers;
use crate::state::Status;
use crate::system::{disk_of, sweep};

/// `system`
#[derive(Debug, Subcommand)]
pub enum System {
    /// How much of the disk images, containers and volumes have
    Df,
    /// Remove stopped containers, what no image and no container needs, and what killed processes left
    Prune(Prune),
    /// What there is, and on which machine
    Info,
}

/// `system prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Don't ask
    #[arg(long, short)]
    force: bool,
    /// Volumes without a name that nobody has, too
    #[arg(long)]
    volumes: bool,
}

/// # Errors
/// What could not be done.
pub(super) fn system(system: &System, io: &mut Io<'_>) -> Result<()> {
    match system {
        System::Df => df(io),
        System::Prune(asked) => prune(asked, io),
        System::Info => info(io),
    }
}

fn df(io: &mut Io<'_>) -> Result<()> {
    let (all, volumes) = (Containers::open()?, Volumes::open()?);
    let (containers, images) = (all.list()?, all.store.index()?.manifests().len());
    let active = containers.iter().filter(|one| one.lives()).count();
    let (mut its, mut idle) = (0, 0);
    for one in &containers {
        let bytes = disk_of(&one.folder);
        its += bytes;
        idle += if one.lives() { 0 } else { bytes };
    }
    let names: Vec<String> = volumes.list()?.into_iter().map(|volume| volume.name).collect();
    let (mut of_volumes, mut free, mut used) = (0, 0, 0);
    for name in &names {
        let bytes = disk_of(&volumes.data(name));
        of_volumes += bytes;
        if volumes.is_free(name)? { free += bytes } else { used += 1 }
    }
    let of_images = disk_of(&all.store.images()) + disk_of(&all.store.layers());
    let row = |what: &str, count: usize, active: usize, bytes: u64, idle: String| {
        vec![what.to_string(), count.to_string(), active.to_string(), size(bytes), idle]
    };
    let head = ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"].map(String::from).to_vec();
    let mut has: Vec<&str> = containers.iter().map(|one| one.config.container.manifest.as_str()).collect();
    has.sort_unstable();
    has.dedup();
    let table = [
        head,
        row("Images", images, has.len(), of_images, "by rmi, then prune".into()),
        row("Containers", containers.len(), active, its, size(idle)),
        row("Local Volumes", names.len(), used, of_volumes, size(free)),
    ];
    write!(io.out, "{}", columns(&table))?;
    Ok(())
}

fn prune(asked: &Prune, io: &mut Io<'_>) -> Result<()> {
    let warning = format!(
        "This will remove:\n  - all stopped containers\n  - all images without a name{}\n  - what killed processes left\n",
        if asked.volumes { "\n  - all volumes without a name that no container has" } else { "" }
    );
    if !asked.force && !agrees(&warning, io.err)? {
        return Ok(());
    }
    let all = Containers::open()?;
    let mut bytes = 0;
    let mut removed = Vec::new();
    for one in all.list()? {
        if matches!(one.state().status, Status::Stopped | Status::Created) {
            let its = disk_of(&one.folder);
            // Who started it meanwhile keeps it.
            if end::remove(&one, false).is_ok() {
                bytes += its;
                removed.push(one.config.id().to_string());
            }
        }
    }
    for one in all.all_damaged()? {
        let its = one.disk();
        match end::remove_damaged(&one, &all) {
            Ok(()) => {
                bytes += its;
                removed.push(one.id);
            }
            Err(error) => drop(io.fail(&error)),
        }
    }
    if !removed.is_empty() {
        writeln!(io.out, "Deleted Containers:\n{}\n", removed.join("\n"))?;
    }
    if asked.volumes {
        let (gone, freed) = Volumes::open()?.prune(false)?;
        bytes += freed;
        if !gone.is_empty() {
            writeln!(io.out, "Deleted Volumes:\n{}\n", gone.join("\n"))?;
        }
    }
    if mapped::is_needed() {
        let blobs = all.store.images();
        let before = disk_of(&blobs);
        mapped::prune(&unwatched())?;
        bytes += before.saturating_sub(disk_of(&blobs));
    } else {
        let pruned = all.store.prune()?;
        bytes += pruned.bytes;
        if pruned.containers > 0 {
            writeln!(io.out, "Deleted containers that were never finished: {}\n", pruned.containers)?;
        }
        if pruned.images + pruned.layers > 0 {
            writeln!(io.out, "Deleted Images: {}, layers: {}\n", pruned.images, pruned.layers)?;
        }
    }
    let (left, kept) = sweep(&unwatched())?;
    if left > 0 {
        writeln!(io.out, "Left by killed processes, deleted: {left}\n")?;
    }
    for why in kept {
        writeln!(io.err, "{}: {why}", io.program)?;
    }
    writeln!(io.out, "Total reclaimed space: {}", size(bytes))?;
    Ok(())
}

fn info(io: &mut Io<'_>) -> Result<()> {
    let all = Containers::open()?;
    let states: Vec<Status> = all.list()?.iter().map(|one| one.state().status).collect();
    let count = |wanted: &[Status]| states.iter().filter(|status| wanted.contains(status)).count();
    let version = match Hierarchies::read().version() {
        Some(Version::V2) => "2",
        Some(Version::V1) => "1",
        None => "none",
    };
    let machine = uname()?;
    let words = [
        ("Containers", states.len().to_string()),
        (" Running", count(&[Status::Running, Status::Restarting]).to_string()),
        (" Paused", count(&[Status::Paused]).to_string()),
        (" Stopped", count(&[Status::Stopped, Status::Created]).to_string()),
        ("Images", all.store.index()?.manifests().len().to_string()),
        ("Server Version", env!("CARGO_PKG_VERSION").to_string()),
        ("Storage Driver", "overlay".into()),
        ("Logging Driver", "cri (text, rotated)".into()),
        ("Cgroup Version", version.into()),
        ("Kernel Version", machine.release().to_string_lossy().into_owned()),
        ("Architecture", machine.machine().to_string_lossy().into_owned()),
        ("Rootless", mapped::is_needed().to_string()),
        ("Boxroom Root Dir", place::data_root()?.display().to_string()),
        ("Boxroom Run Dir", place::run_root()?.display().to_string()),
        ("Daemon", "none: each container has a monitor of its own".into()),
    ];
    for (name, value) in words {
        writeln!(io.out, "{name}: {value}")?;
    }
    Ok(())
}
