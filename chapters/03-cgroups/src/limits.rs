//! What the command line may ask for, and what makes no sense on this machine.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;
use clap::Args;
use nix::sys::stat::{major, minor};
use serde::{Deserialize, Serialize};

use crate::size::{parse_size, show};

/// How much a container may use. What isn't named isn't limited.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct Limits {
    /// The most memory: 64M, 2G. Swap is limited with it: none, unless --memory-swap says more
    #[arg(long, short, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true)]
    pub memory: Option<u64>,
    /// Memory and swap together (as Docker counts), at least --memory
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true)]
    pub memory_swap: Option<u64>,
    /// From here on memory is reclaimed and the command slowed down, before --memory kills (cgroup v2)
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_hyphen_values = true)]
    pub memory_high: Option<u64>,
    /// How many processors' time: 0.5 is half of one
    #[arg(long, value_name = "N", value_parser = parse_cpus, allow_hyphen_values = true)]
    pub cpus: Option<f64>,
    /// Its share where processors are scarce: 1 to 10000, everybody begins with 100
    #[arg(long, value_name = "WEIGHT", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub cpu_weight: Option<u64>,
    /// On which processors it may run: 0-1,3
    #[arg(long, alias = "cpuset-cpus", value_name = "LIST", value_parser = parse_list)]
    pub cpuset: Option<String>,
    /// The most processes and threads
    #[arg(long, alias = "pids-limit", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_194_304), allow_hyphen_values = true)]
    pub pids: Option<u64>,
    /// The most io of a block device: /dev/sda:rbps=1048576,wiops=100 (cgroup v2)
    #[arg(long, value_name = "DEV:KEY=N,...", value_parser = parse_io)]
    pub io_max: Vec<IoMax>,
}

/// A line of `io.max`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoMax {
    /// The device: `/dev/sda` or `8:0`.
    pub device: String,
    /// Its keys: rbps, wbps (bytes a second), riops, wiops (operations a second).
    pub keys: Vec<(String, u64)>,
}

impl Limits {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The controllers that these limits need, each with the flag that wants it.
    #[must_use]
    pub fn controllers(&self) -> Vec<(&'static str, &'static str)> {
        let asked = [
            (self.memory.is_some(), "memory", "--memory"),
            (self.memory_high.is_some(), "memory", "--memory-high"),
            (self.cpus.is_some(), "cpu", "--cpus"),
            (self.cpu_weight.is_some(), "cpu", "--cpu-weight"),
            (self.cpuset.is_some(), "cpuset", "--cpuset"),
            (self.pids.is_some(), "pids", "--pids"),
            (!self.io_max.is_empty(), "io", "--io-max"),
        ];
        asked
            .into_iter()
            .filter(|(asked, ..)| *asked)
            .map(|(_, controller, flag)| (controller, flag))
            .collect()
    }

    /// Whether they can mean something on this machine.
    ///
    /// # Errors
    /// More than the machine has, or two that contradict each other.
    pub fn check(&self) -> Result<()> {
        let total = memory_of_the_machine();
        for (flag, size) in [("--memory", self.memory), ("--memory-high", self.memory_high)] {
            let (Some(size), Some(total)) = (size, total) else { continue };
            if size > total {
                let what = format!("{flag} {}: this machine has {}", show(size), show(total));
                return Err(said(
                    what,
                    "a limit that can't be reached limits nothing",
                    "a smaller one, or none",
                ));
            }
        }
        if let Some(size) = self.memory.filter(|size| *size < LEAST) {
            let what = format!("--memory {}: at least {}", show(size), show(LEAST));
            let cause = "the kernel counts in pages and in batches, and the launch itself needs some";
            return Err(said(what, cause, "--memory 4M"));
        }
        match (self.memory, self.memory_swap) {
            (None, Some(_)) => {
                return Err(said("--memory-swap without --memory", "it is the two together", "add --memory"));
            }
            (Some(memory), Some(both)) if both < memory => {
                let what = format!("--memory-swap {}: less than --memory {}", show(both), show(memory));
                return Err(said(what, "it is memory and swap together", "at least as much as --memory"));
            }
            _ => {}
        }
        if let (Some(memory), Some(high)) = (self.memory, self.memory_high)
            && high > memory
        {
            let what = format!("--memory-high {}: more than --memory {}", show(high), show(memory));
            return Err(said(what, "it would never be reached", "less than --memory"));
        }
        let here = processors();
        if let Some(cpus) = self.cpus.filter(|cpus| *cpus > here as f64) {
            let what = format!("--cpus {cpus}: there are {here} for this process");
            return Err(said(what, "a limit that can't be reached limits nothing", "fewer, or none"));
        }
        Ok(())
    }
}

