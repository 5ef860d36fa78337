//! A command more in a container that runs: as the host sees it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context;
use checks::drive::{is_alive, status_field, within};
use checks::finding::Finding;
use checks::mould;
use checks::stage::{Stage, folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::lodge::{Lodge, Seen, equal, says, seen};

/// An exec that waits on standard input: the engine's process and the command's.
struct Inside {
    engine: Child,
    command: Seen,
}

impl Inside {
    fn begin(lodge: &Lodge, name: &str) -> Result<Self, Finding> {
        Self::by(lodge, name, Path::new(lodge.command(&[])?.get_program()))
    }

    /// By another file of the same program.
    fn by(lodge: &Lodge, name: &str, program: &Path) -> Result<Self, Finding> {
        let word = lodge.name("inside");
        let words = ["exec", "-i", name, "sh", "-c", "read go", &word];
        let mut engine =
            lodge.dressed(program, &words)?.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut found = Vec::new();
        within(Duration::from_secs(5), || {
            found = seen(&word);
            !found.is_empty() || engine.try_wait().is_ok_and(|ended| ended.is_some())
        });
        match found[..] {
            [command] => Ok(Self { engine, command }),
            _ => {
                let _ = engine.kill();
                let mut said = String::new();
                if let Some(mut stderr) = engine.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                let _ = engine.wait();
                Err(Finding::seen("no_exec").with("said", said.trim()))
            }
        }
    }

    fn end(mut self) -> Result<(), Finding> {
        drop(self.engine.stdin.take());
        self.engine.wait()?;
        Ok(())
    }
}

const ROOMS: [&str; 8] = ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time"];

pub(crate) fn rooms(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("rooms", &[])?;
    let inside = Inside::begin(&lodge, &name)?;
    let here = Seen(std::process::id().cast_signed());
    for room in ROOMS {
        let (theirs, its, ours) = (inside.command.room(room)?, first.room(room)?, here.room(room)?);
        if theirs != its || (room == "pid" && theirs == ours) {
            let (theirs, its) = (theirs.display(), its.display());
            return Err(Finding::seen("another_room").with("theirs", theirs).with("its", its));
        }
    }
    let root = |one: Seen| fs::metadata(format!("/proc/{}/root", one.0)).map(|seen| (seen.dev(), seen.ino()));
    if root(inside.command)? != root(first)? {
        return Err(Finding::seen("another_room").with("theirs", "its root").with("its", "the container's"));
    }
    inside.end()
}

pub(crate) fn groups(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("groups", &[])?;
    let inside = Inside::begin(&lodge, &name)?;
    equal(&inside.command.groups(), &first.groups())?;
    inside.end()
}

pub(crate) fn nobody_more(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("same", &[])?;
    let inside = Inside::begin(&lodge, &name)?;
    for field in ["Uid", "Gid", "Groups", "CapEff", "CapBnd", "SigIgn", "SigBlk"] {
        let (theirs, its) = (inside.command.status(), first.status());
        equal(status_field(&theirs, field), status_field(&its, field))?;
    }
    // Its standard three, and no descriptor of the engine's.
    let open = || fs::read_dir(format!("/proc/{}/fd", inside.command.0)).map_or(0, Iterator::count);
    within(Duration::from_secs(5), || open() == 3); // its loader has the libraries open for a moment
    equal(&open().to_string(), "3")?;
    inside.end()
}

pub(crate) fn words(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("words", &["-e", "A=made", "-e", "B=made", "-w", "/usr"])?;
    let script = "echo $A $B $(pwd)";
    says(&lodge.tell(&["exec", &name, "sh", "-c", script])?, "made made /usr\n")?;
    let over = ["exec", "-e", "B=over", "-w", "/tmp", &name, "sh", "-c", script];
    says(&lodge.tell(&over)?, "made over /tmp\n")?;
    // Nobody here has a B: a word of the command line takes it away, a line of a file says nothing.
    says(&lodge.tell(&["exec", "-e", "B", &name, "sh", "-c", script])?, "made /usr\n")?;
    let file = folder()?.join(lodge.name("env"));
    fs::write(&file, "\u{feff}A=file\nB\nPATH\n")?;
    let file = file.display().to_string();
    says(&lodge.tell(&["exec", "--env-file", &file, &name, "sh", "-c", script])?, "file made /usr\n")?;
    let told = "echo $A ${PATH:+path}";
    let made = ["run", "--rm", "-e", "C D=1", "--env-file", &file, mould::IMAGE, "sh", "-c", told];
    let output = lodge.command(&made)?.env_remove("PATH").output()?;
    equal(&String::from_utf8_lossy(&output.stdout), "file path\n")?;
    if geteuid().is_root() {
        let who =
            lodge.tell(&["exec", "-u", "12:34", &name, "sh", "-c", "echo $(id -u) $(id -g) $(id -G)"])?;
        says(&who, "12 34 34\n")?;
    }
    // Without -i nobody's input is the command's.
    says(&lodge.tell(&["exec", &name, "cat"])?, "")
}

pub(crate) fn codes(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("codes", &[])?;
    let code = |words: &[&str]| lodge.tell(&[&["exec"], words].concat()).map(|ended| ended.code);
    for (words, wanted) in [
        (&[&*name, "sh", "-c", "exit 7"][..], 7),
        (&[&*name, "sh", "-c", "kill -9 $$"], 137),
        (&[&*name, "no-such-command"], 127),
        (&[&*name, "/etc"], 126),
        (&["-d", &*name, "no-such-command"], 127),
        (&["-w", "/no/such/folder", &*name, "true"], 127),
        (&["-d", &*name, "true"], 0),
        (&["no-such-container", "true"], 1),
        (&["--privileged", &*name, "true"], 125),
    ] {
        equal(&format!("{words:?}: {}", code(words)?), &format!("{words:?}: {wanted}"))?;
    }
    lodge.tell(&["kill", &name])?;
    let ended = lodge.tell(&["exec", &name, "true"])?;
    let named = ended.stderr.contains(&name) && ended.stderr.contains("not running");
    equal(&format!("{} {named}", ended.code), "1 true")
}

pub(crate) fn descriptor(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("folder", &[])?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("canary"), "the host's\n")?;
    let out = ["-w", "/proc/self/fd/9"];
    let by_exec = [&["exec"], &out[..], &[&*name, "cat", "canary"]].concat();
    let by_run = [&["run", "--rm"], &out[..], &[checks::mould::IMAGE, "cat", "canary"]].concat();
    refused(&lodge, &by_exec, folder.path())?;
    refused(&lodge, &by_run, folder.path())
}

