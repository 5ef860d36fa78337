//! What a container has said, and what is said about it.

use std::fs;

use checks::finding::Finding;
use checks::stage::{Stage, folder};

use crate::lodge::{Lodge, equal, says};

pub(crate) fn logs(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let script = "printf 'one\\ntwo\\n'; printf 'wrong\\n' >&2; printf 'half\\000\\377'; exit 0";
    let name = lodge.run("says", &[], &["sh", "-c", script, "x"])?;
    says(&lodge.tell(&["wait", &name])?, "0\n")?;
    // Bytes as they were, the two outputs apart, what has no end without one.
    let output = lodge.command(&["logs", &name])?.output()?;
    equal(&format!("{:?}", output.stdout), &format!("{:?}", b"one\ntwo\nhalf\x00\xff"))?;
    equal(&String::from_utf8_lossy(&output.stderr), "wrong\n")?;
    let tail = lodge.command(&["logs", "--tail", "3", &name])?.output()?;
    equal(&tail.stdout.starts_with(b"two\n").to_string(), "true")?;
    let stamped = lodge.tell(&["logs", "--timestamps", "--tail", "1", &name])?;
    equal(&stamped.stdout.contains("Z half").to_string(), "true")?;
    says(&lodge.tell(&["logs", "--since", "2100-01-01", &name])?, "")?;
    // --follow goes on, and ends with the container.
    let name = lodge.run("goes-on", &[], &["sh", "-c", "echo a; sleep 0.5; echo b", "x"])?;
    says(&lodge.tell(&["logs", "-f", &name])?, "a\nb\n")
}

/// Who talks for years fills no disk.
pub(crate) fn rotated(stage: &Stage) -> Result<(), Finding> {
    const SIZE: u64 = 64 << 10;
    let lodge = Lodge::new(stage)?;
    let options = ["--log-opt", "max-size=64k", "--log-opt", "max-file=3"];
    let script = "n=0; while [ $n -lt 9000 ]; do n=$((n+1)); echo line $n; done";
    let name = lodge.run("talks", &options, &["sh", "-c", script, "x"])?;
    says(&lodge.tell(&["wait", &name])?, "0\n")?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    let mut sizes = Vec::new();
    for entry in fs::read_dir(folder()?.join("root/containers").join(id))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("log") {
            sizes.push(entry.metadata()?.len());
        }
    }
    if sizes.len() > 3 || sizes.iter().any(|size| *size > SIZE + 8192) {
        return Err(Finding::seen("large").with("sizes", format!("{sizes:?}")));
    }
    // The end of it is there, whole and in order.
    let said = lodge.tell(&["logs", "--tail", "1000", &name])?.stdout;
    let wanted: String = (8001..=9000).map(|n| format!("line {n}\n")).collect();
    if said == wanted { Ok(()) } else { Err(Finding::seen("torn").with("lines", said.lines().count())) }
}

pub(crate) fn names(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("named", &[])?;
    let id = lodge.tell(&["inspect", "-f", "{{.Id}}", &name])?.stdout.trim().to_string();
    let again = lodge.tell(&["create", "--name", &name, checks::mould::IMAGE])?;
    equal(
        &format!("{} {}", again.code, again.stderr.contains("is already in use by container")),
        "125 true",
    )?;
    // The beginning of an id is enough, as long as it is nobody else's.
    says(&lodge.tell(&["inspect", "-f", "{{.Name}}", &id[..8]])?, &format!("/{name}\n"))?;
    let other = lodge.expects("renamed");
    says(&lodge.tell(&["rename", &name, &other])?, "")?;
    equal(&lodge.tell(&["inspect", &name])?.code.to_string(), "1")?;
    says(&lodge.tell(&["inspect", "-f", "{{.Id}}", &other])?, &format!("{id}\n"))?;
    // The old name is free for another.
    says(&lodge.tell(&["create", "--name", &name, checks::mould::IMAGE, "true"])?.code_only(), "")?;
    says(&lodge.tell(&["rm", &name])?, &format!("{name}\n"))?;
    // Whoever has no name gets one.
    let made = lodge.tell(&["create", checks::mould::IMAGE, "true"])?;
    let id = made.stdout.trim().to_string();
    let called = lodge.tell(&["inspect", "-f", "{{.Name}}", &id])?.stdout;
    lodge.tell(&["rm", &id])?;
    equal(&called.trim().trim_start_matches('/').contains('_').to_string(), "true")
}

trait CodeOnly {
    fn code_only(self) -> checks::drive::Ended;
}

impl CodeOnly for checks::drive::Ended {
    /// The same, whatever it said.
    fn code_only(self) -> checks::drive::Ended {
        checks::drive::Ended { stdout: String::new(), ..self }
    }
}

pub(crate) fn lists(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let label = format!("app={}", lodge.name("listed"));
    let (name, first) = lodge.guest("up", &["--label", &label])?;
    let down = lodge.run("down", &["--label", &label], &["sh", "-c", "exit 4", "x"])?;
    lodge.tell(&["wait", &down])?;
    let filter = format!("label={label}");
    let ps = |words: &[&str]| lodge.tell(&[&["ps", "--filter", &filter], words].concat());
    says(&ps(&["--format", "{{.Names}} {{.State}}"])?, &format!("{name} running\n"))?;
    says(&ps(&["-a", "--format", "{{.Names}} {{.State}}"])?, &format!("{down} exited\n{name} running\n"))?;
    says(&ps(&["--filter", "exited=4", "--format", "{{.Names}}"])?, &format!("{down}\n"))?;
    says(&ps(&["--filter", "status=running", "--format", "{{.Names}}"])?, &format!("{name}\n"))?;
    equal(
        ps(&[])?.stdout.lines().next().unwrap_or_default().split_whitespace().next().unwrap_or_default(),
        "CONTAINER",
    )?;
    equal(&lodge.tell(&["ps", "--filter", "colour=red"])?.code.to_string(), "1")?;
    says(&lodge.tell(&["inspect", "-f", "{{.State.Pid}}", &name])?, &format!("{}\n", first.0))?;
    // What the host sees of its processes is what top tells.
    let top = lodge.tell(&["top", &name])?.stdout;
    let has = top
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|pid| pid == first.0.to_string());
    equal(&has.to_string(), "true")?;
    Ok(())
}
