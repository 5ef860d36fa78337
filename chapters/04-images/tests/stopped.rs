//! A full disk, or SIGKILL at any moment: the store is valid, and the next run carries on.

#[path = "checks/shop.rs"]
#[allow(dead_code)] // the checks use the rest
mod shop;

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use checks::arena;
use checks::finding::Finding;
use checks::need::Need;
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::Arguments;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use shop::{IMAGE, Shop};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let with = |name: &str, needs, run: fn(&Shop) -> Result<(), Finding>| {
        trial(name.into(), needs, move || {
            let stage = Stage::tested("04-images")?;
            arena::inside(|| Ok(Shop::open(&stage).and_then(|shop| run(&shop))))?
        })
    };
    let trials = vec![
        with("ch04_killed_at_any_moment_the_store_is_valid", &[Need::UserNamespace], killed),
        with("ch04_on_a_full_disk_the_store_stays_as_it_was", &[Need::Root], full),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn verify(shop: &Shop, root: &str) -> Result<(), Finding> {
    let listed = shop.must_in(root, &["ls"])?;
    if listed.contains("damaged") {
        return Err(anyhow!("{listed}").into());
    }
    for digest in shop.must_in(root, &["ls", "--quiet"])?.lines() {
        shop.must_in(root, &["inspect", digest])?;
    }
    Ok(())
}

fn killed(shop: &Shop) -> Result<(), Finding> {
    let archive = shop.place("image.tar").to_string_lossy().into_owned();
    shop.must(&["save", "--output", &archive, IMAGE])?;
    let rootfs = shop.place("rootfs").to_string_lossy().into_owned();
    let work: [&[&str]; 4] = [
        &["load", &archive],
        &["unpack", IMAGE],
        &["import", &rootfs, "other"],
        &["run", "--no-group", IMAGE, "true"],
    ];
    for (n, words) in work.iter().enumerate() {
        for milliseconds in [1, 3, 8, 20, 45, 90, 160] {
            let mut child = shop.command_in("victim", words).stderr(std::process::Stdio::null()).spawn()?;
            thread::sleep(Duration::from_millis(milliseconds));
            child.kill()?;
            child.wait()?;
            verify(shop, "victim")?;
        }
        // Left alone, it gets to its end.
        shop.must_in("victim", words)
            .map_err(|error| Finding { seen: format!("{n}: {}", error.seen), ..error })?;
        verify(shop, "victim")?;
    }
    shop.must_in("victim", &["prune"])?;
    let beside = fs::read_dir(shop.place("victim/tmp"))?.count();
    let ran = shop.must_in("victim", &["run", IMAGE, "cat", "/goods/one"])?;
    if beside == 0 && ran == "goods/one" {
        Ok(())
    } else {
        Err(anyhow!("{beside} left beside, ran: {ran}").into())
    }
}

fn full(shop: &Shop) -> Result<(), Finding> {
    let small = shop.place("small");
    fs::create_dir(&small)?;
    // Enough for the image packed, not for the image unpacked.
    let packed = fs::read_dir(shop.place("root/images/blobs/sha256"))?
        .filter_map(Result::ok)
        .map(|blob| blob.metadata().map_or(0, |seen| seen.len()))
        .sum::<u64>();
    let archive = shop.place("image.tar").to_string_lossy().into_owned();
    shop.must(&["save", "--output", &archive, IMAGE])?;
    let size = format!("size={}", packed + packed / 2);
    mount(Some("tmpfs"), &small, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))?;
    let result = (|| {
        shop.must_in("small", &["load", &archive])?;
        let unpacked = shop.tell_in("small", &["unpack", IMAGE])?;
        let rootfs = shop.place("rootfs").to_string_lossy().into_owned();
        let imported = shop.tell_in("small", &["import", &rootfs, "second"])?;
        verify(shop, "small")?;
        let left = fs::read_dir(small.join("layers"))?.count() + fs::read_dir(small.join("tmp"))?.count();
        for (what, ended) in [("unpack", &unpacked), ("import", &imported)] {
            if ended.code != 125
                || !ended.stderr.contains("ENOSPC") && !ended.stderr.contains("No space left")
            {
                return Err(anyhow!("{what} on a full disk: code {}: {}", ended.code, ended.stderr).into());
            }
        }
        if left > 0 { Err(anyhow!("{left} things are left of what didn't fit").into()) } else { Ok(()) }
    })();
    umount2(&small, MntFlags::MNT_DETACH)?;
    result
}
