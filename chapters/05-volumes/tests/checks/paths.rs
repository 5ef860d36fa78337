//! Where a mount lands: where the image's own programs would look, and nowhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use checks::finding::Finding;
use checks::stage::Stage;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::desk::{Desk, equal, first, says};

/// Names in the canary afterwards.
fn hits(canary: &str) -> Result<Vec<String>, Finding> {
    let entries = fs::read_dir(canary)?.flatten();
    Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// The old way, attacked: the image's symlink leads to a folder of the host, and the engine makes the target in it.
pub(crate) fn by_path(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let canary = desk.make("canary")?;
    let image = desk.image(&format!("ln -s {canary} /link; mkdir -p /honest"), &[])?;
    let volume = desk.volume("data");
    desk.tell(&["volume", "create", &volume])?;
    let honest = desk.sh_in(
        &image,
        &["--by-path", "-v", &format!("{volume}:/honest/new")],
        "echo x > /honest/new/file",
    )?;
    let trap = desk.sh_in(&image, &["--by-path", "-v", &format!("{volume}:/link/hit")], "true")?;
    let hits = hits(&canary)?;
    let kept = desk.sh(&["-v", &format!("{volume}:/d")], "cat /d/file 2>/dev/null || echo nothing")?;
    if hits == ["hit"] && kept.stdout == "x\n" {
        return Ok(());
    }
    // What the engine says; a shell says it in its own words.
    let said = [&honest, &trap].map(|ended| first(&ended.stderr).to_string());
    let said: String = said.into_iter().filter(|line| line.starts_with("ch0")).collect();
    Err(Finding::seen("missed")
        .with("hits", format!("{hits:?}"))
        .with("kept", kept.stdout.trim())
        .with("said", said))
}

pub(crate) fn symlinks(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let canary = desk.make("canary")?;
    let up = "../".repeat(20);
    let script = format!(
        "ln -s {canary} /absolute; ln -s {up}{} /dots; mkdir -p /real/place; ln -s /real /inside; ln -s real/place /relative",
        canary.trim_start_matches('/')
    );
    let image = desk.image(&script, &[])?;
    let data = desk.volume("data");
    for (target, lands) in [
        ("/absolute/new", "CANARY/new\n"),
        ("/dots/new", "CANARY/new\n"),
        ("/absolute", "CANARY\n"),
        ("/inside/place", "/real/place\n"),
        ("/relative", "/real/place\n"),
    ] {
        let look = format!("echo x > {target}/file; grep {data} /proc/self/mountinfo | cut -d ' ' -f 5");
        let mut ended = desk.sh_in(&image, &["-v", &format!("{data}:{target}")], &look)?;
        ended.stdout = ended.stdout.replace(&canary, "CANARY");
        let hits = hits(&canary)?;
        if !hits.is_empty() {
            return Err(Finding::seen("hit").with("target", target).with("hits", format!("{hits:?}")));
        }
        says(&ended, lands)?;
    }
    Ok(())
}

pub(crate) fn made(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let canary = desk.make("canary")?;
    fs::write(desk.path("file"), "of the host\n")?;
    let image = desk.image(&format!("ln -s {canary}/not/there /nothing; ln -s b /a; ln -s a /b"), &[])?;
    // A directory, a file, and both where a symlink to nothing points: made inside, as the host shows by having none.
    let data = desk.volume("data");
    let file = desk.path("file");
    for (source, target) in
        [(&data, "/x/y/z"), (&file, "/x/y/file"), (&data, "/nothing/more"), (&file, "/nothing")]
    {
        let look = format!("test -d {target} && echo d; test -f {target} && cat {target}");
        let ended = desk.sh_in(&image, &["-v", &format!("{source}:{target}")], &format!("{look}; true"))?;
        says(&ended, if source == &data { "d\n" } else { "of the host\n" })?;
        equal(&hits(&canary)?.join(" "), "")?;
    }
    let circle = desk.sh_in(&image, &["-v", &format!("{data}:/a/x")], "true")?;
    equal(&circle.code.to_string(), "125")
}

/// A folder that another container shares is a symlink in one moment and a directory in the next, while containers start
/// with a mount below it. CVE-2021-30465.
pub(crate) fn swapped(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let (canary, shared) = (desk.make("canary")?, desk.make("shared/place")?);
    let shared = Path::new(&shared);
    let link = shared.with_file_name("link");
    symlink(&canary, &link)?;
    let data = desk.volume("data");
    let mounts = [format!("{}:/shared", desk.path("shared")), format!("{data}:/shared/place/in")];
    let stop = AtomicBool::new(false);
    let mut landed = 0;
    let race = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, shared, CWD, &link, RenameFlags::EXCHANGE);
            }
        });
        let race = (0..12).try_for_each(|_| {
            let ended =
                desk.sh(&["-v", &mounts[0], "-v", &mounts[1]], "grep -c -- '/data /' /proc/self/mountinfo")?;
            landed += usize::from(ended.code == 0 && ended.stdout.trim() == "1");
            equal(&hits(&canary)?.join(" "), "")
        });
        stop.store(true, Ordering::Relaxed);
        let _ = swapping.join();
        race
    });
    race?;
    // Some starts are refused when the ground moves under them; that none succeeds would prove nothing.
    if landed > 0 { Ok(()) } else { Err(Finding::seen("never")) }
}

/// Who mounts over /proc answers in the kernel's place. CVE-2019-16884 did it by an image's VOLUME.
pub(crate) fn kernels(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let data = desk.volume("data");
    let links = desk.image("ln -s /proc /p; ln -s /proc/self /self; ln -s /sys/kernel /k", &[])?;
    let volume = desk.image("true", &["VOLUME /proc/self/attr"])?;
    for (image, target) in [
        (&links, "/proc"),
        (&links, "/proc/self/attr"),
        (&links, "/x/../proc/sys"),
        (&links, "/sys/fs"),
        (&links, "/p/self/attr"),
        (&links, "/self/attr"),
        (&links, "/k"),
        (&volume, "/data"),
    ] {
        let ended = desk.sh_in(image, &["-v", &format!("{data}:{target}")], "echo ran")?;
        if ended.code != 125
            || ended.stdout.contains("ran")
            || !ended.stderr.contains("mount there is refused")
        {
            let saw =
                format!("{target}: exit code {}, {:?} {:?}", ended.code, ended.stdout, first(&ended.stderr));
            return Err(Finding::seen("other").with("saw", saw).with("wanted", "a refusal"));
        }
    }
    Ok(())
}

pub(crate) fn twice(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let (one, two) = (desk.volume("one"), desk.volume("two"));
    let image = desk.image("mkdir -p /var/lib/db; ln -s /var /v", &["VOLUME /var/lib/db"])?;
    let mine = format!("{one}:/var/lib/db");
    says(&desk.sh_in(&image, &["-v", &mine], "grep -c ' /var/lib/db ' /proc/self/mountinfo")?, "1\n")?;
    let both = [format!("{one}:/d"), format!("{two}:/d/")];
    let link = [format!("{one}:/v/lib/db")];
    for options in [vec!["-v", &*both[0], "-v", &*both[1]], vec!["-v", &*link[0]]] {
        let ended = desk.sh_in(&image, &options, "true")?;
        let refused = first(&ended.stderr).contains("Duplicate mount point");
        equal(&format!("{} {refused}", ended.code), "125 true")?;
    }
    Ok(())
}
