//! A signal as people name it: `TERM`, `SIGTERM`, `15`; and the real-time ones (`SIGRTMIN+3` is how systemd is asked to
//! halt), for which nix has no word. signal(7).

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal;

/// A signal that may be sent: one with a name, or a real-time one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(i32);

/// The kernel's begin at 32; glibc keeps two for itself, and Docker counts from here whatever the image's libc is.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Number {
    /// As the kernel counts.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }

    fn new(number: i32) -> Option<Self> {
        let known = Signal::try_from(number).is_ok() || (RTMIN..=RTMAX).contains(&number);
        known.then_some(Self(number))
    }
}

impl From<Signal> for Number {
    fn from(signal: Signal) -> Self {
        Self(signal as i32)
    }
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = if let Some(above) = name.strip_prefix("RTMIN") {
            offset(above, '+').map(|above| Self(RTMIN + above))
        } else if let Some(below) = name.strip_prefix("RTMAX") {
            offset(below, '-').map(|below| Self(RTMAX - below))
        } else if let Ok(number) = text.parse() {
            Self::new(number)
        } else {
            format!("SIG{name}").parse::<Signal>().ok().map(Self::from)
        };
        number.ok_or_else(|| format!("invalid signal: {text}"))
    }
}

/// Nothing, or a sign and a number that leads to none but a real-time signal.
fn offset(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let number: u8 = text.strip_prefix(sign)?.parse().ok()?;
    Some(i32::from(number)).filter(|number| *number <= RTMAX - RTMIN)
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (Signal::try_from(self.0), self.0 - RTMIN) {
            (Ok(signal), _) => signal.fmt(out),
            (Err(_), 0) => out.write_str("SIGRTMIN"),
            (Err(_), above) => write!(out, "SIGRTMIN+{above}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_a_signal_is_known_by_all_its_names() {
        let number = |text: &str| text.parse::<Number>().map(Number::get);
        for (text, wanted) in [
            ("TERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("SIGRTMIN+3", 37),
            ("rtmin", 34),
            ("RTMAX-14", 50),
            ("SIGRTMAX", 64),
            ("37", 37),
        ] {
            assert_eq!(number(text), Ok(wanted));
        }
        for wrong in [
            "", "0", "-1", "32", "33", "65", "SIG", "NOPE", "RTMIN+31", "RTMIN-1", "RTMAX-31", "RTMIN+",
            "RTMIN3",
        ] {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
        let said = |text: &str| text.parse::<Number>().unwrap().to_string();
        assert_eq!(
            (said("9"), said("37"), said("34")),
            ("SIGKILL".into(), "SIGRTMIN+3".into(), "SIGRTMIN".into())
        );
    }
}
