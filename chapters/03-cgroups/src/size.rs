//! Sizes in bytes as people write them: `64M`, and as they read them: `64 MiB`. Powers of 1024, as Docker's.

const UNITS: [(char, &str, u64); 4] =
    [('t', "TiB", 1 << 40), ('g', "GiB", 1 << 30), ('m', "MiB", 1 << 20), ('k', "KiB", 1 << 10)];

/// `67108864`, `65536k`, `64M`, `64MB`, `64MiB`, `1g` in bytes.
///
/// # Errors
/// What was written instead, with the form.
pub fn parse_size(text: &str) -> Result<u64, String> {
    if text.starts_with('-') {
        return Err(format!("{text:?} is less than nothing; write a size such as 512k, 64M or 2G"));
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.to_ascii_lowercase();
    let times = match unit.as_str() {
        "" | "b" => Some(1),
        _ => UNITS.iter().find_map(|(letter, _, bytes)| {
            let rest = unit.strip_prefix(*letter)?;
            ["", "b", "ib"].contains(&rest).then_some(*bytes)
        }),
    };
    let bytes = times.and_then(|times| digits.parse::<u64>().ok()?.checked_mul(times));
    match bytes {
        None => Err(format!("{text:?} is no size; write 512k, 64M or 2G (powers of 1024)")),
        Some(0) => Err("0 bytes leave room for nothing; write a size such as 64M".into()),
        Some(bytes) => Ok(bytes),
    }
}

/// `64 MiB` where it is that exactly, else `63.9 MiB`.
#[must_use]
pub fn show(bytes: u64) -> String {
    match UNITS.iter().find(|(_, _, unit)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((_, name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some(_) => show_tenths(bytes),
    }
}

/// `64.0 MiB`: for what was measured.
#[must_use]
pub fn show_tenths(bytes: u64) -> String {
    match UNITS.iter().find(|(_, _, unit)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((_, name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_sizes_are_read() {
        for (text, bytes) in [
            ("64M", 64 << 20),
            ("64MiB", 64 << 20),
            ("64mb", 64 << 20),
            ("1g", 1 << 30),
            ("4096", 4096),
            ("9b", 9),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in
            ["", "M", "64Q", "-1", "0", "0k", "1.5G", "64 M", "64MM", "99999999999T", "18446744073709551616"]
        {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ch03_sizes_are_shown() {
        assert_eq!(show(64 << 20), "64 MiB");
        assert_eq!(show(1536), "1.5 KiB");
        assert_eq!(show(17), "17 B");
        assert_eq!(show_tenths(64 << 20), "64.0 MiB");
    }
}
