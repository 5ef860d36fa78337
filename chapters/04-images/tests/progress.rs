//! Long work: a bar where somebody looks, not a byte where nobody does, and Ctrl-C leaves nothing behind.

#[path = "checks/shop.rs"]
#[allow(dead_code)] // the checks use the rest
mod shop;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use checks::arena;
use checks::finding::Finding;
use checks::need::Need;
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::Arguments;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use shop::Shop;

/// No machine has read it before somebody sees that it has begun; bytes.
const MUCH: u64 = 32 << 20;
/// Work that takes so long has a bar.
const LONG: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let with = |name: &str, needs, run: fn(&Shop) -> Result<()>| {
        trial(name.into(), needs, move || {
            let stage = Stage::tested("04-images")?;
            arena::inside(|| Ok(Shop::open(&stage).and_then(|shop| run(&shop).map_err(Finding::from))))?
        })
    };
    let trials = vec![
        with("ch04_a_bar_is_drawn_only_where_somebody_looks", &[Need::UserNamespace], drawn),
        with("ch04_an_interrupted_import_leaves_nothing", &[Need::UserNamespace], interrupted_import),
        // Whoever stops an ordinary user's helper in the map is its parent; here it is root's own process.
        with("ch04_an_interrupted_unpack_leaves_nothing", &[Need::Root], interrupted_unpack),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A tar of one large file, which no compressor makes small, and which belongs to an id that every user namespace has.
fn large(shop: &Shop, bytes: u64) -> Result<String> {
    let (folder, tar) = (shop.place("large"), shop.place("large.tar"));
    fs::create_dir(&folder)?;
    let mut much = File::open("/dev/urandom")?.take(bytes);
    io::copy(&mut much, &mut File::create(folder.join("much"))?)?;
    let made = std::process::Command::new("tar")
        .args(["--owner=0", "--group=0", "-cf"])
        .arg(&tar)
        .arg("-C")
        .arg(&folder)
        .arg(".")
        .status()?;
    if !made.success() {
        bail!("tar: {made}");
    }
    Ok(tar.to_string_lossy().into_owned())
}

fn must<T>(done: Result<T, Finding>) -> Result<T> {
    done.map_err(|finding| anyhow!("{}", finding.seen))
}

fn drawn(shop: &Shop) -> Result<()> {
    let tar = large(shop, MUCH)?;
    let archive = shop.place("saved.tar").to_string_lossy().into_owned();
    looks(shop, &["import", &tar, "large"], "importing")?;
    let silent = must(shop.tell(&["save", "--output", &archive, "large"]))?;
    expect(silent.stderr.is_empty(), || format!("save: where nobody looks: {:?}", silent.stderr))?;
    for (words, wanted) in [(["load", &archive], "loading"), (["unpack", "large"], "unpacking")] {
        looks(shop, &words, wanted)?;
        let silent = must(shop.tell_in("quiet", &words))?;
        expect(silent.code == 0 && silent.stderr.is_empty(), || {
            format!("{}: where nobody looks: {:?}", words.join(" "), silent.stderr)
        })?;
    }
    Ok(())
}

fn expect(holds: bool, or: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { bail!(or()) }
}

/// There is a bar, and at the end there is none.
fn looks(shop: &Shop, words: &[&str], wanted: &str) -> Result<()> {
    let seen = on_a_terminal(shop, words)?;
    let last = seen.rsplit('\r').next().unwrap_or_default();
    let is_drawn = ["█", "░"].iter().any(|part| seen.contains(&format!("{wanted} {part}")));
    expect(is_drawn && last == "\x1b[K", || format!("{}: on a terminal: {seen:?}", words.join(" ")))
}

/// All that the program writes to a terminal that is its standard error.
fn on_a_terminal(shop: &Shop, words: &[&str]) -> Result<String> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let path = ptsname(&ours, Vec::new())?;
    let theirs = File::options().read(true).write(true).open(path.to_str()?)?;
    let mut command = shop.command_in("root", words);
    command.stdout(Stdio::null()).stderr(theirs);
    let mut child = command.process_group(0).spawn()?;
    drop(command); // with it goes our copy of their end
    // However quick the machine is: in the middle of it time passes. An ordinary user's helper stands still with it.
    let all = Pid::from_raw(i32::try_from(child.id())?);
    until(|| count(shop, "root/tmp") > 0).context("nothing was begun")?;
    killpg(all, Signal::SIGSTOP)?;
    thread::sleep(LONG);
    killpg(all, Signal::SIGCONT)?;
    let (mut seen, mut ours) = (Vec::new(), File::from(ours));
    // EIO says that nobody has the other end any more. pty(7)
    let read = ours.read_to_end(&mut seen);
    let status = child.wait()?;
    if !status.success() || read.is_ok_and(|length| length == 0) {
        bail!("{}: {status}: {:?}", words.join(" "), String::from_utf8_lossy(&seen));
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

/// Its standard input has begun and doesn't go on: the wait for it ends.
fn interrupted_import(shop: &Shop) -> Result<()> {
    let tar = large(shop, 1 << 20)?;
    let mut command = shop.command_in("stopped", &["import", "-", "large"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().context("a pipe")?;
    let mut begun = vec![0; 1 << 20];
    File::open(tar)?.read_exact(&mut begun)?;
    input.write_all(&begun)?;
    until(|| count(shop, "stopped/tmp") > 0).context("nothing was begun")?;
    interrupt(&mut child)?;
    nothing_is_left(shop)
}

fn interrupted_unpack(shop: &Shop) -> Result<()> {
    let tar = large(shop, MUCH)?;
    must(shop.must_in("stopped", &["import", &tar, "large"]))?;
    let mut child = shop.command_in("stopped", &["unpack", "large"]).spawn()?;
    until(|| count(shop, "stopped/tmp") > 0).context("nothing was begun")?;
    interrupt(&mut child)?;
    nothing_is_left(shop)?;
    must(shop.must_in("stopped", &["unpack", "large"])).map(drop)
}

fn interrupt(child: &mut Child) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let status = child.wait()?;
    if status.signal() != Some(Signal::SIGINT as i32) {
        bail!("after SIGINT: {status}, where a shell expects that the process died of it");
    }
    Ok(())
}

fn nothing_is_left(shop: &Shop) -> Result<()> {
    let (beside, layers) = (count(shop, "stopped/tmp"), count(shop, "stopped/layers"));
    if beside + layers > 0 { bail!("left: {beside} beside, {layers} layers") } else { Ok(()) }
}

fn count(shop: &Shop, folder: &str) -> usize {
    fs::read_dir(shop.place(folder)).map_or(0, Iterator::count)
}

fn until(come: impl Fn() -> bool) -> Result<()> {
    for _ in 0..50_000 {
        if come() {
            return Ok(());
        }
        thread::sleep(Duration::from_micros(200));
    }
    bail!("ten seconds have passed")
}
