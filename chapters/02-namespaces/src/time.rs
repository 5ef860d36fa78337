//! Clocks of its own: how long the machine has been up. time_namespaces(7).

use std::path::Path;

use ch00_process::channel::Handed;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::Mechanism;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use std::os::fd::AsFd;

/// rustix and nix have no name for it yet (linux/sched.h).
const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// Clocks since boot, moved by an offset.
#[derive(Debug)]
pub struct Time {
    /// Seconds by which the machine seems to have been up longer.
    pub boottime: u64,
}

impl Mechanism for Time {
    const NAME: &'static str = "02-namespaces/time";
    type Opened = ();

    // ANCHOR: open
    /// In clone3 the namespace would have its first process at once, and with it the offsets are frozen.
    fn open(&self, k: &Kernel, _: &mut Handed) -> Result<()> {
        k.why("new clocks, for the children of this process").unshare(CLONE_NEWTIME)?;
        if self.boottime > 0 {
            let offsets = format!("monotonic {0} 0\nboottime {0} 0\n", self.boottime);
            k.why("moved while nobody lives by them yet")
                .write(Path::new("/proc/self/timens_offsets"), &offsets)?;
        }
        let ours = Path::new("/proc/self/ns/time_for_children");
        let ours = k.why("the clocks that our children would get").open(ours, OFlag::O_RDONLY)?;
        k.why("this process lives by them too").setns(ours.as_fd(), CLONE_NEWTIME)
    }
    // ANCHOR_END: open
}

/// A clock of the kernel counts nanoseconds in 63 bits, and may be moved by half of that: 146 years.
const MOST: u64 = i64::MAX as u64 / 2_000_000_000;

/// `90`, `90s`, `15m`, `12h`, `7d`, `10y` in seconds; a year has 365 days.
///
/// # Errors
/// What was written instead, with the form.
pub fn parse_span(text: &str) -> Result<u64, String> {
    let form = || format!("{text:?} is no span of time; write 90s, 15m, 12h, 7d or 10y");
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[end..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "y" => 365 * 86_400,
        _ => return Err(form()),
    };
    text[..end].parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|&n| n <= MOST).ok_or_else(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch02_spans_are_read() {
        assert_eq!(parse_span("10y"), Ok(315_360_000));
        assert_eq!(parse_span("90"), Ok(90));
        for wrong in ["", "y", "-1s", "1w", "99999999999999999999y", "9999999999999y"] {
            assert!(parse_span(wrong).is_err(), "{wrong:?}");
        }
    }
}
