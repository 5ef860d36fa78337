//! PAX records: what doesn't fit into a header. `LENGTH KEY=VALUE\n`, the length in decimal and counting itself.

use anyhow::{Context, Result};

use super::acl;
use super::entry::Time;
use super::sparse::Said;

/// What the records before an entry said.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The name.
    pub path: Option<Vec<u8>>,
    /// Where a link leads.
    pub link: Option<Vec<u8>>,
    /// Content, bytes.
    pub size: Option<u64>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Modification time.
    pub modified: Option<Time>,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Holes.
    pub sparse: Said,
}

/// Go's and GNU tar's way to write an extended attribute.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// An ACL as text, and the attribute that it is on disk.
const ACLS: [(&[u8], &[u8]); 2] = [
    (b"SCHILY.acl.access", b"system.posix_acl_access"),
    (b"SCHILY.acl.default", b"system.posix_acl_default"),
];

impl Records {
    /// Takes over what `bytes` say; later records win over earlier ones.
    ///
    /// # Errors
    /// A record without its form.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (record, rest) = split(bytes).context("a PAX record isn't LENGTH KEY=VALUE")?;
            bytes = rest;
            let equals = record.iter().position(|&byte| byte == b'=').context("a PAX record without =")?;
            self.take(&record[..equals], &record[equals + 1..])?;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let shown = || format!("PAX {} = {:?}", String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        if let Some(name) = key.strip_prefix(XATTR) {
            self.xattrs.retain(|(other, _)| other != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        if let Some(rest) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.take(rest, value);
        }
        if let Some((_, attribute)) = ACLS.iter().find(|(name, _)| *name == key) {
            // One that names somebody whom only the image knows keeps its own name, which no file system has: so it is
            // left out, and told.
            let (name, value) = match acl::attribute(value) {
                Some(bytes) => (attribute.to_vec(), bytes),
                None => (key.to_vec(), value.to_vec()),
            };
            self.xattrs.retain(|(other, _)| *other != name);
            self.xattrs.push((name, value));
            return Ok(());
        }
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value).with_context(shown)?),
            b"uid" => self.uid = Some(decimal(value).with_context(shown)?),
            b"gid" => self.gid = Some(decimal(value).with_context(shown)?),
            b"mtime" => self.modified = Some(time(value).with_context(shown)?),
            // Comments, names of users (the numbers count), times of access: nothing that is kept.
            _ => {}
        }
        Ok(())
    }
}

/// One record and what comes after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &bytes[length..]))
}

fn decimal<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// `-1.25` is a second and a quarter before 1970; digits after the ninth are finer than any file system.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{part:0<9}")[..9].parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some(Time { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Some(Time { seconds, nanoseconds })
}

/// A record as text, its length found by trying: it counts its own digits.
pub fn write(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend(format!("{length} ").bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A time as a record's value.
#[must_use]
pub fn time_text(Time { seconds, nanoseconds }: Time) -> String {
    if seconds < 0 && nanoseconds > 0 {
        let whole = (seconds + 1).unsigned_abs();
        return format!("-{whole}.{:09}", 1_000_000_000 - nanoseconds).trim_end_matches('0').into();
    }
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    format!("{seconds}.{nanoseconds:09}").trim_end_matches('0').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_pax_length_counts_itself() {
        let mut out = Vec::new();
        write(&mut out, b"path", &[b'x'; 92]);
        assert!(out.starts_with(b"102 path=") && out.len() == 102);
        let mut records = Records::default();
        records.read(&out).unwrap();
        assert_eq!(records.path.unwrap().len(), 92);
    }

    #[test]
    fn ch04_pax_times_go_there_and_back() {
        for (seconds, nanoseconds) in [(0, 0), (5, 250_000_000), (-2, 750_000_000), (1, 1), (-5, 0)] {
            let before = Time { seconds, nanoseconds };
            assert_eq!(time(time_text(before).as_bytes()), Some(before));
        }
        assert_eq!(time(b"-1.25"), Some(Time { seconds: -2, nanoseconds: 750_000_000 }));
        assert_eq!(time(b"1.x"), None);
    }

    #[test]
    fn ch04_pax_refuses_what_has_no_form() {
        for wrong in [&b"5 a=b\n"[..], b"99 a=b\n", b"x", b"6 abc\n", b"0 \n", b"18446744073709551615 a=b\n"]
        {
            assert!(Records::default().read(wrong).is_err(), "{wrong:?}");
        }
    }
}
