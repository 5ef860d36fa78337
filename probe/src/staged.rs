//! The probe as a file that runs in any root file system: built by cargo, linked statically where it can be.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;

/// Where this package's source was when it was compiled; a binary that was carried elsewhere finds nothing there.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

/// The variable that names a folder where everything is built already: where there is no cargo, as in the small
/// machine of `cargo workshop vm`. In it are each chapter's binary (`ch02-namespaces`), `probe`, and the checks'
/// snapshots (`snapshots/02-namespaces/`). Nothing is built then, and what isn't there is an error.
pub const BUILT: &str = "BOXROOM_BUILT";

/// The folder that `$BOXROOM_BUILT` names, if it is set.
#[must_use]
pub fn built_folder() -> Option<PathBuf> {
    env::var_os(BUILT).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn prebuilt(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{BUILT} names {}, and there is no {name} in it", folder.display());
    }
    Ok(path)
}

/// The path of the probe: `$BOXROOM_PROBE`, else `probe` in the folder that `$BOXROOM_BUILT` names, else built from
/// this checkout, else beside the running program.
///
/// cargo builds no other package's binary for a test, so it is asked to, once: what it made is kept as
/// `target/staged/probe` and taken as long as no source is younger. A lock keeps two tests from building at once.
///
/// # Errors
/// cargo isn't there or can't build it, and nothing is beside the running program either.
pub fn staged() -> Result<PathBuf> {
    if let Some(path) = env::var_os("BOXROOM_PROBE") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("BOXROOM_PROBE names {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    if let Some(folder) = built_folder() {
        return prebuilt(&folder, "probe");
    }
    let source = Path::new(SOURCE);
    if source.join("Cargo.toml").is_file() {
        return from_checkout(source);
    }
    let beside = env::current_exe()?.with_file_name("probe");
    if beside.is_file() {
        return Ok(beside);
    }
    bail!("found no probe: neither the checkout {SOURCE} nor {}; set BOXROOM_PROBE", beside.display())
}

/// The folder that cargo builds into, as the running program shows it.
///
/// # Errors
/// The running program has no path (deleted meanwhile).
pub fn target_dir() -> Result<PathBuf> {
    // cargo marks its target folder; a program that it built lies below.
    let exe = env::current_exe().context("where is the running program?")?;
    if let Some(marked) = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()) {
        return Ok(marked.into());
    }
    if let Some(named) = env::var_os("CARGO_TARGET_DIR") {
        return Ok(named.into());
    }
    Ok(workspace().join("target"))
}

/// The top of the checkout that this program was built from.
#[must_use]
pub fn workspace() -> &'static Path {
    let source = Path::new(SOURCE);
    source.parent().unwrap_or(source)
}

fn from_checkout(source: &Path) -> Result<PathBuf> {
    let folder = target_dir()?.join("staged");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("probe");
    let lock = fs::File::create(folder.join(".lock")).with_context(|| folder.display().to_string())?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let top = workspace();
    let sources = [source.join("src"), top.join("chapters/00-process/src"), top.join("Cargo.lock")];
    if is_younger(&path, &sources) {
        return Ok(path);
    }
    let for_rustc: &[&str] = if has_static_libc() { &["-C", "target-feature=+crt-static"] } else { &[] };
    let built = cargo(&["rustc", "--package", "probe", "--bin", "probe"], for_rustc)?;
    let built = built.last().context("cargo built the probe and named no executable")?;
    // Beside and renamed: whoever runs the old one keeps it, nobody sees half of the new one.
    let beside = folder.join(".probe");
    fs::copy(built, &beside).with_context(|| format!("{} to {}", built.display(), beside.display()))?;
    fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Builds the binaries of these packages as a plain `cargo build` does, and says where they are; or finds them in
/// the folder that `$BOXROOM_BUILT` names.
///
/// # Errors
/// There is no checkout, no cargo, or they don't compile. One isn't in that folder.
pub fn build(packages: &[&str]) -> Result<Vec<PathBuf>> {
    if let Some(folder) = built_folder() {
        return packages.iter().map(|package| prebuilt(&folder, package)).collect();
    }
    let mut arguments = vec!["build"];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    arguments.push("--bins");
    cargo(&arguments, &[])
}

/// Builds the binaries of the package in `folder`, whose workspace may be another one, into the same target folder.
/// Offline: what it needs has been fetched for the house.
///
/// # Errors
/// It doesn't compile: the compiler's own message.
pub fn build_in(folder: &Path) -> Result<Vec<PathBuf>> {
    cargo_in(folder, &["build", "--bins", "--offline"], &[])
}

/// Builds the test `name` of a package, and says where it is.
///
/// # Errors
/// As [`build`].
pub fn build_test(package: &str, name: &str) -> Result<PathBuf> {
    let built = cargo(&["test", "--no-run", "--package", package, "--test", name], &[])?;
    // The package's own programs are built along; the test is in a folder of its own.
    let test = built.into_iter().find(|path| path.parent().is_some_and(|folder| folder.ends_with("deps")));
    test.with_context(|| format!("cargo built no test {name} of {package}"))
}

/// Runs cargo in this checkout, and says which executables came of it. `for_rustc` follows `--`, for `cargo rustc`.
///
/// # Errors
/// There is no cargo, or it failed: then with all that it said.
pub fn cargo(arguments: &[&str], for_rustc: &[&str]) -> Result<Vec<PathBuf>> {
    cargo_in(workspace(), arguments, for_rustc)
}

fn cargo_in(folder: &Path, arguments: &[&str], for_rustc: &[&str]) -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(folder);
    // What cargo tells the build it runs in must not reach the build that it runs.
    for (name, _) in env::vars_os() {
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE"].iter().any(|keep| name == *keep);
        if name.to_string_lossy().starts_with("CARGO") && !kept {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_TARGET_DIR", target_dir()?);
    command.args(arguments).args(["--quiet", "--message-format=json-render-diagnostics"]);
    if !for_rustc.is_empty() {
        command.arg("--").args(for_rustc);
    }
    let what = arguments.join(" ");
    let output = command.output().with_context(|| format!("could not start cargo {what}"))?;
    if !output.status.success() {
        bail!("cargo {what}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    Ok(told.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok()?.executable).collect())
}

/// The one field of cargo's messages that matters here.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
}

/// Whether the C library's static form is installed. Fedora leaves it out; then the probe brings its libraries.
#[must_use]
pub fn has_static_libc() -> bool {
    let Ok(output) = Command::new("cc").arg("-print-file-name=libc.a").output() else { return false };
    // A name that cc doesn't find comes back as it was given.
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute()
}

fn is_younger(path: &Path, than: &[PathBuf]) -> bool {
    let Ok(made) = fs::metadata(path).and_then(|file| file.modified()) else { return false };
    than.iter().all(|source| youngest(source).is_some_and(|changed| changed <= made))
}

fn youngest(path: &Path) -> Option<SystemTime> {
    let mut latest = fs::metadata(path).ok()?.modified().ok()?;
    if path.is_dir() {
        for entry in fs::read_dir(path).ok()? {
            latest = latest.max(youngest(&entry.ok()?.path())?);
        }
    }
    Some(latest)
}