fn refused(lodge: &Lodge, words: &[&str], folder: &Path) -> Result<(), Finding> {
    let plain = lodge.command(words)?;
    // A shell that leaves a folder of the host's open, as CI runners and editors do.
    let mut leaky = std::process::Command::new("sh");
    leaky
        .args(["-c", "exec 9< \"$0\"; exec \"$@\""])
        .arg(folder)
        .arg(plain.get_program())
        .args(plain.get_args());
    leaky.env_clear().stdin(Stdio::null());
    for (key, value) in plain.get_envs() {
        leaky.env(key, value.unwrap_or_default());
    }
    let output = leaky.output()?;
    if output.status.success() || !output.stdout.is_empty() {
        return Err(Finding::seen("canary"));
    }
    Ok(())
}

pub(crate) fn own_program(stage: &Stage) -> Result<(), Finding> {
    use std::os::unix::fs::PermissionsExt;
    let lodge = Lodge::new(stage)?;
    // A command that is, or whose first line is, the engine itself.
    let folder = tempfile::tempdir_in(folder()?)?;
    let lines = [
        ("script", "#!/proc/self/exe\n"),
        ("leads-on", "#!/scripts/script\n"),
        ("nul", "#!/proc/self/exe\0 \n"),
    ];
    for (name, line) in lines {
        let script = folder.path().join(name);
        fs::write(&script, line)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    let bind = format!("{}:/scripts", folder.path().display());
    // And a link that is called as the engine is on the host.
    let namesake = tempfile::tempdir_in(checks::stage::folder()?)?;
    let engine = lodge.command(&[])?.get_program().to_os_string();
    let (place, name) = (Path::new(&engine).parent(), Path::new(&engine).file_name());
    let (place, name) = place.zip(name).context("the engine's path")?;
    std::os::unix::fs::symlink("/proc/self/exe", namesake.path().join(name))?;
    let as_engine = format!("{}:{}", namesake.path().display(), place.display());
    for command in ["/scripts/script", "/scripts/leads-on", "/scripts/nul", "/proc/self/exe"] {
        let binds = ["-v", &bind, "-v", &as_engine];
        let ended = lodge.tell(&[&["run", "--rm"][..], &binds, &[checks::mould::IMAGE, command]].concat())?;
        equal(
            &format!("{command} {} {}", ended.code, ended.stderr.contains("own program")),
            &format!("{command} 126 true"),
        )?;
    }
    let (name, _) = lodge.guest("program", &[])?;
    // A file that nobody else runs: the kernel lets nobody write to a program while it is run, and monitors run theirs.
    let program = folder.path().join("engine");
    fs::copy(lodge.command(&[])?.get_program(), &program)?;
    let inside = Inside::by(&lodge, &name, &program)?;
    // What somebody inside has who was quick enough: a handle of the program, kept until nobody runs it any more.
    let path = format!("/proc/{}/exe", inside.engine.id());
    let handle = match OpenOptions::new().read(true).custom_flags(libc_o_path()).open(&path) {
        Ok(handle) => handle,
        // Nobody but root of the machine may look into the engine meanwhile: there is no handle to be kept.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return inside.end(),
        Err(error) => return Err(error.into()),
    };
    inside.end()?;
    let again = format!("/proc/thread-self/fd/{}", handle.as_raw_fd());
    let mut open = None;
    within(Duration::from_secs(1), || {
        open = OpenOptions::new().write(true).open(&again).ok();
        open.is_some()
    });
    let id = |file: &File| file.metadata().map(|seen| (seen.dev(), seen.ino()));
    let theirs = fs::metadata(&program).map(|seen| (seen.dev(), seen.ino()))?;
    match open {
        Some(file) if id(&file)? == theirs => {
            Err(Finding::seen("writable").with("program", program.display()))
        }
        _ => Ok(()),
    }
}

fn libc_o_path() -> i32 {
    nix::fcntl::OFlag::O_PATH.bits()
}

pub(crate) fn killed(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, first) = lodge.guest("killed", &[])?;
    let mut inside = Inside::begin(&lodge, &name)?;
    kill(Pid::from_raw(inside.engine.id().cast_signed()), Signal::SIGKILL)?;
    inside.engine.wait()?;
    if !within(Duration::from_secs(5), || !is_alive(inside.command.0)) {
        return Err(Finding::seen("outlived"));
    }
    if is_alive(first.0) {
        Ok(())
    } else {
        Err(Finding::seen("no_container").with("said", "it has ended, too"))
    }
}

