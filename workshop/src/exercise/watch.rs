//! `cargo workshop watch`: the verdict again whenever a file was saved.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::check;
use super::desk::Desk;
use crate::ink::Ink;
use crate::progress::Progress;

/// How often the files are looked at. Looking works everywhere, on /mnt/c and network folders too, where inotify(7)
/// hears nothing; some thirty files cost a millisecond.
const PACE: Duration = Duration::from_millis(150);

/// Checks now, and after each save, until Ctrl-C.
///
/// # Errors
/// Nothing was started, or the writer is gone. What the check itself says is told, and watched on.
pub fn run(
    out: &mut impl Write,
    progress: &mut Progress<impl Write + Send>,
    ink: Ink,
    wanted: Option<&str>,
) -> Result<ExitCode> {
    let desk = Desk::started(wanted)?;
    let folder = desk.chapter.learners();
    let mut seen = times(&folder);
    loop {
        let began = Instant::now();
        // An exercise that doesn't compile is told, and watched on; a closed output ends it.
        if let Err(error) = check::run(out, progress, ink, (Some(&desk.chapter.name), None), false) {
            writeln!(out, "{error:#}")?;
        }
        let took = began.elapsed().as_secs_f64();
        writeln!(out, "{}", ink.dim(&format!("{took:.1} s; watching {}, Ctrl-C ends it", folder.display())))?;
        out.flush()?;
        loop {
            std::thread::sleep(PACE);
            let now = times(&folder);
            if now != seen {
                seen = now;
                break;
            }
        }
    }
}

/// When each source was written last. A file that is gone while an editor replaces it is there again at the next look.
fn times(folder: &Path) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let files = lesson::file::below(&folder.join("src")).unwrap_or_default();
    let time =
        |path: &Path| std::fs::metadata(folder.join("src").join(path)).and_then(|file| file.modified()).ok();
    files.into_iter().map(|path| (path.clone(), time(&path))).collect()
}
