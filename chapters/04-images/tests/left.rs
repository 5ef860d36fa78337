//! What a power cut leaves: the records in the run folder are gone, and prune finds by itself what is nobody's. What somebody
//! is only just making, or holds, it leaves alone.

#[path = "checks/shop.rs"]
#[allow(dead_code)] // the checks use the rest
mod shop;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use checks::arena;
use checks::finding::Finding;
use checks::need::Need;
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::Arguments;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shop::{IMAGE, Shop};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let with = |name: &str, run: fn(&Shop) -> Result<()>| {
        trial(name.into(), &[Need::UserNamespace], move || {
            let stage = Stage::tested("04-images")?;
            arena::inside(|| Ok(Shop::open(&stage).and_then(|shop| run(&shop).map_err(Finding::from))))?
        })
    };
    let trials = vec![
        with("ch04_a_container_that_is_being_made_is_not_pruned", being_made),
        with("ch04_what_a_power_cut_leaves_is_pruned", power_cut),
        with("ch04_only_what_is_nobodys_is_pruned", nobodys),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn must(shop: &Shop, words: &[&str]) -> Result<String> {
    shop.must(words).map_err(|finding| anyhow!("{}", finding.seen))
}

fn expect(holds: bool, or: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { bail!(or()) }
}

/// An engine that stands still between a container's folder and its config; ended with the test, whatever happens.
struct Caught {
    engine: Child,
    name: String,
    folder: PathBuf,
}

impl Drop for Caught {
    fn drop(&mut self) {
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}

/// Starts containers until one is caught on its way.
fn caught(shop: &Shop) -> Result<Caught> {
    must(shop, &["unpack", IMAGE])?;
    let place = shop.place("root/containers");
    for number in 0..300 {
        let before = folders(&place)?;
        let name = format!("caught-{number}");
        let words = ["run", "--no-group", "--name", &name, IMAGE, "true"];
        let mut engine = shop.command_in("root", &words).stderr(Stdio::null()).spawn()?;
        let pid = Pid::from_raw(i32::try_from(engine.id())?);
        let end = Instant::now() + Duration::from_secs(10);
        let folder = loop {
            let new = folders(&place)?.difference(&before).next().cloned();
            if new.is_some() || Instant::now() > end {
                break new.context("ten seconds, and no container")?;
            }
        };
        kill(pid, Signal::SIGSTOP)?;
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
        if !matches!(stopped, WaitStatus::Stopped(..)) {
            continue; // it had ended
        }
        if !folder.join("config.json").exists() {
            return Ok(Caught { engine, name, folder });
        }
        kill(pid, Signal::SIGCONT)?;
        engine.wait()?;
    }
    bail!("no engine was caught between a container's folder and its config")
}

fn folders(place: &Path) -> Result<BTreeSet<PathBuf>> {
    Ok(fs::read_dir(place)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

fn being_made(shop: &Shop) -> Result<()> {
    let mut caught = caught(shop)?;
    let mut prune = shop.command_in("root", &["prune"]).stdout(Stdio::null()).spawn()?;
    thread::sleep(Duration::from_millis(500));
    let waits = prune.try_wait()?.is_none();
    let there = caught.folder.join("upper").is_dir() || caught.folder.is_dir();
    kill(Pid::from_raw(i32::try_from(caught.engine.id())?), Signal::SIGCONT)?;
    let (made, pruned) = (caught.engine.wait()?, prune.wait()?);
    expect(waits && there, || format!("prune waited: {waits}; the container's folder was there: {there}"))?;
    expect(made.success() && pruned.success(), || format!("the engine: {made}; prune: {pruned}"))?;
    let kept = must(shop, &["containers"])?;
    expect(kept.contains(&format!("  {}  ", caught.name)), || format!("not kept: {kept}"))
}

fn power_cut(shop: &Shop) -> Result<()> {
    must(shop, &["run", "--no-group", "--name", "kept", IMAGE, "true"])?;
    let caught = caught(shop)?;
    let folder = caught.folder.clone();
    drop(caught);
    expect(folder.is_dir(), || "the killed engine's folder is gone by itself".into())?;
    fs::remove_dir_all(shop.place("run"))?; // on a tmpfs, as everywhere, it would be gone
    let root = shop.place("root");
    fs::create_dir_all(root.join("tmp/layer-0123456789ab-1-0/usr/bin"))?;
    fs::write(root.join("tmp/partial-1-0"), "half a blob")?;
    let said = must(shop, &["prune"])?;
    expect(!folder.exists() && said.contains("removed 1 container"), || {
        format!("still there; prune: {said}")
    })?;
    let beside = folders(&root.join("tmp"))?;
    expect(beside.is_empty(), || format!("beside: {beside:?}"))?;
    let kept = must(shop, &["containers"])?;
    expect(kept.contains("  kept  "), || format!("containers: {kept:?}"))?;
    must(shop, &["run", "--no-group", IMAGE, "true"]).map(drop)
}

fn nobodys(shop: &Shop) -> Result<()> {
    must(shop, &["run", "--no-group", "--name", "kept", IMAGE, "true"])?;
    let place = shop.place("root/containers");
    let kept = folders(&place)?.pop_first().context("no container was kept")?;
    let config = fs::read_to_string(kept.join("config.json"))?;
    let nameless = config.replace("\"name\":\"kept\"", "\"name\":null");
    expect(nameless != config, || config.clone())?;
    // A folder, what its config says, and whether it stays.
    let cases: [(&str, Option<&str>, bool); 7] = [
        ("00000000000a", None, false),
        ("00000000000b", Some(""), false),
        ("00000000000c", Some(&nameless), false),
        ("00000000000d", Some("{\"what a bad disk made of it"), true),
        ("00000000000e", None, true), // its folder is locked
        ("00000000000f", None, true), // its upper directory is
        ("my-own", None, true),
    ];
    for (id, config, _) in cases {
        fs::create_dir_all(place.join(id).join("upper/etc"))?;
        if let Some(config) = config {
            fs::write(place.join(id).join("config.json"), config.replace(&name_of(&kept), id))?;
        }
    }
    let lock = |path: &str, how| {
        Flock::lock(File::open(place.join(path))?, how).map_err(|(_, errno)| anyhow!(errno))
    };
    let held =
        (lock("00000000000e", FlockArg::LockExclusive)?, lock("00000000000f/upper", FlockArg::LockShared)?);
    let outside = shop.place("outside");
    fs::create_dir_all(&outside)?;
    std::os::unix::fs::symlink(&outside, place.join("0000000000aa"))?;
    must(shop, &["prune"])?;
    drop(held);
    for (id, config, stays) in cases {
        expect(place.join(id).exists() == stays, || {
            format!("{id} with config {config:?}: stays: {}", !stays)
        })?;
    }
    let whole = outside.is_dir() && place.join("0000000000aa").is_symlink() && kept.is_dir();
    expect(whole, || "a symlink, what it leads to, or a kept container is gone".into())?;
    // Let go, they go.
    must(shop, &["prune"])?;
    let left = ["00000000000e", "00000000000f"].map(|id| place.join(id).exists());
    expect(left == [false, false], || format!("locked by nobody any more, and still there: {left:?}"))
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
