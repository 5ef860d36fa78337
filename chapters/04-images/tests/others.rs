//! The real programs: skopeo, umoci and Podman read this store as it is, and this store reads theirs and what buildah builds.

#[path = "checks/shop.rs"]
#[allow(dead_code)] // the checks use the rest
mod shop;

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::anyhow;
use checks::arena;
use checks::finding::Finding;
use checks::need::{Need, is_required};
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::{Arguments, Trial};
use shop::{IMAGE, Shop};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        with("ch04_skopeo_reads_the_store", &["skopeo"], &[Need::UserNamespace], skopeo_reads),
        with("ch04_skopeo_writes_into_the_store", &["skopeo"], &[Need::UserNamespace], skopeo_writes),
        with("ch04_umoci_unpacks_the_same_files", &["umoci"], &[Need::Root], umoci_unpacks),
        with("ch04_what_umoci_packed_is_loaded", &["umoci"], &[Need::Root], umoci_packs),
        with("ch04_podman_pulls_from_the_store", &["podman"], &[Need::Root], podman_pulls),
        with("ch04_what_buildah_built_is_loaded", &["buildah"], &[Need::Root], buildah_builds),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Ignored, with the reason, where the program isn't installed; failed where `BOXROOM_REQUIRE` names it.
fn with(
    name: &str,
    tools: &'static [&'static str],
    needs: &'static [Need],
    run: fn(&Shop) -> Result<(), Finding>,
) -> Trial {
    trial(name.into(), needs, move || {
        for tool in tools {
            if Command::new(tool).arg("--version").output().is_err() {
                let why = format!("there is no {tool} on this machine; install it");
                if is_required(tool) {
                    return Err(anyhow!("BOXROOM_REQUIRE names it, and {why}").into());
                }
                return Err(Finding { untried: Some(why), ..anyhow!("{tool}").into() });
            }
        }
        let stage = Stage::tested("04-images")?;
        arena::inside(|| Ok(Shop::open(&stage).and_then(|shop| run(&shop))))?
    })
}

