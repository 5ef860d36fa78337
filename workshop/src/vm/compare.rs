//! Container or virtual machine? The same program in a container and in a machine of its own, measured.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::utsname::uname;
use nix::unistd::Pid;

use super::Workshop;
use super::cpio::Archive;
use super::fetch::Bootable;
use super::machine::{Accelerator, Machine, Plan};
use super::memory::{self, Memory};
use crate::progress::Progress;

/// The program: it says that it is up, and stays. In a machine it is pid 1 and everything that runs.
const PROGRAM: &str = "\
#!/bin/busybox sh
# In a machine nobody else makes the devices; in a container they are there, and so is the way out.
[ -c /dev/null ] || { /bin/busybox mount -t devtmpfs dev /dev; exec >/dev/ttyS1; }
echo up
exec /bin/busybox sleep 1000
";

/// The memory that each machine is given, in MiB: what a small server is rented with, and more than this one needs.
const GIVEN: u32 = 256;

/// What one of them took.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    /// From its start to its program's first word, in seconds.
    first: f64,
    memory: Memory,
}

/// All that was measured.
#[derive(Debug, Clone)]
struct Comparison {
    containers: Vec<Measured>,
    machines: Vec<Measured>,
    /// Bytes of the files that each needs.
    disk: (u64, u64),
    guest: String,
    accelerator: Accelerator,
}

