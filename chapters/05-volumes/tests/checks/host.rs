//! What the host has, and keeps: its mounts, its folders.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use checks::finding::Finding;
use checks::mould::IMAGE;
use checks::stage::Stage;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::desk::{Desk, equal, says};

/// A mount of the host's, below a folder of the desk; gone with it. In the arena: nobody else sees it.
struct Mounted(String);

impl Mounted {
    fn at(path: String) -> Result<Self, Finding> {
        fs::create_dir_all(&path)?;
        mount(
            Some("boxroom-desk"),
            path.as_str(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=64k,mode=777"),
        )?;
        Ok(Self(path))
    }

    fn is_there(&self) -> Result<bool, Finding> {
        Ok(fs::read_to_string("/proc/thread-self/mountinfo")?.lines().any(|line| line.contains(&self.0)))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(self.0.as_str(), MntFlags::MNT_DETACH);
    }
}

pub(crate) fn submount(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    let below = Mounted::at(desk.path("folder/below/it"))?;
    fs::write(format!("{}/file", below.0), "before\n")?;
    let script = "cat /mnt/below/it/file 2>/dev/null || echo unseen; (echo after > /mnt/below/it/file) 2>/dev/null && echo written || echo refused";
    says(&desk.sh(&["-v", &format!("{folder}:/mnt:ro")], script)?, "before\nrefused\n")?;
    equal(&fs::read_to_string(format!("{}/file", below.0))?, "before\n")?;
    // What is asked for otherwise is done otherwise.
    let top = format!("type=bind,source={folder},target=/mnt,readonly,bind-recursive=writable");
    says(&desk.sh(&["--mount", &top], script)?, "before\nwritten\n")?;
    let alone = format!("type=bind,source={folder},target=/mnt,bind-recursive=disabled");
    says(&desk.sh(&["--mount", &alone], "cat /mnt/below/it/file 2>/dev/null || echo unseen")?, "unseen\n")
}

/// Whoever removes a folder on which another mount namespace has mounted something takes that mount away: rmdir(2), since
/// Linux 3.18. What is bound comes with the mounts below it, and read-only with all of them.
pub(crate) fn mount_point(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    let theirs = Mounted::at(desk.path("folder/theirs"))?;
    let busy = desk.sh(&["-v", &format!("{folder}:/mnt")], "rmdir /mnt/theirs 2>&1 | grep -o busy")?;
    equal(&format!("{} {}", busy.stdout.trim(), theirs.is_there()?), "busy true")?;
    let script = "umount /mnt/theirs 2>/dev/null; rmdir /mnt/theirs 2>&1 | grep -o 'Read-only'";
    let refused = desk.sh(&["-v", &format!("{folder}:/mnt:ro")], script)?;
    equal(&format!("{} {}", refused.stdout.trim(), theirs.is_there()?), "Read-only true")
}

pub(crate) fn source_gone(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    fs::write(desk.path("folder/file"), "old\n")?;
    let script = "exec 3< /mnt/file; echo ready; read go; cat <&3; ls /mnt | wc -l; (echo x > /mnt/new) 2>/dev/null || echo refused; echo alive";
    let mut command = desk.command(&["-v", &format!("{folder}:/mnt")], IMAGE, &["sh", "-c", script])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?);
    let mut said = String::new();
    out.read_line(&mut said)?;
    fs::remove_dir_all(&folder)?;
    fs::create_dir(&folder)?;
    fs::write(desk.path("folder/other"), "another folder of that name\n")?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "go")?;
    }
    std::io::Read::read_to_string(&mut out, &mut said)?;
    child.wait()?;
    // The folder that was bound is the one that was there: empty now, nothing new can be made in it.
    equal(&said, "ready\nold\n0\nrefused\nalive\n")
}

pub(crate) fn unseen(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    let (data, bound) = (format!("{}:/data", desk.volume("data")), format!("{folder}:/mnt"));
    let options = ["-v", &data, "-v", &bound, "--tmpfs", "/scratch"];
    let mut command = desk.command(&options, IMAGE, &["sh", "-c", "echo ready; read go"])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?).read_line(&mut said)?;
    let during = fs::read_to_string("/proc/thread-self/mountinfo")?;
    drop(child.stdin.take());
    child.wait()?;
    let ours = |line: &&str| line.contains(desk.unique()) || line.contains(&folder);
    equal(&format!("{said}{}", during.lines().filter(ours).count()), "ready\n0")
}
