//! Made beside, then renamed: a base is never half there, and what a kill leaves is on record.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::record::Record;

/// Makes a folder beside `dir` by `fill`, and gives it the name at the end.
pub(super) fn make(dir: &Path, fill: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
    let partial = partial(dir)?;
    let record = Record::write("directory", &partial.display().to_string())?;
    let made = begin(&partial).and_then(|()| fill(&partial)).and_then(|from| {
        nix::unistd::syncfs(fs::File::open(&partial)?).context("could not write it to the disk")?;
        fs::rename(&partial, dir).with_context(|| format!("could not name it {}", dir.display()))?;
        Ok(from)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    record.forget()?;
    made
}

fn begin(partial: &Path) -> Result<()> {
    fs::create_dir(partial).with_context(|| {
        format!("could not make {} (may this user write there, and has the disk room?)", partial.display())
    })
}

fn partial(dir: &Path) -> Result<PathBuf> {
    let Some(name) = dir.file_name() else { bail!("{} has no name of its own", dir.display()) };
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent
        .canonicalize()
        .with_context(|| format!("{} isn't there; make it first: mkdir -p {0}", parent.display()))?;
    Ok(parent.join(format!(".{}.partial-{}", name.to_string_lossy(), std::process::id())))
}
