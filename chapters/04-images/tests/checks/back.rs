//! The way back: a container's changes, an image made of them, and that image elsewhere.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use ch04_images::digest::Digest;
use checks::drive::Ended;
use checks::finding::Finding;
use checks::stage::Stage;
use serde_json::Value;

use crate::shop::{IMAGE, Shop};

fn equal(seen: &str, wanted: &str) -> Result<(), Finding> {
    if seen == wanted { Ok(()) } else { Err(other(seen, wanted)) }
}

pub(crate) fn other(seen: &str, wanted: &str) -> Finding {
    Finding::seen("other").with("seen", format!("{seen:?}")).with("wanted", format!("{wanted:?}"))
}

pub(crate) fn diff(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(
        &["--name", "c"],
        "rm /goods/two; echo x > /goods/one; echo x > /goods/new; rm -rf /goods/inner; mkdir /goods/inner",
    )?);
    let seen = shop.must(&["diff", "c"])?;
    equal(&seen, "C /goods\nC /goods/inner\nD /goods/inner/three\nA /goods/new\nC /goods/one\nD /goods/two\n")
}

pub(crate) fn deletions(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "rm /goods/two; rm -rf /goods/inner")?);
    shop.must(&["commit", "c", "next"])?;
    equal(&shop.must(&["run", "next", "sh", "-c", "echo /goods/*"])?, "/goods/one /goods/same-as-one\n")?;
    equal(&shop.sh(&[], "echo /goods/*")?.stdout, "/goods/inner /goods/one /goods/same-as-one /goods/two\n")
}

pub(crate) fn opaque(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "rm -rf /goods; mkdir /goods; echo new > /goods/new")?);
    shop.must(&["commit", "c", "next"])?;
    equal(&shop.must(&["run", "next", "sh", "-c", "echo /goods/*"])?, "/goods/new\n")?;
    // And what another program packed: a folder deleted and made again in one layer.
    drop(shop.sh(&["--name", "d"], "true")?);
    shop.must(&["save", "next", "--output", &shop.place("next.tar").to_string_lossy()])?;
    shop.must_in("second", &["load", &shop.place("next.tar").to_string_lossy()])?;
    equal(&shop.must_in("second", &["run", "next", "sh", "-c", "echo /goods/*"])?, "/goods/new\n")
}

pub(crate) fn small(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "echo x > /goods/new; rm /goods/two")?);
    shop.must(&["commit", "c", "next", "--message", "one file", "--author", "somebody"])?;
    let value: serde_json::Value =
        serde_json::from_str(&shop.must(&["inspect", "next"])?).map_err(anyhow::Error::from)?;
    let size = value["Layers"][1]["Size"].as_u64().unwrap_or(u64::MAX);
    let told = value["History"][1]["comment"] == "one file" && value["Author"] == "somebody";
    let goods = shop.must(&["run", "next", "sh", "-c", "echo /goods/*"])?;
    equal(&goods, "/goods/inner /goods/new /goods/one /goods/same-as-one\n")?;
    if size < 1024 && told && value["Layers"].as_array().map(Vec::len) == Some(2) {
        return Ok(());
    }
    Err(Finding::seen("size").with("size", size).with("told", told))
}

pub(crate) fn moved(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "echo moved > /goods/one")?);
    let first = shop.must(&["commit", "c", "team/app:1"])?;
    for form in ["oci", "docker"] {
        let archive = shop.place("app.tar").to_string_lossy().into_owned();
        shop.must(&["save", "--format", form, "--output", &archive, "team/app:1", IMAGE])?;
        let root = format!("second-{form}");
        equal(&shop.must_in(&root, &["load", &archive])?, "team/app:1\nshop/base:1\n")?;
        equal(&shop.must_in(&root, &["run", "team/app:1", "cat", "/goods/one"])?, "moved\n")?;
        let id = "{{.ConfigDigest}}";
        let (here, there) = (
            shop.must(&["inspect", "--format", id, "team/app:1"])?,
            shop.must_in(&root, &["inspect", "--format", id, "team/app:1"])?,
        );
        equal(&there, &here)?;
        if form == "oci" {
            // docker's form stores layers plain, so the manifest is another; the config, the image's id, is the same.
            equal(&shop.must_in(&root, &["inspect", "--format", "{{.Digest}}", "team/app:1"])?, &first)?;
            let again = shop.place("again.tar");
            let words = ["save", "--output", &again.to_string_lossy(), "team/app:1", IMAGE];
            shop.must_in(&root, &words)?;
            if fs::read(&again)? != fs::read(&archive)? {
                return Err(Finding::seen("archives"));
            }
        }
    }
    Ok(())
}

