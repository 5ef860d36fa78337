//! The noisy neighbour: two containers on one processor, one of them loud; how much is left for the other, without
//! groups, in groups, and with a limit. Drawn while it is measured.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// How often the quiet one is asked what it got.
const PACE: Duration = Duration::from_millis(100);
/// How many times.
const TIMES: usize = 16;
/// Clock ticks a second in /proc/PID/stat: fixed for programs, whatever the kernel's own.
const TICKS: f64 = 100.0;

/// One way to let the two live together.
struct Scene {
    title: &'static str,
    /// Chapter 02's rooms, both in one group; or each in a group of its own.
    grouped: bool,
    /// The loud one's limits.
    limits: &'static [&'static str],
}

const SCENES: [Scene; 3] = [
    Scene { title: "rooms without groups", grouped: false, limits: &[] },
    Scene { title: "a group for each", grouped: true, limits: &[] },
    Scene { title: "the loud one: --cpus 0.2", grouped: true, limits: &["--cpus", "0.2"] },
];

/// Both want all of one processor: one loop against four.
const QUIET: &str = "while :; do :; done";
const LOUD: &str = "for n in 1 2 3 4; do while :; do :; done & done; wait";

/// Runs the three scenes with `program` (this one) and draws them.
///
/// # Errors
/// A container can't be started; the writer is gone.
pub fn run(out: &mut impl Write, program: &Path) -> Result<()> {
    let interrupt = Interrupt::hold()?;
    writeln!(
        out,
        "One processor, two containers that both want all of it: a quiet one (1 loop), a loud one (4 loops)."
    )?;
    writeln!(out, "What the quiet one gets, every {} ms:\n", PACE.as_millis())?;
    for scene in SCENES {
        let shares = scene.play(program, &interrupt)?;
        let average = shares.iter().sum::<f64>() / shares.len() as f64;
        writeln!(out, "  {:<26} {}  {:3.0} %", scene.title, bars(&shares), average * 100.0)?;
        out.flush()?;
    }
    writeln!(
        out,
        "\nWithout groups each process counts; with groups each group does; a limit holds whoever is loud."
    )?;
    Ok(())
}

/// A container that ends with this value.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Its engine passes the signal on to number 1 of the room, which ignores it, and kills at the third. Two that
        // come before it has looked are one: so until it has ended. Not SIGINT: a shell without job control starts what it
        // puts behind (`&`) with that ignored, and whoever descends from it ignores it, too.
        while matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ctrl-C must not leave two containers behind that are busy for ever: it is read between two looks.
struct Interrupt(SignalFd);

impl Interrupt {
    fn hold() -> Result<Self> {
        let mut held = SigSet::empty();
        held.add(Signal::SIGINT);
        held.add(Signal::SIGTERM);
        held.thread_block()?;
        Ok(Self(SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    fn came(&self) -> bool {
        self.0.read_signal().is_ok_and(|signal| signal.is_some())
    }
}

impl Scene {
    fn play(&self, program: &Path, interrupt: &Interrupt) -> Result<Vec<f64>> {
        let (all, first) = processors()?;
        // What is started from here may run on one processor only; this program looks on from all.
        sched_setaffinity(Pid::from_raw(0), &only(first)?)?;
        let loud = self.start(program, "loud", first, self.limits, LOUD);
        let quiet = self.start(program, "quiet", first, &[], QUIET);
        sched_setaffinity(Pid::from_raw(0), &all)?;
        let (loud, quiet) = (loud?, quiet?);
        let pid = inside(quiet.0.id())?;
        std::thread::sleep(PACE);
        let mut shares = Vec::new();
        let mut last = (used(pid)?, Instant::now());
        for _ in 0..TIMES {
            std::thread::sleep(PACE);
            if interrupt.came() {
                bail!("interrupted; both containers have ended");
            }
            let now = (used(pid)?, Instant::now());
            shares.push((now.0 - last.0) / now.1.duration_since(last.1).as_secs_f64());
            last = now;
        }
        drop((quiet, loud));
        Ok(shares)
    }

    fn start(&self, program: &Path, role: &str, cpu: usize, limits: &[&str], script: &str) -> Result<Guest> {
        let mut command = Command::new(program);
        command.arg("run");
        if self.grouped {
            command
                .args(["--name", &format!("{role}-{}", std::process::id()), "--cpuset", &cpu.to_string()])
                .args(limits);
        } else {
            command.arg("--no-group");
        }
        command
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Guest(command.spawn().with_context(|| program.display().to_string())?))
    }
}

/// The processors that this program may use, and the first of them.
fn processors() -> Result<(CpuSet, usize)> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap_or(false));
    Ok((all, first.context("no processor")?))
}

fn only(cpu: usize) -> Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(set)
}

/// The command's number on the host: the only child of its engine.
fn inside(engine: u32) -> Result<u32> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        let children =
            fs::read_to_string(format!("/proc/{engine}/task/{engine}/children")).unwrap_or_default();
        if let Some(pid) = children.split_ascii_whitespace().next().and_then(|pid| pid.parse().ok())
            && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sh")
        {
            return Ok(pid);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("the container didn't start; ch03-cgroups run --cpuset 0 sh says why")
}

/// Seconds of processor time: fields 14 and 15, counted behind the name, which may hold anything.
fn used(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the quiet one has ended")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// A bar for each share of one processor.
fn bars(shares: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    shares.iter().map(|share| BARS[((share * 8.0) as usize).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_shares_are_bars() {
        assert_eq!(bars(&[0.0, 0.2, 0.5, 0.99, 1.3]), "▁▂▅██");
    }
}
