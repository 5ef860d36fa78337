//! ACLs as text, as GNU tar and star write them (`SCHILY.acl.access`), made into the attribute that the kernel keeps.
//! acl(5); the attribute's form: include/uapi/linux/posix_acl_xattr.h.

/// The version that the attribute begins with.
const VERSION: u32 = 2;
/// The id of an entry that has none.
const NOBODY: u32 = u32::MAX;

/// `user::rwx,user:33:r--,group::r-x,mask::r-x,other::---`: the attribute's bytes. Text with a name that isn't a number is
/// None where no number stands behind it (star's fourth field): whose it is only the image could say.
#[must_use]
pub fn attribute(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.split([',', '\n']).map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut entries = lines.filter(|line| !line.is_empty()).map(entry).collect::<Option<Vec<_>>>()?;
    // The kernel takes them in this order alone.
    entries.sort_unstable();
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    Some(bytes)
}

/// Tag, id and permissions.
fn entry(line: &str) -> Option<(u16, u32, u16)> {
    let fields: Vec<&str> = line.split(':').map(str::trim).collect();
    let (kind, name, permissions) = match fields.as_slice() {
        // `other:r--`, as some write it.
        [kind @ ("other" | "o" | "mask" | "m"), permissions] => (*kind, "", *permissions),
        [kind, name, permissions] | [kind, name, permissions, _] => (*kind, *name, *permissions),
        _ => return None,
    };
    let id = || match fields.get(3) {
        Some(number) => number.parse().ok(),
        None if name == "root" => Some(0),
        None => name.parse().ok(),
    };
    let (tag, id) = match (kind, name) {
        ("user" | "u", "") => (0x01, NOBODY),
        ("user" | "u", _) => (0x02, id()?),
        ("group" | "g", "") => (0x04, NOBODY),
        ("group" | "g", _) => (0x08, id()?),
        ("mask" | "m", "") => (0x10, NOBODY),
        ("other" | "o", "") => (0x20, NOBODY),
        _ => return None,
    };
    let bit = |letter: char| match letter {
        'r' => Some(4),
        'w' => Some(2),
        'x' => Some(1),
        '-' => Some(0),
        _ => None,
    };
    let permissions = permissions.chars().map(bit).sum::<Option<u16>>()?;
    (permissions <= 7).then_some((tag, id, permissions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_an_acls_text_becomes_the_attribute() {
        let bytes =
            attribute(b"user::rw-,other::---,mask::r--,user:lisa:r--:502,user:33:rwx,group::r-x\n").unwrap();
        let entries: Vec<_> = bytes[4..].chunks(8).map(|entry| (entry[0], entry[2], entry[4])).collect();
        assert_eq!(bytes[..4], [2, 0, 0, 0]);
        assert_eq!(entries, [(1, 6, 255), (2, 7, 33), (2, 4, 246), (4, 5, 255), (16, 4, 255), (32, 0, 255)]);
    }

    #[test]
    fn ch04_an_acl_of_somebody_unknown_is_none() {
        for text in [&b"user:lisa:rwx"[..], b"user::rwz", b"nonsense", b"user::rrrr", b"\xff"] {
            assert_eq!(attribute(text), None);
        }
    }
}
