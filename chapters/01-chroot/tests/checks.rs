//! What chapter 01 must show: another root directory, and honestly how far it goes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use checks::attempt::{Cell, attempt};
use checks::canary::Canary;
use checks::drive::{Visit, contained, run};
use checks::finding::Finding;
use checks::need::Need;
use checks::stage::Stage;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "01-chroot", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user borrows a user namespace for chroot(2).
const CHROOT: &[Need] = &[Need::UserNamespace];

const CHECKS: &[Check] = &[
    Check { name: "ch01_root_is_another_directory", new: true, needs: CHROOT, run: root_differs },
    Check { name: "ch01_working_directory_is_inside", new: true, needs: CHROOT, run: cwd_is_inside },
    Check { name: "ch01_dot_dot_stays_inside", new: true, needs: CHROOT, run: dot_dot },
    Check { name: "ch01_host_files_have_no_path", new: true, needs: CHROOT, run: host_files },
    Check { name: "ch01_one_path_holds_two_versions", new: true, needs: CHROOT, run: two_versions },
    Check { name: "ch01_a_second_chroot_breaks_out", new: false, needs: CHROOT, run: escape },
    Check { name: "ch01_escape_reads_the_canary", new: false, needs: CHROOT, run: own_escape },
    Check { name: "ch01_base_has_what_its_programs_need", new: false, needs: CHROOT, run: base_runs },
    Check { name: "ch01_no_open_directory_comes_along", new: false, needs: CHROOT, run: no_directory },
    Check { name: "ch01_missing_rootfs_is_named", new: false, needs: &[], run: missing_rootfs },
    Check { name: "ch01_rootfs_that_is_a_file_is_named", new: false, needs: &[], run: rootfs_is_a_file },
    Check { name: "ch01_command_missing_inside_is_127", new: false, needs: CHROOT, run: missing_inside },
];

fn same(a: &str, b: &Path) -> Result<bool, Finding> {
    let (a, b) = (fs::metadata(a)?, fs::metadata(b)?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}

fn rootfs() -> Result<PathBuf, Finding> {
    Ok(checks::stage::base()?.to_path_buf())
}

fn root_differs(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let pid = visit.present.pid;
    let seen = same(&format!("/proc/{pid}/root"), &rootfs()?)?;
    visit.end()?;
    if seen {
        return Ok(());
    }
    Err(Finding::seen("root"))
}

fn cwd_is_inside(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let pid = visit.present.pid;
    let seen = same(&format!("/proc/{pid}/cwd"), &rootfs()?)?;
    visit.end()?;
    if seen {
        return Ok(());
    }
    Err(Finding::seen("cwd"))
}

fn dot_dot(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "dot-dot", Finding::seen("probe"))
}

fn host_files(stage: &Stage) -> Result<(), Finding> {
    contained(stage, "host-files", Finding::seen("probe"))
}

fn two_versions(stage: &Stage) -> Result<(), Finding> {
    let folder = tempfile_in_checks()?;
    let mut seen = Vec::new();
    for (system, version) in [("a", "2.0"), ("b", "2.4")] {
        let copy = folder.join(system);
        fs::create_dir_all(&copy)?;
        // Hard links: two trees, one copy of each file. Not of /tmp, where other checks come and go meanwhile.
        let parts = fs::read_dir(rootfs()?)?.flatten().filter(|part| part.file_name() != "tmp");
        let copied = Command::new("cp").arg("-al").args(parts.map(|part| part.path())).arg(&copy).status()?;
        if !copied.success() {
            return Err(anyhow::anyhow!("cp -al of the base: {copied}").into());
        }
        fs::create_dir_all(copy.join("opt/apache"))?;
        fs::write(copy.join("opt/apache/version"), version)?;
        let there = if stage.has(1) { stage.on(&copy) } else { stage.clone() };
        seen.push(run(&there, &[], &["cat", "/opt/apache/version"])?.stdout);
    }
    fs::remove_dir_all(&folder)?;
    if seen == ["2.0", "2.4"] {
        return Ok(());
    }
    Err(Finding::seen("versions").with("versions", format!("{seen:?}")))
}

