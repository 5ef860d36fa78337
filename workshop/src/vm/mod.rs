//! `cargo workshop vm`: the chapters' checks on another kernel than this machine's, in a small virtual machine.
//!
//! A developer's kernel hides what an older one can't do, and many machines still mount cgroups in the old way: the
//! guests are pure cgroup v2. It is for CI and for demonstrations; no page of the book needs it.
//!
//! # Layout
//! - [`kernels`]: which kernels
//! - [`apt`], [`sources`], [`fetch`]: packages, unpacked and kept below the target folder, never installed
//! - [`built`]: our own programs, static
//! - [`cpio`], [`initramfs`]: the guest's root file system; `guest/`: what runs in it, for busybox's shell
//! - [`machine`], [`accel`]: qemu, and whether KVM works
//! - [`heartbeats`]: one panic, all containers of that kernel
//! - [`compare`], [`memory`]: a container beside a virtual machine
//! - [`launches`]: what a group costs
//! - [`console`]: what the guest says, as outcomes; [`report`]: those for people and tools

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use crate::ink::Ink;
use crate::progress::Progress;

pub mod accel;
pub mod apt;
pub mod built;
pub mod compare;
pub mod console;
pub mod cpio;
pub mod fetch;
pub mod heartbeats;
pub mod initramfs;
pub mod kernels;
pub mod launches;
pub mod machine;
pub mod memory;
pub mod report;
pub mod sources;

use built::{Chapter, Programs};
use fetch::{Bootable, Cache, Qemu};
use kernels::{KERNELS, Kernel};
use machine::{Accelerator, Machine, Plan};
use report::Run;

/// What is done with the guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The chapters' checks.
    Checks,
    /// A shell for a person.
    Shell,
    /// [`heartbeats`], with so many containers in each of two machines.
    Panic(usize),
    /// [`compare`], so many of each; the table is also written to that file.
    Compare(usize, Option<PathBuf>),
    /// [`launches`], in so many rounds.
    Launches(usize),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The chapters, by number or name; none: all.
    pub chapters: Vec<String>,
    /// The kernels.
    pub kernels: Vec<Kernel>,
    /// What is done with the guests.
    pub what: What,
    /// For tools.
    pub json: bool,
    /// When a guest is ended, after its start.
    pub limit: Duration,
}

impl Asked {
    /// The kernels that the two options mean.
    ///
    /// # Errors
    /// There is no such kernel in the list.
    pub fn kernels(series: Option<&str>, all: bool) -> Result<Vec<Kernel>> {
        match series {
            _ if all => Ok(KERNELS.to_vec()),
            Some(series) => Ok(vec![kernels::of_series(series)?]),
            None => Ok(vec![kernels::USUAL]),
        }
    }
}

/// Everything that a boot needs, ready.
pub struct Workshop {
    cache: Cache,
    /// Archives and consoles of this run; gone with it.
    place: TempDir,
    qemu: Qemu,
    busybox: PathBuf,
    programs: Programs,
    chapters: Vec<Chapter>,
}

/// The memory of a guest, in MiB, and its processors.
const SIZE: (u32, u32) = (1024, 2);

