//! Each classic mistake, made on purpose: the check that is there for it must catch it.
//!
//! `chapters/NN/mutants/NAME.patch` is a small patch with what is wrong, `check: NAME` and perhaps `needs: root` (or `cgroup1`, `cgroup2`) before it.
//! Each is applied to a copy of the sources under `target/mutants`, built there, and given to the chapter's checks
//! as `STAGE_BIN`. A build each: `BOXROOM_REQUIRE=mutants cargo test --test mutants` asks for it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use checks::finding::Finding;
use checks::need::Need;
use checks::table::trial;
use libtest_mimic::Arguments;

/// One copy of the sources for all: a second mutant is built in a second or two.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mutants = mutants().unwrap_or_default();
    let none = mutants.is_empty();
    let mut trials = Vec::new();
    for mutant in mutants {
        let mutant = Arc::new(mutant);
        let name = format!("{}_is_caught_by_{}", mutant.name, mutant.check);
        let needs: &[Need] = match mutant.version {
            Some(1) => &[Need::Mutants, Need::Cgroup1],
            Some(_) => &[Need::Mutants, Need::Root, Need::Cgroup2],
            None if mutant.by_root => &[Need::Mutants, Need::Root],
            None => &[Need::Mutants],
        };
        trials.push(trial(name, needs, move || mutant.is_caught()));
    }
    trials.push(trial("there_are_mutants".into(), &[], move || {
        if none { Err(anyhow::anyhow!("no chapters/*/mutants/*.patch could be read").into()) } else { Ok(()) }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

struct Mutant {
    chapter: String,
    name: String,
    check: String,
    /// Whether the check needs root (`needs: root` in the patch).
    by_root: bool,
    /// The version of cgroups that it shows on, where it shows on one only (`needs: cgroup1`).
    version: Option<u8>,
    patch: PathBuf,
}

fn mutants() -> Result<Vec<Mutant>> {
    let mut found = Vec::new();
    for chapter in fs::read_dir(probe::workspace().join("chapters"))? {
        let chapter = chapter?;
        let Ok(patches) = fs::read_dir(chapter.path().join("mutants")) else { continue };
        for patch in patches {
            let patch = patch?.path();
            let text = fs::read_to_string(&patch)?;
            let check = text.lines().find_map(|line| line.strip_prefix("check: "));
            found.push(Mutant {
                chapter: chapter.file_name().to_string_lossy().into_owned(),
                name: patch.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                version: [(1, "needs: cgroup1"), (2, "needs: cgroup2")]
                    .into_iter()
                    .find_map(|(version, line)| text.lines().any(|one| one == line).then_some(version)),
                by_root: text.lines().any(|line| line == "needs: root"),
                check: check.with_context(|| format!("{} names no check", patch.display()))?.into(),
                patch,
            });
        }
    }
    found.sort_by(|a, b| (&a.chapter, &a.name).cmp(&(&b.chapter, &b.name)));
    Ok(found)
}

impl Mutant {
    fn is_caught(&self) -> Result<(), Finding> {
        let _alone = ONE_AT_A_TIME.lock();
        let binary = self.build()?;
        let package = format!("ch{}", self.chapter);
        let output = cargo()
            .current_dir(probe::workspace())
            .args([
                "test",
                "--quiet",
                "--package",
                &package,
                "--test",
                "checks",
                "--",
                "--exact",
                &self.check,
            ])
            .env("CARGO_TARGET_DIR", probe::target_dir()?)
            .env("STAGE_BIN", binary)
            .env_remove("BOXROOM_REQUIRE")
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if said.contains("1 failed") && !said.contains("the command never ran") {
            return Ok(());
        }
        Err(Finding {
            seen: format!("{} on the mutant {}:\n{said}", self.check, self.name),
            expected: "the check fails, and for the reason that it is there for",
            meaning: "a learner who makes this mistake would not hear of it",
            look: "the patch in the chapter's folder mutants/",
            read: "book: how to use this book, 'when a check fails'",
            ..Finding::default()
        })
    }

    fn build(&self) -> Result<PathBuf> {
        let folder = probe::target_dir()?.join("mutants");
        let tree = folder.join("tree");
        copy(probe::workspace(), &tree)?;
        // Above the copy git must find no repository: in one it would patch that.
        let patched = Command::new("git")
            .args(["apply", "--whitespace=nowarn"])
            .arg(&self.patch)
            .current_dir(&tree)
            .env("GIT_CEILING_DIRECTORIES", &folder)
            .output()
            .context("git applies the patches of the mutants")?;
        if !patched.status.success() {
            let said = String::from_utf8_lossy(&patched.stderr);
            bail!("{} doesn't fit any more, mend it: {said}", self.patch.display());
        }
        let package = format!("ch{}", self.chapter);
        let built = cargo()
            .current_dir(&tree)
            .args(["build", "--quiet", "--package", &package])
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .output()?;
        if !built.status.success() {
            bail!("the mutant {} doesn't compile:\n{}", self.name, String::from_utf8_lossy(&built.stderr));
        }
        let binary = folder.join(format!("{}-{}", self.chapter, self.name));
        fs::copy(folder.join("target/debug").join(&package), &binary)?;
        Ok(binary)
    }
}

/// cargo, without what the cargo around it says.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && !["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// The workspace's sources; a file that is the same already keeps its time, so that cargo builds little.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for name in
        ["Cargo.toml", "Cargo.lock", "src", "chapters", "checks", "probe", "workshop", "tests", "benches"]
    {
        if from.join(name).exists() {
            copy_any(&from.join(name), &to.join(name))?;
        }
    }
    Ok(())
}

fn copy_any(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to).with_context(|| to.display().to_string())?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_any(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let bytes = fs::read(from).with_context(|| from.display().to_string())?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(to, bytes).with_context(|| to.display().to_string())
}
