//! Moments, as the state and the log have them: RFC 3339 with nanoseconds, in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct When(pub u64);

const SECOND: u64 = 1_000_000_000;

impl When {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64))
    }

    /// How long ago it was; zero for what is still to come.
    #[must_use]
    pub fn ago(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }

    /// What a person writes for a moment: RFC 3339, a date, seconds since 1970, or how long ago (`90s`, `1h30m`).
    ///
    /// # Errors
    /// It is none of these.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Ok(when) = text.parse() {
            return Ok(when);
        }
        if let Some(span) = span(text) {
            return Ok(Self(Self::now().0.saturating_sub(span.as_nanos() as u64)));
        }
        let (seconds, parts) = text.split_once('.').unwrap_or((text, ""));
        let parts = format!("{parts:0<9}");
        match (seconds.parse::<u64>(), parts.get(..9).and_then(|parts| parts.parse::<u64>().ok())) {
            (Ok(seconds), Some(parts)) => Ok(Self(seconds.saturating_mul(SECOND).saturating_add(parts))),
            _ => Err(format!(
                "{text:?} is no moment; write 10m (ago), 2026-03-01T12:00:00Z, 2026-03-01, or seconds since 1970"
            )),
        }
    }
}

/// `1h30m`, `90s`, `1.5h`, `200ms`, as Go writes a duration.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = rest.get(..end)?.parse::<f64>().ok()?;
        rest = rest.get(end..)?;
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number
            * match rest.get(..end)? {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = rest.get(end..)?;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

/// As Docker says it: `About a minute`, `3 hours`.
#[must_use]
pub fn for_people(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".into(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours <= 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / SECOND, self.0 % SECOND);
        let whole = ch04_images::build::rfc3339(seconds);
        write!(out, "{}.{nanos:09}Z", whole.trim_end_matches('Z'))
    }
}

impl FromStr for When {
    type Err = String;

    /// `2026-03-01`, `2026-03-01T12:00:00`, with parts of a second, `Z` or `+02:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no moment as RFC 3339 has it");
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<i64>().ok()).ok_or_else(wrong);
        let (date, rest) = text.split_once(['T', ' ']).unwrap_or((text, ""));
        let mut date = date.splitn(3, '-');
        let (year, month, day) = (number(date.next())?, number(date.next())?, number(date.next())?);
        if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(wrong());
        }
        let (clock, shift) = match rest.rfind(['Z', '+', '-']) {
            Some(at) if !rest[at..].starts_with('Z') => {
                let (hours, minutes) = rest[at + 1..].split_once(':').ok_or_else(wrong)?;
                let shift = number(Some(hours))? * 3600 + number(Some(minutes))? * 60;
                (&rest[..at], if rest[at..].starts_with('-') { -shift } else { shift })
            }
            Some(at) => (&rest[..at], 0),
            None => (rest, 0),
        };
        let (clock, parts) = clock.split_once('.').unwrap_or((clock, "0"));
        let parts = format!("{parts:0<9}");
        let mut clock = clock.splitn(3, ':').filter(|part| !part.is_empty());
        let mut next = || clock.next().map_or(Ok(0), |part| number(Some(part)));
        let (hours, minutes, seconds) = (next()?, next()?, next()?);
        let seconds = days(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds - shift;
        let parts: u64 = parts.get(..9).and_then(|parts| parts.parse().ok()).ok_or_else(wrong)?;
        Ok(Self(u64::try_from(seconds).map_err(|_| wrong())? * SECOND + parts))
    }
}

/// Days from 1970 to a date of the Gregorian calendar: years are counted from March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_moment_is_read_as_it_is_written() {
        for text in [
            "1970-01-01T00:00:00.000000001Z",
            "2024-02-29T23:59:59.123456789Z",
            "2026-11-25T08:00:00.000000000Z",
        ] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
        let plain: When = "2026-11-25T10:00:00+02:00".parse().unwrap();
        assert_eq!(plain.to_string(), "2026-11-25T08:00:00.000000000Z");
        assert_eq!("2026-11-25".parse::<When>().unwrap().to_string(), "2026-11-25T00:00:00.000000000Z");
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-25Tx", "2026-11-25T10:00+2"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ch06_spans_are_gos() {
        assert_eq!(span("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(span("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(span("200ms"), Some(Duration::from_millis(200)));
        for wrong in ["", "10", "s", "1x", "-1s"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
        assert_eq!(When::read("1.5").unwrap(), When(1_500_000_000));
    }

    #[test]
    fn ch06_spans_for_people_are_dockers() {
        let said = |seconds| for_people(Duration::from_secs(seconds));
        assert_eq!(
            (said(0), said(1), said(59)),
            ("Less than a second".into(), "1 second".into(), "59 seconds".into())
        );
        assert_eq!((said(61), said(180)), ("About a minute".into(), "3 minutes".into()));
        assert_eq!(
            (said(3600), said(7200), said(86_400 * 3)),
            ("About an hour".into(), "2 hours".into(), "3 days".into())
        );
    }
}
