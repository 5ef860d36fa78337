//! Whatever is killed whenever, and whatever becomes of the files: what is told is true, and nothing is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checks::drive::{is_alive, within};
use checks::finding::Finding;
use checks::mould;
use checks::stage::{Stage, folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::life::{first_of, monitor_of};
use crate::lodge::{Lodge, Seen, equal, says};

const PATIENCE: Duration = Duration::from_secs(10);

/// The container's folder, which lasts.
fn home(lodge: &Lodge, name: &str) -> Result<PathBuf, Finding> {
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", name])?.stdout.trim().to_string();
    Ok(folder()?.join("root/containers").join(id))
}

/// No folder, no group, no record, no name.
pub(crate) fn nothing_of(id: &str, name: &str) -> Result<(), Finding> {
    let at = |path: &str| -> Result<PathBuf, Finding> { Ok(folder()?.join(path)) };
    for path in [
        at("root/containers")?.join(id),
        at("run/containers")?.join(id),
        at("root/containers/.names")?.join(name),
    ] {
        if path.symlink_metadata().is_ok() {
            return Err(Finding::seen("left").with("what", path.display()));
        }
    }
    for record in fs::read_dir(at("run/records")?).into_iter().flatten().flatten() {
        if fs::read_to_string(record.path()).is_ok_and(|text| text.contains(id)) {
            return Err(Finding::seen("left").with("what", record.path().display()));
        }
    }
    match group(Path::new("/sys/fs/cgroup"), &format!("boxroom-{id}"), 6) {
        Some(path) => Err(Finding::seen("left").with("what", path.display())),
        None => Ok(()),
    }
}

fn group(below: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    if depth == 0 {
        return None;
    }
    let folders =
        fs::read_dir(below).ok()?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).find_map(|path| {
        if path.file_name().is_some_and(|own| own == name) {
            Some(path)
        } else {
            group(&path, name, depth - 1)
        }
    })
}

fn state(lodge: &Lodge, name: &str, wanted: &str) -> Result<(), Finding> {
    let told = lodge.tell(&[
        "ps",
        "-a",
        "--filter",
        &format!("name={name}"),
        "--format",
        "{{.State}} {{.Status}}",
    ])?;
    let saw = told.stdout.trim();
    if saw.starts_with(wanted) { Ok(()) } else { equal(saw, wanted) }
}

fn gone(first: Seen) -> Result<(), Finding> {
    if within(PATIENCE, || !is_alive(first.0)) { Ok(()) } else { Err(Finding::seen("outlived")) }
}

/// Starts again, answers, and leaves nothing when it is removed.
fn goes_on(lodge: &Lodge, name: &str) -> Result<(), Finding> {
    says(&lodge.tell(&["start", name])?, &format!("{name}\n"))?;
    first_of(name)?;
    state(lodge, name, "running Up")?;
    says(&lodge.tell(&["exec", name, "echo", "here"])?, "here\n")?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", name])?.stdout.trim().to_string();
    says(&lodge.tell(&["rm", "-f", name])?, &format!("{name}\n"))?;
    nothing_of(&id, name)
}

pub(crate) fn monitor_killed(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("orphan", &["--restart", "always"])?;
    kill(Pid::from_raw(monitor_of(first)?), Signal::SIGKILL)?;
    gone(first)?;
    state(&lodge, &name, "exited Exited (137)")?;
    says(&lodge.tell(&["wait", &name])?, "137\n")?;
    goes_on(&lodge, &name)?;
    // One whose files nobody keeps: its overlay is volatile, and was not unmounted by whom the kernel expects.
    let (name, first) = lodge.guest("unkept", &["--rm"])?;
    says(&lodge.tell(&["exec", &name, "sh", "-c", "echo kept > /file"])?, "")?;
    kill(Pid::from_raw(monitor_of(first)?), Signal::SIGKILL)?;
    gone(first)?;
    state(&lodge, &name, "exited Exited (137)")?;
    says(&lodge.tell(&["start", &name])?, &format!("{name}\n"))?;
    first_of(&name)?;
    says(&lodge.tell(&["exec", &name, "cat", "/file"])?, "kept\n")?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
    nothing_of(&id, &name)
}