/// Boots, runs the checks, tells what came of it. The exit code is 0 where everything that was planned is well.
///
/// # Errors
/// Something can't be fetched, built or started; the message says what to install.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    asked: &Asked,
) -> Result<ExitCode> {
    let mut workshop = Workshop::open(progress, asked)?;
    let mut runs = Vec::new();
    for kernel in &asked.kernels {
        progress.begin(&format!("Linux {}, the kernel of Debian {}", kernel.series, kernel.debian))?;
        let bootable = workshop.cache.kernel(*kernel)?;
        progress.end("here")?;
        let (both, limit) = ((&workshop, &bootable), asked.limit);
        match &asked.what {
            What::Checks => {}
            What::Shell => return workshop.shell(&bootable),
            What::Panic(count) => return heartbeats::run(out, progress, ink, both, (*count, limit)),
            What::Compare(count, save) => {
                return compare::run(out, progress, both, (*count, limit), save.as_deref());
            }
            What::Launches(rounds) => {
                return launches::run(out, progress, (&mut workshop, &bootable), (*rounds, limit));
            }
        }
        let run = workshop.check(progress, &bootable, asked.limit)?;
        let seen = workshop.seen(&run)?;
        if !asked.json {
            run.tell(out, ink)?;
            if let Some(folder) = seen {
                writeln!(out, "  as it was seen there: diff -r tests/snapshots {}", folder.display())?;
            }
        }
        runs.push(run);
    }
    if asked.json {
        let all: Vec<_> = runs.iter().map(Run::json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "runs": all }))?)?;
    }
    let well = runs.iter().all(|run| run.troubles().is_empty());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Workshop {
    /// Fetches and builds.
    ///
    /// # Errors
    /// As [`run`].
    pub fn open(progress: &mut Progress<impl Write + Send>, asked: &Asked) -> Result<Self> {
        let all = built::chapters()?;
        // Nothing else needs the chapters' checks, which take most of the time.
        let chapters =
            if asked.what == What::Checks { built::choose(&all, &asked.chapters)? } else { Vec::new() };
        progress.begin("qemu and busybox (fetched the first time)")?;
        let cache = Cache::open()?;
        let (qemu, busybox) = (cache.qemu()?, cache.busybox()?);
        progress.end("here")?;
        progress.begin(
            "building the chapters, the probe and the checks, static (the first time takes a while)",
        )?;
        let programs = built::build(&all, &chapters)?;
        progress.end(&format!("{} programs", programs.binaries.len() + programs.checks.len()))?;
        let place = cache.place()?;
        Ok(Self { cache, place, qemu, busybox, programs, chapters })
    }

    /// The lines of the guest's plan, and the suites in it.
    fn plan(&self, kernel: Kernel) -> (Vec<String>, Vec<(String, String)>) {
        let mut suites = Vec::new();
        if kernel.too_old {
            suites.push(("too-old".to_string(), "root".to_string()));
        } else {
            suites.push(("by-hand".to_string(), "root".to_string()));
            for chapter in &self.chapters {
                suites.extend(["root", "learner"].map(|who| (chapter.name.clone(), who.into())));
            }
            for suite in ["explain", "book", "book-nsdelegate"] {
                suites.push((suite.to_string(), "root".to_string()));
            }
            if !self.programs.mutants.is_empty() {
                suites.push(("mutants".to_string(), "root".to_string()));
            }
        }
        let lines = suites.iter().map(|(suite, who)| format!("checks {suite} {who}"));
        (lines.collect(), suites)
    }

    /// One boot, with this plan.
    ///
    /// # Errors
    /// The archive can't be written.
    pub fn prepare(&self, kernel: &Bootable, name: &str, lines: &[String]) -> Result<Plan> {
        let initramfs = self.place.path().join(format!("{name}.cpio"));
        initramfs::write(&initramfs, &self.busybox, &self.programs, kernel, lines)?;
        let (memory, processors) = SIZE;
        let console = self.place.path().join(format!("{name}.console"));
        Ok(Plan {
            kernel: kernel.clone(),
            initramfs,
            disk: None,
            memory,
            processors,
            console,
            stays_after_panic: false,
        })
    }

    /// KVM or emulation.
    ///
    /// # Errors
    /// As [`accel::choose`].
    pub fn accelerator(&self, kernel: &Bootable) -> Result<Accelerator> {
        let trial = self.prepare(kernel, "trial", &[])?;
        accel::choose(&self.cache, &self.qemu, &trial).context("trying /dev/kvm")
    }

    fn check(
        &self,
        progress: &mut Progress<impl Write + Send>,
        kernel: &Bootable,
        limit: Duration,
    ) -> Result<Run> {
        let accelerator = self.accelerator(kernel)?;
        let (lines, planned) = self.plan(kernel.kernel);
        let mut plan = self.prepare(kernel, &format!("checks-{}", kernel.kernel.series), &lines)?;
        plan.disk = Some(self.disk()?);
        progress.begin(&format!("Linux {} {}", kernel.kernel.series, accelerator.words()))?;
        let began = std::time::Instant::now();
        let machine = Machine::start(&self.qemu, accelerator, &plan)?;
        let (heard, end) = machine.listen(limit, &mut |heard, line| {
            let Some(suite) = heard.suites.last() else { return };
            let last =
                line.strip_prefix("| test ").and_then(|line| line.split(' ').next()).unwrap_or_default();
            // Whether somebody still reads the progress is no reason to stop.
            let _ = progress.at(&format!("{} as {} {last}", suite.name, suite.who));
        })?;
        progress.end(if heard.over { "done" } else { "not done" })?;
        let console = fs::read(&plan.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console).into_owned();
        let seconds = began.elapsed().as_secs_f64();
        Ok(Run { kernel: kernel.kernel, accelerator, heard, end, planned, seconds, console })
    }

    /// The launches that this kernel makes otherwise than the snapshots have it: to be compared, or taken over.
    fn seen(&self, run: &Run) -> Result<Option<PathBuf>> {
        if run.heard.seen.is_empty() {
            return Ok(None);
        }
        let folder = self.cache.file(&format!("seen-{}", run.kernel.series));
        fs::create_dir_all(&folder)?;
        for (name, text) in &run.heard.seen {
            // Where the test's source asked for it is not kept in ours.
            let kept = text.lines().filter(|line| !line.starts_with("assertion_line:"));
            let text: String = kept.flat_map(|line| [line, "\n"]).collect();
            fs::write(folder.join(format!("{name}.snap")), text)?;
        }
        Ok(Some(folder))
    }

    /// An empty disk of 1 GiB; sparse, so it takes what is written.
    fn disk(&self) -> Result<PathBuf> {
        let path = self.place.path().join("disk");
        File::create(&path)?.set_len(1 << 30)?;
        Ok(path)
    }

    fn shell(&self, kernel: &Bootable) -> Result<ExitCode> {
        let accelerator = self.accelerator(kernel)?;
        let mut plan = self.prepare(kernel, "shell", &["shell".into()])?;
        plan.disk = Some(self.disk()?);
        machine::shell(&self.qemu, accelerator, &plan)?;
        Ok(ExitCode::SUCCESS)
    }
}
