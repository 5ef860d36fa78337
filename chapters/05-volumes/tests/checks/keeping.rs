//! What is kept of volumes: filled once, held while used, gone when they should go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use checks::drive::within;
use checks::finding::Finding;
use checks::mould::IMAGE;
use checks::stage::{Stage, folder};

use crate::desk::{Desk, ended, equal, says};

const FILL: &str = "mkdir -p /var/lib/db/inner && echo first > /var/lib/db/file && ln /var/lib/db/file /var/lib/db/inner/same && ln -s file /var/lib/db/link && chmod 4711 /var/lib/db/file && chmod 750 /var/lib/db";
const LOOK: &str = "stat -c '%a %u:%g' /var/lib/db; stat -c '%a %h' /var/lib/db/file; readlink /var/lib/db/link; cat /var/lib/db/inner/same";

pub(crate) fn seeded(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    // With one id only root exists inside.
    let owner = if desk.sh(&[], "chown 7:8 /tmp/. 2>/dev/null")?.code == 0 { "7:8" } else { "0:0" };
    let image = desk.image(&format!("{FILL} && chown {owner} /var/lib/db"), &[])?;
    let name = desk.volume("data");
    let data = format!("{name}:/var/lib/db");
    let mounted = format!("grep -q {name} /proc/self/mountinfo || echo not mounted");
    let script = format!("{mounted}; {LOOK}; echo second > /var/lib/db/file");
    let mut ended = desk.sh_in(&image, &["-v", &data], &script)?;
    ended.stdout = ended.stdout.replace(owner, "OWNER");
    says(&ended, "750 OWNER\n4711 2\nfile\nfirst\n")?;
    // Once: what is in it counts from then on. And an image's file that is newer doesn't.
    says(&desk.sh_in(&image, &["-v", &data], "cat /var/lib/db/inner/same")?, "second\n")?;
    let empty = format!("{}:/var/lib/db:nocopy", desk.volume("empty"));
    says(&desk.sh_in(&image, &["-v", &empty], "ls -A /var/lib/db | wc -l")?, "0\n")
}

