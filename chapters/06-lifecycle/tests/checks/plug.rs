//! The external drive, plugged in while the laptop is on.

use std::fs;

use checks::finding::Finding;
use checks::stage::Stage;

use crate::lodge::{Lodge, equal, says};

pub(crate) fn while_it_runs(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (one, first) = lodge.guest("laptop", &[])?;
    let (two, _) = lodge.guest("next", &[])?;
    let drive = lodge.volume("drive");
    lodge.tell(&["volume", "create", &drive])?;
    let plugged = lodge.tell(&["volume", "plug", &drive, "/mnt/drive", &one])?;
    if plugged.code != 0 {
        return Err(Finding::seen("refused").with("said", plugged.stderr.trim()));
    }
    says(&lodge.tell(&["exec", &one, "sh", "-c", "echo by one > /mnt/drive/file"])?, "")?;
    says(&lodge.tell(&["volume", "plug", "--read-only", &drive, "/mnt/drive", &two])?, "")?;
    let script = "cat /mnt/drive/file; (echo x > /mnt/drive/new) 2>/dev/null || echo refused";
    says(&lodge.tell(&["exec", &two, "sh", "-c", script])?, "by one\nrefused\n")?;
    // The container has it, the host's table of mounts doesn't.
    let mounts = |path: &str| fs::read_to_string(path).map(|text| text.matches(&drive).count());
    let (inside, here) =
        (mounts(&format!("/proc/{}/mountinfo", first.0))?, mounts("/proc/thread-self/mountinfo")?);
    equal(&format!("{inside} {here}"), "1 0")?;
    let again = lodge.tell(&["volume", "plug", &drive, "/mnt/drive", &one])?;
    equal(&format!("{} {}", again.code, again.stderr.contains("already")), "125 true")
}

pub(crate) fn hostile(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("hostile", &[])?;
    let drive = lodge.volume("drive");
    lodge.tell(&["volume", "create", &drive])?;
    // Root inside points the place at the host's: an absolute link, one that climbs, one by /proc.
    let canary = tempfile::tempdir()?;
    let to = canary.path().display().to_string();
    let script = format!("ln -s {to} /a; ln -s ../../../../../..{to} /b; ln -s /proc/1/root{to} /c");
    says(&lodge.tell(&["exec", &name, "sh", "-c", &script])?, "")?;
    for place in ["/a", "/b", "/c", "/proc/self/root/x", "/sys/x"] {
        lodge.tell(&["volume", "plug", &drive, place, &name])?;
        let hit = fs::read_to_string("/proc/thread-self/mountinfo")?.contains(&to)
            || fs::read_dir(&to)?.count() > 0;
        if hit {
            return Err(Finding::seen("canary"));
        }
    }
    // What could not be plugged in is not in use.
    let (other, _) = lodge.guest("other", &[])?;
    let refused = lodge.tell(&["volume", "plug", &drive, "/etc/passwd", &other])?;
    equal(&refused.code.to_string(), "125")?;
    lodge.tell(&["kill", &name])?;
    lodge.tell(&["rm", "-f", &name])?;
    says(&lodge.tell(&["volume", "rm", &drive])?, &format!("{drive}\n"))
}

pub(crate) fn refused(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("ended", &[])?;
    let drive = lodge.volume("drive");
    let missing = lodge.tell(&["volume", "plug", &drive, "/mnt", &name])?;
    equal(&missing.stderr.contains("no such volume").to_string(), "true")?;
    lodge.tell(&["volume", "create", &drive])?;
    let relative = lodge.tell(&["volume", "plug", &drive, "mnt", &name])?;
    equal(&relative.stderr.contains("absolute").to_string(), "true")?;
    lodge.tell(&["stop", "--time", "0", &name])?;
    let ended = lodge.tell(&["volume", "plug", &drive, "/mnt", &name])?;
    let said = ended.stderr.lines().next().unwrap_or_default().to_string();
    equal(&said.replace(&name, "NAME").replace("ch06-lifecycle: ", ""), "container NAME is not running")?;
    equal(&ended.code.to_string(), "1")
}