pub(crate) fn flipped(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let blobs = shop.place("root/images/blobs/sha256");
    let largest =
        fs::read_dir(blobs)?.filter_map(Result::ok).max_by_key(|blob| blob.metadata().map_or(0, |m| m.len()));
    let path = largest.map(|blob| blob.path()).unwrap_or_default();
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes)?;
    let ended = shop.sh(&[], "echo ran")?;
    let left = fs::read_dir(shop.place("root/layers"))?.count();
    if ended.code == 125
        && ended.stdout.is_empty()
        && ended.stderr.contains("not what its name says")
        && left == 0
    {
        return Ok(());
    }
    Err(refused(&ended, left))
}

fn refused(ended: &Ended, left: usize) -> Finding {
    let said = ended.stderr.lines().next().unwrap_or_default();
    Finding::seen("ran").with("code", ended.code).with("left", left).with("said", said)
}

/// The stored blob is as its digest says; the config tells another tar's.
pub(crate) fn wrong_diff_id(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let images = shop.place("root/images");
    let index = images.join("index.json");
    let json = |path: &Path| -> Result<Value, Finding> {
        Ok(serde_json::from_slice(&fs::read(path)?).map_err(anyhow::Error::from)?)
    };
    let blob = |part: &Value| {
        let digest = part["digest"].as_str().unwrap_or_default().replace("sha256:", "blobs/sha256/");
        images.join(digest)
    };
    // From the config up: each part is called by what is in it.
    let store = |part: &mut Value, value: &Value| -> Result<(), Finding> {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        fs::write(images.join("blobs/sha256").join(digest.hex()), &bytes)?;
        (part["digest"], part["size"]) = (digest.to_string().into(), bytes.len().into());
        Ok(())
    };
    let mut names = json(&index)?;
    let mut manifest = json(&blob(&names["manifests"][0]))?;
    let mut config = json(&blob(&manifest["config"]))?;
    config["rootfs"]["diff_ids"][0] = manifest["layers"][0]["digest"].clone();
    store(&mut manifest["config"], &config)?;
    store(&mut names["manifests"][0], &manifest)?;
    fs::write(&index, names.to_string())?;
    let ended = shop.sh(&[], "echo ran")?;
    let left = fs::read_dir(shop.place("root/layers"))?.count();
    if ended.code == 125 && ended.stdout.is_empty() && left == 0 {
        return Ok(());
    }
    Err(refused(&ended, left))
}

fn same_tar(shop: &Shop, name: &str, pack: &str) -> Result<String, Finding> {
    let mut import = shop.command_in("root", &["import", "-", name]);
    let mut child = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let tar = Command::new("sh").args(["-c", pack]).current_dir(shop.place("rootfs")).output()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&tar.stdout)?;
    }
    Ok(String::from_utf8_lossy(&child.wait_with_output()?.stdout).into_owned())
}

fn same_digest(shop: &Shop, pack: &str, wanted: &str) -> Result<(), Finding> {
    equal(&same_tar(shop, "packed", pack)?, wanted)
}

/// However it was compressed on its way here.
pub(crate) fn same(stage: &Stage) -> Result<(), Finding> {
    let shop = &Shop::open(stage)?;
    let tar = "tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner goods";
    let plain = same_tar(shop, "packed", tar)?;
    if !plain.starts_with("sha256:") {
        return Err(other(&plain, "sha256:..."));
    }
    same_digest(shop, &format!("{tar} | gzip -9"), &plain)?;
    for program in ["zstd", "xz"] {
        let there = Command::new(program).arg("--version").output().is_ok();
        if there {
            same_digest(shop, &format!("{tar} | {program} -c"), &plain)?;
        }
    }
    Ok(())
}

/// The name of its image is gone, and so is what prune may take: a container keeps what it stands on.
pub(crate) fn kept(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "echo x > /goods/new")?);
    shop.must(&["rm", IMAGE])?;
    shop.must(&["prune"])?;
    let committed = shop.tell(&["commit", "c", "next"])?;
    if committed.code != 0 {
        return Err(Finding::seen("gone").with("said", committed.stderr.lines().next().unwrap_or_default()));
    }
    equal(&shop.must(&["run", "next", "cat", "/goods/one", "/goods/new"])?, "goods/onex\n")
}