pub(crate) fn race(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    // So much that it takes a moment.
    let many = "for n in $(seq 300); do echo $n > /var/lib/db/inner/$n; done";
    let image = desk.image(&format!("{FILL}; {many}"), &[])?;
    says(&desk.sh_in(&image, &[], "true")?, "")?; // unpacked by now: who starts from here on starts at once
    let data = format!("{}:/var/lib/db", desk.volume("data"));
    let start = || {
        let mut command = desk.command(
            &["-v", &data],
            &image,
            &[
                "sh",
                "-c",
                "cat /var/lib/db/inner/same; ls /var/lib/db/inner | wc -l; echo $$ > /var/lib/db/mine",
            ],
        )?;
        Ok::<_, Finding>(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    let children = (0..8).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    for child in children {
        let output = child.wait_with_output()?;
        let saw = [output.stdout, output.stderr].concat();
        equal(&String::from_utf8_lossy(&saw), "first\n301\n")?;
    }
    says(
        &desk.sh_in(&image, &["-v", &data], "ls /var/lib/db | sort | tr '\\n' ' '")?,
        "file inner link mine ",
    )
}

pub(crate) fn nameless(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let image = desk.image("mkdir -p /declared && echo x > /declared/file", &["VOLUME [\"/declared\"]"])?;
    let look = "cat /declared/file; grep -o 'volumes/[0-9a-f]*/data' /proc/self/mountinfo | cut -d / -f 2";
    let ended = desk.sh_in(&image, &["-v", "/asked"], look)?;
    let names: Vec<String> = ended.stdout.lines().skip(1).map(Into::into).collect();
    let all = desk.all()?;
    let left: Vec<&String> = names.iter().filter(|name| all.contains(name)).collect();
    let saw = format!("{:?}, {} volumes, {} left", ended.stdout.lines().next(), names.len(), left.len());
    equal(&saw, "Some(\"x\"), 2 volumes, 0 left")?;
    // A container that is kept keeps its own.
    let name = format!("kept-{}", desk.unique());
    let kept = desk.sh_in(&image, &["--name", &name], look)?;
    let volume = kept.stdout.lines().nth(1).unwrap_or_default().to_string();
    let stays = desk.all()?.contains(&volume);
    let refused = desk.tell(&["volume", "rm", &volume])?.code;
    discard(&name)?;
    let removed = desk.tell(&["volume", "rm", &volume])?.code;
    equal(&format!("stays: {stays}, {refused}, {removed}"), "stays: true, 125, 0")
}

fn discard(name: &str) -> Result<(), Finding> {
    let mut command = std::process::Command::new(checks::stage::program("ch04-images")?);
    command.args(["discard", name]).env_clear().env("PATH", checks::stage::PATH);
    command.env("BOXROOM_RUN", folder()?.join("run")).env("BOXROOM_ROOT", folder()?.join("root"));
    equal(&ended(&mut command)?.stderr, "")
}

pub(crate) fn in_use(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let name = desk.volume("data");
    let data = format!("{name}:/data");
    let mut command = desk.command(&["-v", &data], IMAGE, &["sh", "-c", "echo ready; read go"])?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?;
    std::io::Read::read_exact(&mut out, &mut [0; 6])?;
    let during = desk.tell(&["volume", "rm", &name])?;
    let dangling = desk.tell(&["volume", "ls", "-q", "--filter", "dangling=true"])?.stdout.contains(&name);
    drop(child.stdin.take());
    child.wait()?;
    let after = desk.tell(&["volume", "rm", &name])?;
    let words = during.stderr.contains(&format!("remove {name}: volume is in use - ["));
    let saw = format!("{} {words} {dangling} {} {}", during.code, after.code, desk.all()?.contains(&name));
    equal(&saw, "125 true false 0 false")
}

/// Who is killed leaves a note of what has to go, and the way that cleans it is the launch's own.
pub(crate) fn killed(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let run = desk.make("run")?;
    let mut command = desk.command(&["-v", "/nameless"], IMAGE, &["sh", "-c", "echo ready; sleep 60"])?;
    command.env("BOXROOM_RUN", &run).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut engine = command.spawn()?;
    let mut out = engine.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?;
    std::io::Read::read_exact(&mut out, &mut [0; 6])?;
    let named = left(&run)?;
    engine.kill()?;
    engine.wait()?;
    within(Duration::from_secs(2), || std::io::Read::read(&mut out, &mut [0; 1]).is_ok_and(|read| read == 0));
    let there = named.iter().filter(|folder| folder.is_dir()).count();
    let mut clean = std::process::Command::new(checks::stage::program("workshop")?);
    clean.arg("clean").env_clear().env("PATH", checks::stage::PATH).env("HOME", "/");
    clean.env("BOXROOM_RUN", &run).env("BOXROOM_ROOT", folder()?.join("root"));
    let cleaned = ended(&mut clean)?;
    let after = named.iter().filter(|folder| folder.is_dir()).count();
    let saw = format!("{} noted, {there} there, {} cleaned, {after} left", named.len(), cleaned.code);
    equal(&saw, "1 noted, 1 there, 0 cleaned, 0 left")
}

/// The folders of volumes that the records name.
fn left(run: &str) -> Result<Vec<PathBuf>, Finding> {
    let mut named = Vec::new();
    for entry in fs::read_dir(PathBuf::from(run).join("records"))? {
        let text = fs::read_to_string(entry?.path())?;
        let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if record["kind"] == "05-volumes" {
            named.extend(record["what"].as_str().map(PathBuf::from));
        }
    }
    Ok(named)
}

pub(crate) fn archived(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let (one, two) = (desk.volume("one"), desk.volume("two"));
    let script = "umask 0; mkdir /d/sub; echo x > /d/sub/file; ln /d/sub/file /d/same; ln -s sub/file /d/link; echo y > /d/.wh.odd; chmod 4751 /d/same; mkfifo /d/pipe";
    says(&desk.sh(&["-v", &format!("{one}:/d")], script)?, "")?;
    let (tar, again) = (desk.path("one.tar"), desk.path("two.tar"));
    says(&desk.tell(&["volume", "export", "--output", &tar, &one])?, "")?;
    says(&desk.tell(&["volume", "import", &two, &tar])?, &format!("{two}\n"))?;
    says(&desk.tell(&["volume", "export", "--output", &again, &two])?, "")?;
    equal(&format!("equal: {}", fs::read(&tar)? == fs::read(&again)?), "equal: true")?;
    let look = "stat -c '%a %h' /d/sub/file; readlink /d/link; cat /d/.wh.odd; test -p /d/pipe && echo pipe";
    says(&desk.sh(&["-v", &format!("{two}:/d")], look)?, "4751 2\nsub/file\ny\npipe\n")?;
    // Nothing is written over.
    equal(&desk.tell(&["volume", "import", &two, &tar])?.code.to_string(), "125")
}

pub(crate) fn hostile(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let canary = desk.make("canary")?;
    let file = |name: &str| entry(name, b'0', "", "x");
    let tars = [
        file(&format!("{}{}/hit", "../".repeat(20), canary.trim_start_matches('/'))),
        // A symlink first, then a file beneath it.
        [entry("bridge", b'2', &canary, ""), file("bridge/hit")].concat(),
        [entry("bridge", b'1', "../../../etc/passwd", ""), file("file")].concat(),
        file("cut")[..300].to_vec(),
    ];
    for (n, tar) in tars.into_iter().enumerate() {
        let name = desk.volume(&format!("hostile{n}"));
        let path = desk.path("hostile.tar");
        fs::write(&path, [tar, vec![0; 1024]].concat())?;
        if n == 3 {
            fs::File::options().write(true).open(&path)?.set_len(300)?;
        }
        let ended = desk.tell(&["volume", "import", &name, &path])?;
        let hit = fs::read_dir(&canary)?.count();
        let saw = format!("{n}: {} {hit} {}", ended.code, desk.all()?.contains(&name));
        equal(&saw, &format!("{n}: 125 0 false"))?;
    }
    Ok(())
}

/// One entry of a tar: ustar, as POSIX has it.
fn entry(name: &str, kind: u8, link: &str, content: &str) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    for (at, text) in
        [(0, name), (100, "0000644"), (108, "0000000"), (116, "0000000"), (136, "00000000000"), (157, link)]
    {
        put(at, text);
    }
    put(124, &format!("{:011o}", content.len()));
    put(257, "ustar\x0000");
    put(148, "        ");
    block[156] = kind;
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend(content.as_bytes());
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

pub(crate) fn id_mapped(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let name = desk.volume("data");
    let data = format!("{name}:/data");
    let look = "stat -c %u:%g /data; echo x > /data/file; stat -c %u:%g /data/file";
    let ended = desk.sh(&["--userns", "auto", "-v", &data], look)?;
    if ended.stderr.contains("from Linux 6.5 on") {
        return Err(Finding::untried("id-mapped layers can be stacked from Linux 6.5 on".into()));
    }
    says(&ended, "0:0\n0:0\n")?;
    let seen = fs::metadata(folder()?.join("root/volumes").join(&name).join("data/file"))?;
    equal(&format!("{}:{}", seen.uid(), seen.gid()), "0:0")
}