pub(crate) fn pipes(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("pipes", &[])?;
    let script = "cat; echo told >&2; exit 5";
    let mut engine = lodge
        .command(&["exec", "-i", &name, "sh", "-c", script])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut input = engine.stdin.take().context("no input")?;
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent));
    let output = engine.wait_with_output()?;
    let _ = writer.join();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    equal(&format!("{} {err:?} {code:?}", output.stdout == bytes), "true \"told\\n\" Some(5)")
}

pub(crate) fn fleet(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let label = format!("app={}", lodge.name("app"));
    let mut names = Vec::new();
    for word in ["a", "b", "c"] {
        names.push(lodge.guest(word, &["--label", &label, "--hostname", word])?.0);
    }
    lodge.guest("other", &[])?;
    let script = "hostname; echo no end of line >&2; [ $(hostname) != b ] || exit 4";
    let ended = lodge.tell(&["exec", "--all", "--label", &label, "sh", "-c", script])?;
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    lines.sort_unstable();
    let wanted: Vec<String> =
        names.iter().zip(["a", "b", "c"]).map(|(name, word)| format!("{name} | {word}")).collect();
    equal(&lines.join("\n"), &wanted.join("\n"))?;
    let told = ended.stderr.lines().filter(|line| line.ends_with(" | no end of line")).count();
    let blamed = ended.stderr.contains(&format!("{}: exit code 4", names[1]));
    equal(&format!("{} {told} {blamed}", ended.code), "4 3 true")
}