/// As another kernel would find it: the run folder is empty, and the state says that it runs.
pub(crate) fn rebooted(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("rebooted", &[])?;
    let file = home(&lodge, &name)?.join("state.json");
    let text = fs::read_to_string(&file)?;
    lodge.tell(&["stop", "-t", "0", &name])?;
    gone(first)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    fs::write(&file, text.replace(boot.trim(), "00000000-0000-4000-8000-000000000000"))?;
    let id = home(&lodge, &name)?.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
    fs::remove_dir_all(folder()?.join("run/containers").join(id))?;
    state(&lodge, &name, "exited Exited (255)")?;
    goes_on(&lodge, &name)?;
    // One that had ended before knows nothing of it, and one that has never run neither.
    for (word, verb) in [("ended", "run"), ("made", "create")] {
        let name = lodge.expects(word);
        equal(&lodge.tell(&[verb, "--name", &name, mould::IMAGE, "echo", "here"])?.code.to_string(), "0")?;
        let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout;
        fs::remove_dir_all(folder()?.join("run/containers").join(id.trim()))?;
        says(&lodge.tell(&["start", "--attach", &name])?, "here\n")?;
    }
    Ok(())
}

/// Empty, cut off, nonsense: while it runs and when it has ended.
pub(crate) fn damaged(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let texts = [
        "",
        "{\"status\":\"runn",
        "nonsense",
        "{}",
        "[]",
        "{\"status\":\"asleep\"}",
        "{\"status\":\"running\"}",
    ];
    for (n, text) in texts.iter().enumerate() {
        let (name, first) = lodge.guest(&format!("damaged-{n}"), &[])?;
        let file = home(&lodge, &name)?.join("state.json");
        fs::write(&file, text)?;
        state(&lodge, &name, "running Up")?;
        says(&lodge.tell(&["stop", "-t", "0", &name])?, &format!("{name}\n"))?;
        gone(first)?;
        fs::write(&file, text)?;
        state(&lodge, &name, "exited Exited")?;
        goes_on(&lodge, &name)?;
    }
    config(stage)?;
    unfinished(stage)
}

/// A config that nobody can read, files that are gone: what is left is told, keeps its name, and can be removed.
fn config(stage: &Stage) -> Result<(), Finding> {
    let place = tempfile::tempdir_in(folder()?)?;
    mould::ready_at(place.path())?;
    let lodge = Lodge::at(stage, place.path().into())?;
    let containers = place.path().join("root/containers");
    let name = lodge.expects("config");
    let words = ["create", "--name", &name, mould::IMAGE, "true"];
    for (text, removal) in [("", "rm -f"), ("{\"id\":", "rm"), ("{}", "system prune -f"), ("upper", "rm")] {
        let id = lodge.tell(&words)?.stdout.trim().to_string();
        let folder = containers.join(&id);
        match text {
            "upper" => fs::remove_dir(folder.join("upper"))?,
            _ => fs::write(folder.join("config.json"), text)?,
        }
        let told = lodge.tell(&["ps", "-a"])?;
        let tells = |told: &str| equal(&told.contains(&id).to_string(), "true");
        tells(&format!("{}{}", told.stdout, told.stderr))?;
        tells(&lodge.tell(&["start", &name])?.stderr)?;
        equal(&lodge.tell(&words)?.stdout, "")?;
        let mut removal: Vec<&str> = removal.split(' ').collect();
        if removal[0] == "rm" {
            removal.push(&name);
        }
        equal(&lodge.tell(&removal)?.code.to_string(), "0")?;
        let left = fs::read_dir(&containers)?.flatten().map(|entry| entry.path());
        let left = left.chain(fs::read_dir(containers.join(".names"))?.flatten().map(|entry| entry.path()));
        if let Some(what) =
            left.into_iter().find(|path| path.file_name().is_some_and(|name| name != ".names"))
        {
            return Err(Finding::seen("left").with("what", what.display()));
        }
    }
    // A container that chapter 04's program keeps has a shorter one, and is nobody's to prune.
    let kept = containers.join("00000000000f");
    fs::create_dir_all(kept.join("upper"))?;
    let config =
        r#"{"id":"00000000000f","name":"kept","image":"a","manifest":"a","layers":[],"stop_signal":null}"#;
    fs::write(kept.join("config.json"), config)?;
    equal(&lodge.tell(&["system", "prune", "-f"])?.code.to_string(), "0")?;
    equal(&kept.is_dir().to_string(), "true")
}

