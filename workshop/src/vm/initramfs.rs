//! The guest's first root file system: busybox, our programs, and the plan of what to do with them.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::built::Programs;
use super::cpio::Archive;
use super::fetch::Bootable;

/// The guest's pid 1, in busybox's shell.
const INIT: &str = include_str!("guest/init.sh");

/// What it takes in: how the checks are run, as root and as an ordinary user, and the checks in shell.
const SCRIPTS: [(&str, &str); 5] = [
    ("legs.sh", include_str!("guest/legs.sh")),
    ("table.sh", include_str!("guest/table.sh")),
    ("mutants.sh", include_str!("guest/mutants.sh")),
    ("by-hand.sh", include_str!("guest/by-hand.sh")),
    ("too-old.sh", include_str!("guest/too-old.sh")),
];

/// The page whose blocks say something else on each version of groups.
const PAGE: &str = "ch03-cgroups.md";

/// Writes the archive for one boot to `path`; `plan` has a line for each thing that the guest is to do.
///
/// # Errors
/// A file can't be read, or the disk is full.
pub fn write(
    path: &Path,
    busybox: &Path,
    programs: &Programs,
    kernel: &Bootable,
    plan: &[String],
) -> Result<u64> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut archive = Archive::new(BufWriter::new(file));
    for folder in [
        "bin",
        "new",
        "stage",
        "built",
        "built/snapshots",
        "built/tests",
        "built/tests/snapshots",
        "built/book",
    ] {
        archive.folder(folder)?;
    }
    archive.file("init", 0o755, INIT.as_bytes())?;
    for (name, script) in SCRIPTS {
        archive.file(&format!("stage/{name}"), 0o644, script.as_bytes())?;
    }
    let mutants =
        programs.mutants.iter().map(|(one, _)| format!("{} {} {}\n", one.name, one.chapter, one.check));
    archive.file("stage/mutants", 0o644, mutants.collect::<String>().as_bytes())?;
    archive.file("stage/plan", 0o644, (plan.join("\n") + "\n").as_bytes())?;
    archive.copy("bin/busybox", 0o755, busybox)?;
    for module in &kernel.modules {
        archive.copy(&format!("stage/{}", name_of(module)), 0o644, module)?;
    }
    for binary in programs.binaries.iter().chain(programs.mutants.iter().map(|(_, binary)| binary)) {
        archive.copy(&format!("built/{}", name_of(binary)), 0o755, binary)?;
    }
    for (name, test) in &programs.tests {
        archive.copy(&format!("built/checks-{name}"), 0o755, test)?;
    }
    // Below the folder of the test's source, as insta wants it.
    for snapshot in snapshots(&probe::workspace().join("tests/snapshots")) {
        archive.copy(&format!("built/tests/snapshots/{}", name_of(&snapshot)), 0o644, &snapshot)?;
    }
    archive.copy(&format!("built/book/{PAGE}"), 0o644, &probe::workspace().join("book/src").join(PAGE))?;
    for (chapter, checks) in &programs.checks {
        archive.copy(&format!("built/checks-{}", chapter.name), 0o755, checks)?;
        let below = format!("built/snapshots/{}", chapter.name);
        archive.folder(&below)?;
        let words = chapter.folder.join("exercise.toml");
        let words = words.is_file().then_some(words);
        for snapshot in snapshots(&chapter.folder.join("tests/snapshots")).into_iter().chain(words) {
            archive.copy(&format!("{below}/{}", name_of(&snapshot)), 0o644, &snapshot)?;
        }
    }
    archive.finish()?;
    Ok(fs::metadata(path)?.len())
}

/// A chapter without any has no such folder.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "snap"))
        .collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
