//! The base as an image, in the checks' own store: what stages from chapter 04 on run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::stage::{PATH, base, built, folder, is_named, once};

/// What it is called.
pub const IMAGE: &str = "checks/base";

/// The folder of its unpacked layer: a stage's containers stand on it.
///
/// # Errors
/// It can't be imported or unpacked.
pub fn ready() -> Result<&'static PathBuf> {
    static LAYER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&LAYER, || {
        let lock = fs::File::create(folder()?.join("mould.lock"))?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let base = base()?;
        let stamp = folder()?.join("mould.stamp");
        let made = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        let is_new = made(&stamp) > made(&folder()?.join("base.stamp"));
        let ours = |words: &[&str]| ours(folder()?, words);
        if !is_new || ours(&["inspect", IMAGE]).is_err() {
            ours(&import(base))?;
            ours(&["prune"])?;
            fs::write(&stamp, "")?;
        }
        ours(&["unpack", IMAGE])?;
        let diff_id = ours(&["inspect", "--format", "{{json .Layers}}", IMAGE])?;
        let layers: Vec<serde_json::Value> = serde_json::from_str(&diff_id)?;
        let diff_id = layers.last().and_then(|layer| layer["DiffId"].as_str()).context("no DiffId")?;
        Ok(folder()?.join("root/layers").join(diff_id.trim_start_matches("sha256:")))
    })
}

/// The same in another place, which has a `root` and a `run` of its own from now on.
///
/// # Errors
/// It can't be imported or unpacked.
pub fn ready_at(place: &Path) -> Result<()> {
    ours(place, &import(base()?))?;
    ours(place, &["unpack", IMAGE]).map(drop)
}

fn import(base: &Path) -> [&str; 5] {
    ["import", base.to_str().unwrap_or_default(), IMAGE, "--change", "CMD [\"sh\"]"]
}

/// The reference's program: the stage that is looked at may be a mutant, or a learner's.
fn ours(place: &Path, words: &[&str]) -> Result<String> {
    let binary = built()?.iter().find(|path| is_named(path, "04-images")).context("no ch04-images")?;
    let output = Command::new(binary)
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("SOURCE_DATE_EPOCH", "0")
        .env("BOXROOM_RUN", place.join("run"))
        .env("BOXROOM_ROOT", place.join("root"))
        .output()?;
    if !output.status.success() {
        bail!("ch04-images {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