/// Runs a program of somebody else's.
fn they(words: &[&str]) -> Result<String, Finding> {
    let output = Command::new(words[0]).args(&words[1..]).output()?;
    if !output.status.success() {
        return Err(anyhow!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn equal(seen: &str, wanted: &str) -> Result<(), Finding> {
    if seen == wanted { Ok(()) } else { Err(anyhow!("{seen:?} where {wanted:?} was expected").into()) }
}

fn images(shop: &Shop) -> String {
    shop.place("root/images").to_string_lossy().into_owned()
}

fn changed(shop: &Shop) -> Result<String, Finding> {
    drop(
        shop.sh(&["--name", "c"], "rm -rf /goods/inner /goods/two; mkdir /goods/inner; echo x > /goods/new")?,
    );
    Ok(shop.must(&["commit", "c", "next:1"])?.trim().into())
}

fn skopeo_reads(shop: &Shop) -> Result<(), Finding> {
    let digest = changed(shop)?;
    let ours = format!("oci:{}:next:1", images(shop));
    equal(they(&["skopeo", "inspect", "--format", "{{.Digest}}", &ours])?.trim(), &digest)?;
    for (kind, root) in [("oci-archive", "second"), ("docker-archive", "third")] {
        let archive = shop.place(kind).to_string_lossy().into_owned();
        they(&["skopeo", "--insecure-policy", "copy", "-q", &ours, &format!("{kind}:{archive}:next:1")])?;
        shop.must_in(root, &["load", &archive])?;
        equal(&shop.must_in(root, &["run", "next:1", "sh", "-c", "echo /goods/*"])?, LEFT)?;
    }
    Ok(())
}

const LEFT: &str = "/goods/inner /goods/new /goods/one /goods/same-as-one\n";

fn skopeo_writes(shop: &Shop) -> Result<(), Finding> {
    changed(shop)?;
    let (ours, theirs) =
        (format!("oci:{}:next:1", images(shop)), format!("oci:{}:copied/by:skopeo", images(shop)));
    they(&["skopeo", "--insecure-policy", "copy", "-q", &ours, &theirs])?;
    equal(&shop.must(&["run", "copied/by:skopeo", "sh", "-c", "echo /goods/*"])?, LEFT)
}

/// Every file that umoci unpacks, with owner, mode, size and time, is what the exported container has.
fn umoci_unpacks(shop: &Shop) -> Result<(), Finding> {
    changed(shop)?;
    let bundle = shop.place("bundle").to_string_lossy().into_owned();
    they(&["umoci", "unpack", "--image", &format!("{}:next:1", images(shop)), &bundle])?;
    shop.must(&["run", "--name", "whole", "next:1", "true"])?;
    let (tar, ours) = (shop.place("tree.tar"), shop.place("ours"));
    shop.must(&["export", "--output", &tar.to_string_lossy(), "whole"])?;
    fs::create_dir(&ours)?;
    they(&["tar", "-xpf", &tar.to_string_lossy(), "-C", &ours.to_string_lossy()])?;
    let list = |folder: &str| {
        let found = they(&["find", folder, "-mindepth", "2", "-printf", "%P %y %m %U:%G %s %T@ %l\n"])?;
        // A folder's size is the file system's affair.
        let lines = found
            .lines()
            .map(|line| if line.contains(" d ") { line.replace(" 4096 ", " ") } else { line.into() });
        let mut lines: Vec<String> = lines.filter(|line: &String| !line.contains(" d ")).collect();
        lines.sort();
        Ok::<_, Finding>(lines.join("\n"))
    };
    equal(&list(&ours.to_string_lossy())?, &list(&format!("{bundle}/rootfs"))?)
}

fn umoci_packs(shop: &Shop) -> Result<(), Finding> {
    let layout = shop.place("theirs").to_string_lossy().into_owned();
    let bundle = shop.place("bundle").to_string_lossy().into_owned();
    they(&[
        "skopeo",
        "--insecure-policy",
        "copy",
        "-q",
        &format!("oci:{}:{IMAGE}", images(shop)),
        &format!("oci:{layout}:new"),
    ])
    .or_else(|_| they(&["cp", "-r", &images(shop), &layout]))?;
    let name = if they(&["umoci", "ls", "--layout", &layout])?.contains("new") { "new" } else { IMAGE };
    let image = format!("{layout}:{name}");
    they(&["umoci", "unpack", "--image", &image, &bundle])?;
    for path in ["goods/two", "goods/inner"] {
        they(&["rm", "-r", &format!("{bundle}/rootfs/{path}")])?;
    }
    fs::create_dir(format!("{bundle}/rootfs/goods/inner"))?;
    fs::write(format!("{bundle}/rootfs/goods/new"), "x")?;
    they(&["umoci", "repack", "--image", &image, &bundle])?;
    shop.must_in("second", &["load", &layout, "theirs:1"])?;
    equal(
        &shop.must_in("second", &["run", "theirs:1", "sh", "-c", "echo /goods/* /goods/inner/*"])?,
        &format!("{} /goods/inner/*\n", LEFT.trim()),
    )
}

fn podman_pulls(shop: &Shop) -> Result<(), Finding> {
    let digest = changed(shop)?;
    let (root, run) = (shop.place("podman"), shop.place("podman-run"));
    let (root, run) = (root.to_string_lossy(), run.to_string_lossy());
    let podman = ["podman", "--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    // It calls the image by its path, and a name has no upper case letters; our folder's own may have some.
    let link = Link::to(&images(shop), "podman")?;
    let ours = format!("oci:{}:next:1", link.0.display());
    let pulled = they(&[&podman[..], &["pull", "-q", &ours]].concat())?;
    let seen =
        they(&[&podman[..], &["image", "inspect", "--format", "{{.Digest}}", pulled.trim()]].concat())?;
    equal(seen.trim(), &digest)?;
    // And back: what podman packs, in either form, is the same image here.
    for form in ["oci-archive", "docker-archive"] {
        let archive = shop.place(form).to_string_lossy().into_owned();
        let save = ["save", "-q", "--format", form, "-o", &archive, pulled.trim()];
        they(&[&podman[..], &save].concat())?;
        let root = format!("of-{form}");
        shop.must_in(&root, &["load", &archive, "again"])?;
        equal(&shop.must_in(&root, &["run", "again", "cat", "/goods/new"])?, "x\n")?;
    }
    Ok(())
}

/// Two layers on ours: one deletes, the other adds and deletes what a layer below the last has. buildah runs the commands,
/// in a chroot of its own making, so that nothing here ever has a path of that tree in its hands.
fn buildah_builds(shop: &Shop) -> Result<(), Finding> {
    let (root, run, context) = (shop.place("buildah"), shop.place("buildah-run"), shop.place("context"));
    fs::create_dir(&context)?;
    let (root, run, context) = (root.to_string_lossy(), run.to_string_lossy(), context.to_string_lossy());
    let buildah = |words: &[&str]| {
        they(
            &[&["buildah", "--root", &root, "--runroot", &run, "--storage-driver", "vfs"][..], words]
                .concat(),
        )
    };
    let link = Link::to(&images(shop), "buildah")?;
    let pulled = buildah(&["pull", "-q", &format!("oci:{}:{IMAGE}", link.0.display())])?;
    let file = format!("{context}/Containerfile");
    // A file that is in no layer of ours goes with the layer that made it: its mark is buildah's own.
    let text = format!(
        "FROM {}\nRUN rm -r /goods/two /goods/inner && mkdir /goods/inner && echo gone > /goods/soon\n\
         COPY new /goods/new\nRUN rm /goods/soon\nENV FROM=buildah\nUSER 7:8\nCMD [\"sh\", \"-c\", \"echo /goods/* /goods/inner/* $FROM; id -u\"]\n",
        pulled.trim()
    );
    fs::write(&file, text)?;
    fs::write(format!("{context}/new"), "x")?;
    buildah(&[
        "build",
        "-q",
        "--layers",
        "--isolation",
        "chroot",
        "--tag",
        "built",
        "--file",
        &file,
        &context,
    ])?;
    for form in ["oci-archive", "docker-archive"] {
        let archive = shop.place(&format!("built-{form}")).to_string_lossy().into_owned();
        buildah(&["push", "-q", "built", &format!("{form}:{archive}:built:1")])?;
        let own = format!("of-{form}");
        shop.must_in(&own, &["load", &archive])?;
        let layers = shop.must_in(&own, &["inspect", "--format", "{{json .Layers}}", "built:1"])?;
        if layers.matches("DiffId").count() < 4 {
            return Err(anyhow!("buildah made these layers of four: {layers}").into());
        }
        let wanted = format!("{} /goods/inner/* buildah\n7\n", LEFT.trim());
        equal(&shop.must_in(&own, &["run", "built:1"])?, &wanted)?;
    }
    Ok(())
}

/// A short name for a folder, gone with it.
struct Link(std::path::PathBuf);

impl Link {
    fn to(folder: &str, whose: &str) -> Result<Self, Finding> {
        let place = std::env::temp_dir().join(format!("boxroom-{whose}-{}", std::process::id()));
        std::os::unix::fs::symlink(folder, &place)?;
        Ok(Self(place))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
