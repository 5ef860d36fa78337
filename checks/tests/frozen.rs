//! What a learner's program has frozen ends with the checks. A process of its own: `limit::end` ends all that it has started.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use checks::finding::Finding;
use checks::limit;
use checks::need::Need;
use checks::table::trial;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let needs = &[Need::Root, Need::Cgroup1];
    let trials = vec![trial("checks_who_is_frozen_is_ended".into(), needs, ends)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn ends() -> Result<(), Finding> {
    let group = format!("/sys/fs/cgroup/freezer/boxroom-checks-{}", std::process::id());
    fs::create_dir(&group)?;
    #[allow(clippy::zombie_processes)] // it is `end` that waits
    let sleeper = Command::new("sleep").arg("60").stdout(std::process::Stdio::null()).spawn()?;
    fs::write(format!("{group}/cgroup.procs"), sleeper.id().to_string())?;
    fs::write(format!("{group}/freezer.state"), "FROZEN")?;
    limit::end();
    let lives = Path::new(&format!("/proc/{}", sleeper.id())).exists();
    // Whatever was found: nobody is left who can't be killed.
    fs::write(format!("{group}/freezer.state"), "THAWED")?;
    limit::end();
    fs::remove_dir(&group)?;
    if lives { Err(Finding::seen("alive")) } else { Ok(()) }
}