/// The kernel charges memory in batches of up to 64 pages for each processor, and our own child needs half of it.
const LEAST: u64 = 1 << 20;

fn said(what: impl Into<String>, cause: &str, hint: &str) -> Failure {
    Failure::said(what, cause, hint)
}

/// Bytes. sysinfo(2)
fn memory_of_the_machine() -> Option<u64> {
    nix::sys::sysinfo::sysinfo().ok().map(|machine| machine.ram_total())
}

/// Those that this process may run on. sched_setaffinity(2)
fn processors() -> usize {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return 1 };
    (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count()
}

impl IoMax {
    /// The device's numbers, as the kernel wants them.
    ///
    /// # Errors
    /// There is no such block device.
    pub fn numbers(&self) -> Result<(u64, u64)> {
        let plain = self.device.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        if let Some(numbers) = plain {
            return Ok(numbers);
        }
        let what = |why: &str| format!("--io-max {}: {why}", self.device);
        let file = fs::metadata(&self.device)
            .map_err(|error| said(what(&error.to_string()), "it names a block device", "lsblk lists them"))?;
        if !file.file_type().is_block_device() {
            return Err(said(what("not a block device"), "io is limited by device", "lsblk lists them"));
        }
        Ok((major(file.rdev()), minor(file.rdev())))
    }
}

fn parse_cpus(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() && n >= 0.01 => Ok(n),
        Ok(_) => Err(format!("{text:?}: at least 0.01 (the kernel gives no less than 1 ms in 100 ms)")),
        Err(_) => Err(format!("{text:?} is no number of processors; write 0.5 or 2")),
    }
}

/// `0-1,3`: the kernel reads more forms; these are those that people write.
fn parse_list(text: &str) -> Result<String, String> {
    let good = |range: &str| match range.split_once('-') {
        None => range.parse::<u16>().is_ok(),
        Some((from, to)) => {
            matches!((from.parse::<u16>(), to.parse::<u16>()), (Ok(from), Ok(to)) if from <= to)
        }
    };
    if text.split(',').all(good) {
        return Ok(text.into());
    }
    Err(format!("{text:?} is no list of processors; write 0, 0-1 or 0-1,3"))
}

fn parse_io(text: &str) -> Result<IoMax, String> {
    let form = || {
        format!("{text:?}: write DEV:KEY=N,... with rbps, wbps, riops, wiops, such as /dev/sda:wbps=1048576")
    };
    let (device, keys) = text.rsplit_once(':').ok_or_else(form)?;
    let key = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = if key.ends_with("bps") { parse_size(value).ok()? } else { value.parse().ok()? };
        (["rbps", "wbps", "riops", "wiops"].contains(&key) && value > 0).then(|| (key.to_string(), value))
    };
    let keys: Option<Vec<_>> = keys.split(',').map(key).collect();
    match keys {
        Some(keys) if !device.is_empty() => Ok(IoMax { device: device.into(), keys }),
        _ => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_lists_and_shares_are_read() {
        assert!(parse_list("0-1,3").is_ok());
        for wrong in ["", "a", "1-0", "0,", "-1", "99999"] {
            assert!(parse_list(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse_cpus("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "half", "0.001"] {
            assert!(parse_cpus(wrong).is_err(), "{wrong:?}");
        }
        let io = parse_io("8:0:rbps=1m,wiops=10").unwrap();
        assert_eq!((io.device.as_str(), io.numbers().unwrap()), ("8:0", (8, 0)));
        assert_eq!(io.keys, [("rbps".into(), 1 << 20), ("wiops".into(), 10)]);
        for wrong in ["8:0", "/dev/sda:", ":rbps=1", "/dev/sda:fast=1", "/dev/sda:rbps=0", "/dev/sda:riops=x"]
        {
            assert!(parse_io(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ch03_limits_that_contradict_each_other() {
        let limits =
            |memory, both, high| Limits { memory, memory_swap: both, memory_high: high, ..Limits::default() };
        assert!(limits(Some(64 << 20), None, None).check().is_ok());
        assert!(limits(Some(64 << 20), Some(128 << 20), Some(32 << 20)).check().is_ok());
        assert!(limits(None, Some(64 << 20), None).check().is_err());
        assert!(limits(Some(64 << 20), Some(32 << 20), None).check().is_err());
        assert!(limits(Some(64 << 20), None, Some(65 << 20)).check().is_err());
        assert!(limits(Some(1 << 50), None, None).check().is_err());
        assert!(limits(Some(4096), None, None).check().is_err());
        assert!(Limits { cpus: Some(5000.0), ..Limits::default() }.check().is_err());
    }
}
