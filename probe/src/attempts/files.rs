//! Out of the root, to a file of the host.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{chdir, chroot, fchdir};

use crate::facts::{Evidence, Facts};

/// More steps up than any path has; `..` at the top stays at the top.
const UP: usize = 64;

/// By its path, as if there were no other root.
pub fn host_files(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    read(&mut evidence, &file(facts));
    evidence
}

/// From the working directory upwards: it may have stayed outside when the root was changed.
pub fn dot_dot(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let climb: PathBuf = std::iter::repeat_n("..", UP).collect();
    read(&mut evidence, &climb.join(file(facts).strip_prefix("/").unwrap_or(Path::new(""))));
    evidence
}

/// `chroot` moves the root below the working directory, which is then outside it and climbs freely.
/// chroot(2) tells it itself: "the superuser can escape from a 'chroot jail'".
pub fn chroot_escape(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    describe_root(&mut evidence, "before");
    let jail = super::scratch(facts).join("jail");
    evidence.step(format!("mkdir {}", jail.display()), fs::create_dir_all(&jail));
    evidence.step("chdir /", chdir("/"));
    evidence.step(format!("chroot {} (and no chdir: now we stand outside)", jail.display()), chroot(&jail));
    climb_and_stay(&mut evidence);
    describe_root(&mut evidence, "after");
    read(&mut evidence, &file(facts));
    evidence
}

/// The same, by a descriptor: an open directory stays where it is, whatever the root becomes.
pub fn open_dir_fd(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let jail = super::scratch(facts).join("jail");
    evidence.step(format!("mkdir {}", jail.display()), fs::create_dir_all(&jail));
    let Some(outside) = evidence.step("open /", fs::File::open("/")) else { return evidence };
    evidence.step("chdir to the jail", chdir(&jail));
    evidence.step("chroot to the jail", chroot(&jail));
    evidence.step("fchdir to the open directory", fchdir(&outside));
    climb_and_stay(&mut evidence);
    read(&mut evidence, &file(facts));
    evidence
}

fn climb_and_stay(evidence: &mut Evidence) {
    let mut reached = Ok(());
    for _ in 0..UP {
        reached = reached.and_then(|()| chdir(".."));
    }
    evidence.step(format!("chdir .. ({UP} times)"), reached);
    evidence.step("chroot .", chroot("."));
}

fn describe_root(evidence: &mut Evidence, when: &str) {
    let Ok(root) = fs::metadata("/") else { return };
    let mut names: Vec<String> = fs::read_dir("/")
        .map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    evidence.told.push(format!("/ {when}: inode {}, {}", root.ino(), names.join(" ")));
}

fn read(evidence: &mut Evidence, path: &Path) {
    let call = match path.to_string_lossy().len() {
        0..100 => format!("read {}", path.display()),
        _ => format!("read ../../..(and so on)/{}", path.file_name().unwrap_or_default().to_string_lossy()),
    };
    if let Some(text) = evidence.step(call, fs::read_to_string(path)) {
        evidence.find(text.trim_end());
    }
}

/// By hand, without facts, the reader's own host is what shows itself.
fn file(facts: &Facts) -> PathBuf {
    if facts.file.as_os_str().is_empty() {
        return env::args_os().nth(3).map_or_else(|| "/etc/os-release".into(), PathBuf::from);
    }
    facts.file.clone()
}
