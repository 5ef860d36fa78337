//! The mould and its containers: what is written in one reaches neither the image nor another.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use checks::drive::{Ended, within};
use checks::finding::Finding;
use checks::stage::Stage;

use crate::shop::{IMAGE, Shop};

/// A shell inside that didn't end well says why.
fn shell(ended: &Ended) -> Finding {
    Finding::seen("shell").with("code", ended.code).with("said", ended.stderr.trim())
}

pub(crate) fn write(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "true")?); // unpacked by now
    let before = files(&shop)?;
    let script = "echo x > /goods/new; echo y >> /goods/one; rm /goods/two; chmod 700 /goods/inner; mv /goods/inner /x; mkdir /goods/d";
    let ended = shop.sh(&[], script)?;
    let after = files(&shop)?;
    let changed = before.iter().filter(|(path, seen)| after.get(*path) != Some(seen)).count();
    let added = after.keys().filter(|path| !before.contains_key(*path)).count();
    if changed == 0 && added == 0 && ended.code == 0 {
        return Ok(());
    }
    // How many differs with the stage's own folders; that any does is what counts.
    Err(if ended.code == 0 { Finding::seen("changed") } else { shell(&ended) })
}

pub(crate) fn other(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "echo mine > /goods/secret; echo mine > /goods/one")?);
    let seen = shop.sh(&[], "cat /goods/secret /goods/one 2>/dev/null")?;
    if seen.stdout == "goods/one" {
        return Ok(());
    }
    Err(Finding::seen("read").with("text", format!("{:?}", seen.stdout)))
}

pub(crate) fn deleted(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let look = "test -e /goods/one && echo there; test -e /goods/inner/three && echo there";
    let first = shop.sh(&[], &format!("rm -rf /goods /etc /root /var 2>/dev/null; {look}; echo done"))?;
    let again = shop.sh(&[], look)?;
    if first.stdout == "done\n" && again.stdout == "there\nthere\n" {
        return Ok(());
    }
    let (first, again) = (format!("{:?}", first.stdout), format!("{:?}", again.stdout));
    Err(Finding::seen("deleted").with("first", first).with("again", again))
}

pub(crate) fn hard_link(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "echo changed > /goods/one; cat /goods/same-as-one")?);
    let again = shop.sh(&[], "cat /goods/one /goods/same-as-one")?;
    if again.stdout == "goods/onegoods/one" {
        return Ok(());
    }
    Err(Finding::seen("linked").with("text", format!("{:?}", again.stdout)))
}

pub(crate) fn read_only(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let ended = shop.sh(
        &["--read-only"],
        "(echo x > /goods/one) 2>/dev/null; (: > /new) 2>/dev/null; cat /goods/one; ls / | grep new",
    )?;
    let writable = shop.sh(&[], "echo x > /goods/one && cat /goods/one")?;
    if ended.stdout == "goods/one" && writable.stdout == "x\n" {
        return Ok(());
    }
    let (with, without) = (format!("{:?}", ended.stdout), format!("{:?}", writable.stdout));
    Err(Finding::seen("written").with("with", with).with("without", without))
}

pub(crate) fn ten(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "true")?);
    let layers = weight(&shop.place("root/layers"))?;
    for n in 0..10 {
        let name = format!("c{n}");
        let ended = shop.sh(&["--name", &name], "echo $HOSTNAME > /goods/one")?;
        if ended.code != 0 {
            return Err(shell(&ended));
        }
    }
    let all = weight(&shop.place("root/layers"))? + weight(&shop.place("root/containers"))?;
    // Each has a few folders and one small file of its own.
    if all < layers + layers / 4 + 10 * 64 * 1024 {
        return Ok(());
    }
    Err(Finding::seen("weight").with("layers", layers).with("all", all))
}

pub(crate) fn nothing_left(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "echo x > /x; exit 3")?);
    drop(shop.sh(&[], "kill -9 $$")?);
    drop(shop.tell(&["run", IMAGE, "/no/such/command"])?);
    let left = left(&shop)?;
    if left.is_empty() {
        return Ok(());
    }
    Err(Finding::seen("left").with("names", left.join(", ")))
}

/// What is in the containers' folder and on record.
fn left(shop: &Shop) -> Result<Vec<String>, Finding> {
    let mut left = Vec::new();
    for folder in ["root/containers", "run/records"] {
        for entry in fs::read_dir(shop.place(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != ".empty" {
                left.push(name);
            }
        }
    }
    Ok(left)
}

pub(crate) fn killed(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&[], "true")?);
    // Without a group: the note of one would go with this store, and the group stay.
    let mut engine = shop.command_in("root", &["run", "--no-group", IMAGE, "sleep", "60"]).spawn()?;
    let running = || left(&shop).is_ok_and(|left| left.len() >= 2);
    let began = within(Duration::from_secs(5), running);
    std::thread::sleep(Duration::from_millis(50));
    engine.kill()?;
    engine.wait()?;
    let mut named = false;
    for entry in fs::read_dir(shop.place("run/records"))? {
        let text = fs::read_to_string(entry?.path())?;
        named |= text.contains("\"kind\":\"04-images/container\"") && text.contains("/containers/");
    }
    let mounted = fs::read_to_string("/proc/thread-self/mountinfo")?.contains("boxroom-shop-");
    if began && named && !mounted {
        return Ok(());
    }
    Err(Finding::seen("killed").with("began", began).with("named", named).with("mounted", mounted))
}

/// What a write would change of a file: inode, length, mode, times.
type Seen = (u64, u64, u32, i64, i64);
type Files = BTreeMap<PathBuf, Seen>;

/// Everything of the mould, as the host sees it: path, and what a write would change.
fn files(shop: &Shop) -> Result<Files, Finding> {
    let folder = shop.place(if shop.knows { "root/layers" } else { "rootfs" });
    let mut found = BTreeMap::new();
    walk(&folder, &mut found)?;
    if found.len() < 10 {
        return Err(anyhow::anyhow!("{} has {} files: no mould", folder.display(), found.len()).into());
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Files) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let seen = fs::symlink_metadata(&path)?;
        found.insert(path.clone(), (seen.ino(), seen.len(), seen.mode(), seen.mtime(), seen.ctime_nsec()));
        if seen.is_dir() {
            walk(&path, found)?;
        }
        if found.len() > 1_000_000 {
            bail!("{} has no end", folder.display());
        }
    }
    Ok(())
}

/// Bytes on the disk beneath a folder.
fn weight(folder: &Path) -> Result<u64, Finding> {
    let output = Command::new("du").args(["-sk", "--apparent-size"]).arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    Ok(number.with_context(|| format!("du {}", folder.display()))? * 1024)
}
