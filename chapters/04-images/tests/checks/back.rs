//! The way back: a container's changes, an image made of them, and that image elsewhere.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use checks::finding::Finding;
use checks::stage::Stage;

use crate::shop::{IMAGE, Shop};

fn finding(seen: String) -> Finding {
    Finding {
        seen,
        expected: "the changes of the container, all of them and nothing else",
        meaning: "a deletion, an opaque folder or a changed file is not told as the OCI image specification has it",
        look: "ch04-images diff CONTAINER; ch04-images save IMAGE | tar t",
        read: "book: chapter 04, 'an image again'; OCI image spec, layer.md",
        ..Finding::default()
    }
}

fn equal(seen: &str, wanted: &str) -> Result<(), Finding> {
    if seen == wanted { Ok(()) } else { Err(finding(format!("{seen:?} where {wanted:?} was expected"))) }
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
    drop(shop.sh(&["--name", "c"], "echo x > /goods/new")?);
    shop.must(&["commit", "c", "next", "--message", "one file", "--author", "somebody"])?;
    let value: serde_json::Value =
        serde_json::from_str(&shop.must(&["inspect", "next"])?).map_err(anyhow::Error::from)?;
    let size = value["Layers"][1]["Size"].as_u64().unwrap_or(u64::MAX);
    let told = value["History"][1]["comment"] == "one file" && value["Author"] == "somebody";
    if size < 1024 && told && value["Layers"].as_array().map(Vec::len) == Some(2) {
        return Ok(());
    }
    Err(finding(format!("one small file more, and the layer has {size} bytes; told in the history: {told}")))
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
    Err(Finding {
        expected: "refused with 125, and no layer unpacked",
        meaning: "a layer is unpacked before both its digests are known to be right",
        read: "book: chapter 04, 'a name that is the content'; OCI image spec, descriptor.md",
        ..finding(format!(
            "code {}, {left} layers, said: {}",
            ended.code,
            ended.stderr.lines().next().unwrap_or_default()
        ))
    })
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
        return Err(finding(format!("import said {plain:?}")));
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
    shop.must(&["commit", "c", "next"])?;
    equal(&shop.must(&["run", "next", "cat", "/goods/one", "/goods/new"])?, "goods/onex\n")
}

/// overlayfs must not be changed from below while it is mounted.
pub(crate) fn running(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let mut child = shop.command_in("root", &["run", "--name", "c", IMAGE, "sleep", "60"]).spawn()?;
    let there = || shop.tell(&["diff", "c"]).is_ok_and(|ended| ended.code == 0);
    let began = checks::drive::within(std::time::Duration::from_secs(10), there);
    let discarded = shop.tell(&["discard", "c"])?;
    let copied = shop.tell(&["cp", "/proc/version", "c:/goods/in"])?;
    child.kill()?;
    child.wait()?;
    if !began || discarded.code != 125 || copied.code != 125 {
        let codes = (discarded.code, copied.code);
        return Err(finding(format!(
            "it began: {began}; discard and cp of a running container end with {codes:?}"
        )));
    }
    // The command dies with its engine; then nothing is in the way.
    let gone = || shop.tell(&["discard", "c"]).is_ok_and(|ended| ended.code == 0);
    if checks::drive::within(std::time::Duration::from_secs(10), gone) {
        Ok(())
    } else {
        Err(finding("it stays".into()))
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
            return Err(Finding {
                expected: "no link in a container leads cp to a file of the host",
                meaning: "the path was joined and opened on the host, not resolved with RESOLVE_IN_ROOT",
                ..finding(format!("cp {path} copied {:?}", fs::read_to_string(&out)?))
            });
        }
    }
    shop.must(&["cp", &out, "c:/goods/in"])?;
    let refused = shop.tell(&["cp", &out, &format!("c:/goods/up{}", shop.place("planted").display())])?;
    if refused.code == 0 || shop.place("planted").exists() {
        return Err(finding("cp into a container wrote over a symlink".into()));
    }
    shop.must(&["commit", "c", "next"])?;
    equal(&shop.must(&["run", "next", "cat", "/goods/in"])?, "inside\n")
}
