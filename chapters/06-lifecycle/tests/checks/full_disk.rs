//! A disk without room: the container goes on, what is lost is told, and nobody is stuck for want of it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checks::drive::within;
use checks::finding::Finding;
use checks::stage::{Stage, folder};
use checks::{mould, secret};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::lodge::{Lodge, equal, says};

const PATIENCE: Duration = Duration::from_secs(20);

/// A small file system with a store and the base in it. In the arena: nobody else sees it.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Result<Self, Finding> {
        let place = folder()?.join(format!("disk-{}", &secret()?[..8]));
        fs::create_dir(&place)?;
        let disk = Self(place);
        mount(Some("boxroom-disk"), &disk.0, Some("tmpfs"), MsFlags::empty(), Some("size=64m"))?;
        mould::ready_at(&disk.0)?;
        Ok(disk)
    }

    /// Not a byte of room is left. The size of the file that fills it.
    fn fill(&self) -> Result<u64, Finding> {
        let mut filler = fs::File::create(self.0.join("filler"))?;
        while filler.write_all(&[0; 4096]).is_ok() {}
        Ok(filler.metadata()?.len())
    }

    fn make_room(&self) -> Result<(), Finding> {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        self.0.join(path).symlink_metadata().is_ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.0);
    }
}

/// What it does when it is told to, by files that need no disk. Its last line is longer than a page: a short one would have
/// found room in the page that the log ends in, and nothing would be lost any more.
const SCRIPT: &str = "at() { until [ -e /dev/shm/$1 ]; do sleep 0.05; done; }
    echo begins; at talk; n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo line $n; done
    printf '%05000d\\n' 0; touch /dev/shm/said
    at more; echo more; at end; echo last; exit 7";

pub(crate) fn full(stage: &Stage) -> Result<(), Finding> {
    let disk = Disk::new()?;
    let lodge = Lodge::at(stage, disk.0.clone())?;
    let name = lodge.run("full", &[], &["sh", "-c", SCRIPT])?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    let signal = |word: &str| -> Result<(), Finding> {
        says(&lodge.tell(&["exec", &name, "touch", &format!("/dev/shm/{word}")])?, "")
    };
    let error = || lodge.tell(&["inspect", "-f", "{{.State.Error}}", &name]);
    disk.fill()?;
    signal("talk")?;
    let goes_on =
        || lodge.tell(&["exec", &name, "test", "-e", "/dev/shm/said"]).is_ok_and(|ended| ended.code == 0);
    if !within(PATIENCE, goes_on) {
        return Err(Finding::seen("hangs"));
    }
    // Told as soon as nobody else changes the state, by both who may be asked.
    let lost = " is lost: the disk of its log is full";
    within(PATIENCE, || error().is_ok_and(|told| told.stdout.contains(lost)));
    for said in [error()?.stdout, lodge.tell(&["logs", &name])?.stderr] {
        if !said.contains(lost) {
            return Err(Finding::seen("untold").with("said", said.trim()));
        }
    }
    // With room the log goes on, and says itself what it lacks.
    disk.make_room()?;
    signal("more")?;
    let goes_on = || lodge.tell(&["logs", &name]).is_ok_and(|log| log.stdout.ends_with("\nmore\n"));
    if !within(PATIENCE, goes_on) {
        return Err(Finding::seen("silent"));
    }
    let said = lodge.tell(&["logs", &name])?;
    equal(&said.stdout.starts_with("begins\n").to_string(), "true")?;
    equal(&said.stderr.contains(" is lost: the disk of its log was full]\n").to_string(), "true")?;
    within(PATIENCE, || error().is_ok_and(|told| told.stdout.trim().is_empty()));
    equal(error()?.stdout.trim(), "")?;
    // Its end is known, though there is no room to write it.
    disk.fill()?;
    signal("end")?;
    says(&lodge.tell(&["wait", &name])?, "7\n")?;
    let row = ["ps", "-a", "--filter", "status=exited", "--format", "{{.Names}} {{.Status}}"];
    let ended = || lodge.tell(&row).is_ok_and(|told| told.stdout.starts_with(&format!("{name} Exited (7)")));
    if !within(PATIENCE, ended) {
        return Err(Finding::seen("end").with("told", lodge.tell(&row)?.stdout.trim()));
    }
    // It can be started, stopped, removed: only so there is room again.
    says(&lodge.tell(&["start", &name])?, &format!("{name}\n"))?;
    says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
    says(&lodge.tell(&["rm", &name])?, &format!("{name}\n"))?;
    for path in [format!("root/containers/{id}"), format!("run/containers/{id}")] {
        if disk.has(&path) {
            return Err(Finding::seen("left").with("what", path));
        }
    }
    Ok(())
}