/// A note whose writer was killed before it had its name. In a place of its own: prune would take other checks' containers.
fn unfinished(stage: &Stage) -> Result<(), Finding> {
    let place = tempfile::tempdir_in(folder()?)?;
    let lodge = Lodge::at(stage, place.path().into())?;
    let records = place.path().join("run/records");
    fs::create_dir_all(&records)?;
    fs::set_permissions(place.path().join("run"), fs::Permissions::from_mode(0o700))?;
    fs::write(records.join(".4194303-1-1"), "")?;
    equal(&lodge.tell(&["system", "prune", "-f"])?.code.to_string(), "0")?;
    equal(&fs::read_dir(&records)?.count().to_string(), "0")
}

/// Whatever is found, nobody is left who can't be killed: version 1's freezer, where every distribution has it.
struct Thawed(Seen);

impl Drop for Thawed {
    fn drop(&mut self) {
        let groups = self.0.groups();
        if let Some((_, path)) = groups.lines().find_map(|line| line.split_once(":freezer:")) {
            let _ = fs::write(format!("/sys/fs/cgroup/freezer{path}/freezer.state"), "THAWED");
        }
    }
}

/// Who is frozen can't be killed, with cgroup version 1 not even by the kernel: whatever has happened to those who know that
/// it is, it can be ended.
pub(crate) fn frozen(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let killed = ["monitor-killed"; 4];
    for (n, deed) in ["damaged", "wrong", "not-noted"].into_iter().chain(killed).enumerate() {
        let (name, first) = lodge.guest(&format!("frozen-{n}"), &[])?;
        let _thawed = Thawed(first);
        let file = home(&lodge, &name)?.join("state.json");
        let before = fs::read_to_string(&file)?;
        says(&lodge.tell(&["pause", &name])?, &format!("{name}\n"))?;
        match deed {
            "damaged" => fs::write(&file, "{\"status\":\"pau")?,
            "wrong" => fs::write(&file, "{\"status\":\"paused\"}")?,
            "not-noted" => fs::write(&file, before)?,
            _ => kill(Pid::from_raw(monitor_of(first)?), Signal::SIGKILL)?,
        }
        if ["damaged", "wrong"].contains(&deed) {
            state(&lodge, &name, "paused Up")?;
        }
        let id =
            home(&lodge, &name)?.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
        says(&lodge.tell(&["rm", "-f", &name])?, &format!("{name}\n"))?;
        gone(first)?;
        nothing_of(&id, &name)?;
    }
    Ok(())
}

/// The number of a container's process is given to somebody else, who has nothing to do with it.
pub(crate) fn reused(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("reused", &[])?;
    let file = home(&lodge, &name)?.join("state.json");
    let text = fs::read_to_string(&file)?;
    lodge.tell(&["stop", "-t", "0", &name])?;
    gone(first)?;
    let mut innocent = std::process::Command::new("sleep").arg("100").spawn()?;
    let pid = innocent.id();
    let monitor = monitor_pid(&text).unwrap_or_default();
    let text = text.replace(&format!("\"pid\":{},", first.0), &format!("\"pid\":{pid},"));
    fs::write(&file, text.replace(&format!("\"pid\":{monitor},"), &format!("\"pid\":{pid},")))?;
    let told = state(&lodge, &name, "exited");
    lodge.tell(&["stop", "-t", "0", &name])?;
    lodge.tell(&["kill", &name])?;
    lodge.tell(&["rm", "-f", &name])?;
    let lives = innocent.try_wait()?.is_none();
    let _ = innocent.kill();
    innocent.wait()?;
    if !lives {
        return Err(Finding::seen("innocent"));
    }
    told
}

fn monitor_pid(state: &str) -> Option<u32> {
    let rest = state.split_once("\"monitor\":")?.1.split_once("\"pid\":")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