/// Starts `count` of each, one after the other, all alive at once; writes the table, and to `save` as well.
///
/// # Errors
/// One can't be started, or says nothing within `limit`.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    (workshop, kernel): (&Workshop, &Bootable),
    (count, limit): (usize, Duration),
    save: Option<&Path>,
) -> Result<ExitCode> {
    let accelerator = workshop.accelerator(kernel)?;
    let folder = workshop.cache.place()?;
    let rootfs = folder.path().join("rootfs");
    fill(&rootfs, &workshop.busybox)?;
    let engine = workshop
        .programs
        .binaries
        .iter()
        .find(|path| path.ends_with("ch02-namespaces"))
        .context("no ch02-namespaces was built")?;

    progress.begin(&format!("{count} containers"))?;
    let mut containers = Vec::new();
    for _ in 0..count {
        containers.push(Container::start(engine, &rootfs, folder.path())?);
    }
    let measured_containers = containers.iter().map(Container::measure).collect::<Result<Vec<_>>>()?;
    for container in containers {
        container.end()?;
    }
    progress.end("measured")?;

    progress.begin(&format!("{count} virtual machines {}", accelerator.words()))?;
    let initramfs = folder.path().join("machine.cpio");
    pack(&initramfs, &workshop.busybox)?;
    let mut machines = Vec::new();
    for n in 0..count {
        let plan = Plan {
            kernel: kernel.clone(),
            initramfs: initramfs.clone(),
            disk: None,
            memory: GIVEN,
            processors: 1,
            console: folder.path().join(format!("console-{n}")),
            stays_after_panic: false,
        };
        let machine = Machine::start(&workshop.qemu, accelerator, &plan)?;
        let first = first_word(&machine, limit)?;
        machines.push((machine, first));
    }
    let measure = |(machine, first): &(Machine, f64)| {
        Ok(Measured { first: *first, memory: memory::of(machine.pid())? })
    };
    let measured_machines = machines.iter().map(measure).collect::<Result<Vec<_>>>()?;
    drop(machines);
    progress.end("measured")?;

    let files = fs::metadata(rootfs.join("bin/busybox"))?.len() + PROGRAM.len() as u64;
    let comparison = Comparison {
        containers: measured_containers,
        machines: measured_machines,
        disk: (files, files + fs::metadata(&kernel.image)?.len()),
        guest: format!("Linux {} (Debian {})", kernel.kernel.series, kernel.kernel.debian),
        accelerator,
    };
    let table = comparison.table(&host());
    write!(out, "{table}")?;
    if let Some(path) = save {
        fs::write(path, &table).with_context(|| path.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The container's root file system: the program, and the shell that it is written for.
fn fill(rootfs: &Path, busybox: &Path) -> Result<()> {
    fs::create_dir_all(rootfs.join("bin"))?;
    fs::copy(busybox, rootfs.join("bin/busybox"))?;
    symlink("busybox", rootfs.join("bin/sh"))?;
    fs::write(rootfs.join("init"), PROGRAM)?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(rootfs.join("init"), executable)?;
    Ok(())
}

/// The same files for a machine.
fn pack(path: &Path, busybox: &Path) -> Result<()> {
    let mut archive = Archive::new(std::io::BufWriter::new(fs::File::create(path)?));
    for folder in ["bin", "dev"] {
        archive.folder(folder)?;
    }
    archive.copy("bin/busybox", 0o755, busybox)?;
    archive.file("init", 0o755, PROGRAM.as_bytes())?;
    archive.finish()?;
    Ok(())
}

fn first_word(machine: &Machine, limit: Duration) -> Result<f64> {
    while machine.took() < limit {
        if machine.line(Duration::from_millis(100)).is_some_and(|line| line.trim() == "up") {
            return Ok(machine.took().as_secs_f64());
        }
    }
    bail!("a machine said nothing within {} s; its console:\n{}", limit.as_secs(), machine.console_text());
}

/// A container that runs, with its engine. Dropped, it is ended.
struct Container {
    engine: Child,
    first: f64,
}

impl Container {
    fn start(engine: &PathBuf, rootfs: &Path, records: &Path) -> Result<Self> {
        let mut command = Command::new(engine);
        command.arg("run").arg("--rootfs").arg(rootfs).args(["--", "/init"]);
        command.env("BOXROOM_RUN", records.join("run")).stdin(Stdio::null()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut engine = command.spawn().context("starting ch02-namespaces")?;
        let mut word = String::new();
        if let Some(stdout) = engine.stdout.take() {
            BufReader::new(stdout).read_line(&mut word)?;
        }
        let container = Self { engine, first: began.elapsed().as_secs_f64() };
        if word.trim() != "up" {
            bail!("a container said {word:?} where its program says up");
        }
        Ok(container)
    }

    /// The engine waits beside it as long as it lives, so it counts.
    fn measure(&self) -> Result<Measured> {
        let mut memory = memory::of(self.engine.id())?;
        for child in memory::children(self.engine.id()) {
            memory = memory + memory::of(child)?;
        }
        Ok(Measured { first: self.first, memory })
    }

    fn end(mut self) -> Result<()> {
        // The engine hands it on; as pid 1 of its namespace the program can be ended by KILL alone.
        for child in memory::children(self.engine.id()) {
            kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL)?;
        }
        self.engine.wait()?;
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What it started ends with it: the child is bound to its parent's life.
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}

impl Comparison {
    fn table(&self, host: &str) -> String {
        let both = |of: fn(&Measured) -> f64| (median(&self.containers, of), median(&self.machines, of));
        let first = both(|one| one.first * 1000.0);
        let pss = both(|one| one.memory.proportional / MIB);
        let rss = both(|one| one.memory.resident / MIB);
        let disk = (self.disk.0 as f64 / MIB, self.disk.1 as f64 / MIB);
        let row = |name: &str, (one, other): (f64, f64), unit: &str| {
            format!("{name:44} {one:9.1} {other:12.1} {unit:4} {:9.0} x\n", other / one)
        };
        let mut text = format!("{:44} {:>9} {:>12}\n", "", "container", "machine");
        text += &row("time to the program's first word", first, "ms");
        text += &row("memory, shared pages by share (Pss)", pss, "MiB");
        text += &row("memory, shared pages in full (Rss)", rss, "MiB");
        text += &row("disk: the files that it needs", disk, "MiB");
        text += &format!("\n{} of each, alive at once; the medians.\n", self.containers.len());
        text += &format!("The machine that measured: {host}.\n");
        text += &format!(
            "Each virtual machine: {}, 1 processor, {GIVEN} MiB given, {}.\n",
            self.guest,
            self.accelerator.words()
        );
        if self.accelerator == Accelerator::Emulation {
            text += "Emulation makes them slower to start, and holds translated code in memory; KVM does neither.\n";
        }
        text
    }
}

const MIB: f64 = 1024.0 * 1024.0;

fn median(all: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    let mut numbers: Vec<f64> = all.iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Its class, not its name.
fn host() -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let series: Vec<&str> = release.split(['.', '-']).take(2).collect();
    format!("{}, {processors} processors, Linux {}", std::env::consts::ARCH, series.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_how_it_was_measured() {
        let of = |first| Measured { first, memory: Memory { proportional: MIB, resident: 2.0 * MIB } };
        let comparison = Comparison {
            containers: vec![of(0.002), of(0.001), of(0.004)],
            machines: vec![of(2.0), of(1.0), of(9.0)],
            disk: (1 << 20, 11 << 20),
            guest: "Linux 6.1 (Debian 12)".into(),
            accelerator: Accelerator::Emulation,
        };
        let table = comparison.table("x86_64, 2 processors, Linux 6.18");
        assert!(table.contains("      2.0       2000.0 ms        1000 x"), "{table}");
        assert!(table.contains("3 of each") && table.contains("in software emulation"), "{table}");
        assert!(table.contains("x86_64, 2 processors, Linux 6.18."), "{table}");
    }
}