fn tempfile_in_checks() -> Result<PathBuf, Finding> {
    let folder = checks::stage::folder()?.join(format!("two-{}", &checks::secret()?[..8]));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Not a fault of this chapter: its lesson. Chapter 02 closes it.
fn escape(stage: &Stage) -> Result<(), Finding> {
    let probe = probe::catalogue::find("chroot-escape").ok_or_else(|| anyhow::anyhow!("no chroot-escape"))?;
    let cell = attempt(probe, stage)?;
    if cell == Cell::Escaped {
        return Ok(());
    }
    Err(Finding::seen("contained").with("cell", cell))
}

/// The same way out, as the stage's own code: what runs after it reads the host's files.
fn own_escape(stage: &Stage) -> Result<(), Finding> {
    let canary = Canary::new("roll-call", stage)?;
    let file = canary.facts.file.to_string_lossy().into_owned();
    let inside = run(stage, &[], &["cat", &file])?.stdout;
    let out = run(stage, &["--escape"], &["cat", &file])?.stdout;
    if !inside.contains(&canary.secret) && out.contains(&canary.secret) {
        return Ok(());
    }
    Err(Finding::seen("read")
        .with("inside", inside.contains(&canary.secret))
        .with("out", out.contains(&canary.secret)))
}

/// The stage's own base, not the one that all checks share: a program starts there, so its loader and libraries are there.
fn base_runs(stage: &Stage) -> Result<(), Finding> {
    let binary = stage.binary().ok_or_else(|| anyhow::anyhow!("no stage"))?;
    let folder = tempfile_in_checks()?;
    let made = Command::new(binary)
        .arg("base")
        .arg(folder.join("base"))
        .env("BOXROOM_PROBE", probe::staged()?)
        .env("BOXROOM_RUN", checks::stage::folder()?.join("run"))
        .output()?;
    // A script that is there and nowhere else: on the host's root sh would find nothing.
    let _ = fs::write(folder.join("base/only-here"), "exit 7\n");
    let ended = run(&stage.on(&folder.join("base")), &[], &["sh", "/only-here"])?;
    fs::remove_dir_all(&folder)?;
    if made.status.success() && ended.code == 7 {
        return Ok(());
    }
    let said =
        ended.stderr.lines().next().unwrap_or_default().split(" = ").last().unwrap_or_default().to_string();
    Err(Finding::seen("base").with("made", made.status.success()).with("code", ended.code).with("said", said))
}

/// An open directory outside is a way out that no path is needed for.
fn no_directory(stage: &Stage) -> Result<(), Finding> {
    let visit = Visit::begin(stage, &[])?;
    let mut open = Vec::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", visit.present.pid))? {
        let entry = entry?;
        if fs::metadata(entry.path()).is_ok_and(|file| file.is_dir()) {
            open.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    visit.end()?;
    if open.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("open").with("number", open.len()))
}

fn missing_rootfs(stage: &Stage) -> Result<(), Finding> {
    refused(stage, Path::new("/no/such/rootfs"))
}

fn rootfs_is_a_file(stage: &Stage) -> Result<(), Finding> {
    refused(stage, Path::new("/etc/passwd"))
}

fn refused(stage: &Stage, rootfs: &Path) -> Result<(), Finding> {
    let ended = run(&stage.on(rootfs), &[], &["true"])?;
    let named = ended.stderr.contains(&*rootfs.to_string_lossy());
    if ended.code == 125 && named {
        return Ok(());
    }
    Err(Finding::seen("refused")
        .with("rootfs", rootfs.display())
        .with("code", ended.code)
        .with("named", named))
}

fn missing_inside(stage: &Stage) -> Result<(), Finding> {
    let ended = run(stage, &[], &["/no/such/command"])?;
    if ended.code == 127 && ended.stderr.contains("/no/such/command") {
        return Ok(());
    }
    Err(Finding::seen("code").with("code", ended.code))
}
