//! Real systems: Debian 11, 12 and 13, as mmdebstrap makes them. Each is imported and run, its own package manager finds every
//! file as it was, and what a container removes of it is gone from the image that is made of that.
//!
//! Some minutes the first time: `BOXROOM_REQUIRE=debian cargo test -p ch04-images --test debian`. The tars are kept below
//! `target/debian-cache`, or in the folder that `BOXROOM_DEBIAN` names (an ordinary user may read there what root has made).

#[path = "checks/shop.rs"]
#[allow(dead_code)] // the checks use the rest
mod shop;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, anyhow};
use checks::arena;
use checks::finding::Finding;
use checks::need::Need;
use checks::profile::Profile;
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::{Arguments, Trial};
use shop::Shop;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [("bullseye", "11"), ("bookworm", "12"), ("trixie", "13")]
        .map(|(suite, version)| system(suite, version));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn system(suite: &'static str, version: &'static str) -> Trial {
    trial(
        format!("ch04_debian_{suite}_is_whole_in_a_container"),
        &[Need::Debian, Need::UserNamespace],
        move || {
            if Profile::here() == Profile::OneId {
                // Its shadow file is the group 42's.
                return Err(Finding::untried(
                    "a Debian belongs to many ids; cargo workshop doctor --fix gives this user a range"
                        .into(),
                ));
            }
            let stage = Stage::tested("04-images")?;
            arena::inside(|| {
                let tar = cached(suite)?;
                Ok(Shop::open(&stage).and_then(|shop| whole(&shop, &tar, version)))
            })?
        },
    )
}

/// The system as a tar, made where it isn't there yet.
fn cached(suite: &str) -> Result<PathBuf> {
    let folder = match env::var_os("BOXROOM_DEBIAN") {
        Some(folder) => folder.into(),
        None => probe::target_dir()?.join("debian-cache"),
    };
    let tar = folder.join(format!("{suite}.tar"));
    if tar.is_file() {
        return Ok(tar);
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    // Beside first: a tar that has its name is whole.
    let beside = folder.join(format!("{suite}.partial-{}.tar", std::process::id()));
    let made = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--quiet", suite])
        .arg(&beside)
        .output()
        .context("mmdebstrap (apt-get install mmdebstrap)")
        .and_then(|output| match output.status.success() {
            true => Ok(fs::rename(&beside, &tar)?),
            false => Err(anyhow!("mmdebstrap {suite}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        });
    if made.is_err() {
        let _ = fs::remove_file(&beside);
    }
    made.map(|()| tar)
}

fn whole(shop: &Shop, tar: &Path, version: &str) -> Result<(), Finding> {
    shop.must(&["import", &tar.to_string_lossy(), "debian", "--change", "CMD [\"bash\"]"])?;
    let says = shop.must(&["run", "debian", "cat", "/etc/debian_version"])?;
    expect(says.starts_with(&format!("{version}.")), || format!("/etc/debian_version says {says:?}"))?;

    // Its own list of what every file must be; and that this list would tell.
    let dpkg = |words: &[&str], script: &str| shop.must(&[words, &["sh", "-c", script]].concat());
    let wrong = dpkg(&["run", "debian"], VERIFY)?;
    expect(wrong == "files\n", || format!("dpkg --verify: {wrong}"))?;
    let wrong = dpkg(&["run", "debian"], &format!("echo >> /usr/bin/apt; rm /usr/bin/dpkg-split; {VERIFY}"))?;
    let seen = wrong.contains("/usr/bin/apt\n") && wrong.contains("/usr/bin/dpkg-split\n");
    expect(seen, || format!("two files were spoiled, and dpkg --verify says: {wrong}"))?;

    // From outside: what GNU tar reads in the archive is what it reads in the container's export.
    shop.must(&["run", "--name", "whole", "debian", "true"])?;
    let export = shop.place("export.tar");
    shop.must(&["export", "--output", &export.to_string_lossy(), "whole"])?;
    let (before, after) = (list(tar)?, list(&export)?);
    let differ: Vec<_> = before.symmetric_difference(&after).take(10).collect();
    expect(differ.is_empty() && before.len() > 3000, || {
        format!("{} entries; not in both: {differ:#?}", before.len())
    })?;

    // A package goes, as packages do: many files deleted, replaced and linked. The next image has just that.
    let said = dpkg(&["run", "--name", "without", "debian"], "dpkg --force-depends --purge apt")?;
    expect(said.contains("Removing apt"), || said.clone())?;
    shop.must(&["commit", "without", "next"])?;
    let gone = "[ ! -e /usr/bin/apt ] && [ ! -e /var/lib/dpkg/info/apt.list ]";
    let left = dpkg(&["run", "next"], &format!("{gone} && {VERIFY}"))?;
    expect(left == "files\n", || format!("without apt dpkg --verify says: {left}"))
}

/// Nothing before the last line, where every file is as its package has it. That dpkg has a list at all stands in that line.
const VERIFY: &str =
    "dpkg --verify && [ $(cat /var/lib/dpkg/info/*.md5sums | wc -l) -gt 2000 ] && echo files";

/// Type, mode, owner, size, time and name of every entry. Which name of a file with several comes first is the archive's
/// affair, so of those only the names count; and the root itself has the time of the container's own folder.
fn list(tar: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "--full-time", "--quoting-style=c", "--file"])
        .arg(tar)
        .output()
        .context("tar")?;
    let text = String::from_utf8_lossy(&output.stdout).replace("\"./", "\"");
    // Up to the first quote stands what it is, between quotes what it is called, behind that where a link leads.
    let lines: Vec<(String, String, &str)> = text
        .lines()
        .filter_map(|line| {
            let (about, rest) = line.split_once('"')?;
            let (name, link) = rest.split_once('"')?;
            Some((about.split_whitespace().collect::<Vec<_>>().join(" "), name.to_string(), link))
        })
        .collect();
    let mut shared = BTreeSet::new();
    for (about, name, link) in &lines {
        if about.starts_with('h') {
            shared.insert(name.clone());
            shared.extend(link.split('"').nth(1).map(String::from));
        }
    }
    // No user namespace may make a device.
    let has_nodes = Profile::here() == Profile::Root;
    let kept = lines
        .into_iter()
        .filter(|(about, name, _)| !name.is_empty() && (has_nodes || !about.starts_with(['b', 'c'])));
    Ok(kept
        .map(
            |(about, name, link)| if shared.contains(&name) { name } else { format!("{about} {name}{link}") },
        )
        .collect())
}

fn expect(holds: bool, seen: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(anyhow!(seen()).into()) }
}