/// overlayfs must not be changed from below while it is mounted.
pub(crate) fn running(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let mut child =
        shop.command_in("root", &["run", "--no-group", "--name", "c", IMAGE, "sleep", "60"]).spawn()?;
    let there = || shop.tell(&["diff", "c"]).is_ok_and(|ended| ended.code == 0);
    let began = checks::drive::within(std::time::Duration::from_secs(10), there);
    let discarded = shop.tell(&["discard", "c"])?;
    let copied = shop.tell(&["cp", "/proc/version", "c:/goods/in"])?;
    child.kill()?;
    child.wait()?;
    if !began || discarded.code != 125 || copied.code != 125 {
        let (discarded, copied) = (discarded.code, copied.code);
        let found = Finding::seen("pulled").with("began", began);
        return Err(found.with("discarded", discarded).with("copied", copied));
    }
    // The command dies with its engine; then nothing is in the way.
    let gone = || shop.tell(&["discard", "c"]).is_ok_and(|ended| ended.code == 0);
    if checks::drive::within(std::time::Duration::from_secs(10), gone) {
        Ok(())
    } else {
        Err(Finding::seen("stays"))
    }
}

pub(crate) fn export(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    drop(shop.sh(&["--name", "c"], "rm -rf /goods/inner; echo new > /goods/two")?);
    let tar = shop.place("tree.tar").to_string_lossy().into_owned();
    shop.must(&["export", "--output", &tar, "c"])?;
    let listed = Command::new("tar").args(["-tf", &tar]).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let goods: Vec<&str> = listed.lines().filter(|line| line.starts_with("goods")).collect();
    equal(&goods.join(" "), "goods/ goods/one goods/same-as-one goods/two")?;
    shop.must(&["import", &tar, "again"])?;
    equal(&shop.must(&["run", "again", "cat", "/goods/two", "/goods/same-as-one"])?, "new\ngoods/one")
}

pub(crate) fn cp(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let secret = shop.place("secret");
    fs::write(&secret, "of the host")?;
    let secret = secret.to_string_lossy().into_owned();
    drop(shop.sh(&["--name", "c"], &format!("echo inside > /goods/one; ln -s {secret} /link; ln -s / /goods/up; ln -s ../../../../../../../../.. /far"))?);
    let out = shop.place("out").to_string_lossy().into_owned();
    shop.must(&["cp", "c:/goods/one", &out])?;
    equal(&fs::read_to_string(&out)?, "inside\n")?;
    for path in [
        "c:/link".to_string(),
        format!("c:/goods/up{secret}"),
        format!("c:/far{secret}"),
        format!("c:/../../../../..{secret}"),
    ] {
        let ended = shop.tell(&["cp", &path, &out])?;
        if ended.code == 0 {
            let text = format!("{:?}", fs::read_to_string(&out)?);
            return Err(Finding::seen("led").with("path", path).with("text", text));
        }
    }
    shop.must(&["cp", &out, "c:/goods/in"])?;
    let refused = shop.tell(&["cp", &out, &format!("c:/goods/up{}", shop.place("planted").display())])?;
    if refused.code == 0 || shop.place("planted").exists() {
        return Err(Finding::seen("planted"));
    }
    // A whole folder in, in the place of one that was deleted, and out again; what was below stays below.
    let tree = shop.place("tree");
    fs::create_dir_all(tree.join("deep"))?;
    fs::write(tree.join("deep/file"), "carried")?;
    std::os::unix::fs::symlink("/etc/passwd", tree.join("link"))?;
    drop(shop.sh(&["--name", "d"], "rm -rf /goods/inner")?);
    shop.must(&["cp", &format!("{}/.", tree.display()), "d:/goods/inner"])?;
    let back = shop.place("back");
    shop.must(&["cp", "d:/goods/inner", &back.to_string_lossy()])?;
    let found = (fs::read_to_string(back.join("deep/file"))?, fs::read_link(back.join("link"))?);
    equal(&found.0, "carried")?;
    equal(&found.1.to_string_lossy(), "/etc/passwd")?;
    equal(&back.join("three").exists().to_string(), "false")?;
    shop.must(&["commit", "c", "next"])?;
    equal(&shop.must(&["run", "next", "cat", "/goods/in"])?, "inside\n")
}
