//! Who `USER app` is: looked up in the image's own `/etc/passwd` and `/etc/group`, in its layers from the top down,
//! each name resolved beneath the layer without a symlink. Nothing of it is mounted or run for that. passwd(5), group(5).

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::apply::tree::is_whiteout;
use crate::pack::is_opaque;

/// A user of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The home directory, where /etc/passwd has one.
    pub home: Option<String>,
}

/// A larger file of users is an attack, or no file of users.
const LONGEST: u64 = 1 << 20;

/// `USER`, `USER:GROUP`, by name or number; nothing is root. `layers`: the lowest first.
///
/// # Errors
/// A name that the image doesn't have.
pub fn find(layers: &[PathBuf], user: &str) -> Result<Someone> {
    let passwd = file(layers, "passwd")?;
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let user = if user.is_empty() { "0" } else { user };
    let found = line(&passwd, user, 2);
    let uid = match (&found, user.parse::<u32>()) {
        (Some(fields), _) => {
            number(fields, 2).with_context(|| format!("/etc/passwd of the image, {user}"))?
        }
        (None, Ok(uid)) => uid,
        (None, Err(_)) => bail!(
            "user {user:?}: the image's /etc/passwd doesn't have it; name a number, or a user of the image"
        ),
    };
    let gid = match group {
        None => found.as_ref().and_then(|fields| number(fields, 3)).unwrap_or(0),
        Some(group) => match (line(&file(layers, "group")?, group, 2), group.parse::<u32>()) {
            (Some(fields), _) => {
                number(&fields, 2).with_context(|| format!("/etc/group of the image, {group}"))?
            }
            (None, Ok(gid)) => gid,
            (None, Err(_)) => bail!("group {group:?}: the image's /etc/group doesn't have it"),
        },
    };
    if uid == u32::MAX || gid == u32::MAX {
        bail!("4294967295 is -1, which means \"as it is\" to setresuid(2), and is nobody's id");
    }
    let home = found.and_then(|fields| fields.get(5).cloned()).filter(|home| home.starts_with('/'));
    Ok(Someone { uid, gid, home })
}

/// The line whose first field is this name; else the one whose number it is.
fn line(text: &str, wanted: &str, number: usize) -> Option<Vec<String>> {
    let fields = |line: &str| line.split(':').map(String::from).collect::<Vec<_>>();
    let all = || text.lines().map(fields);
    all().find(|fields| fields[0] == wanted).or_else(|| {
        wanted.parse::<u32>().ok()?;
        all().find(|fields| fields.get(number).is_some_and(|field| field == wanted))
    })
}

fn number(fields: &[String], place: usize) -> Option<u32> {
    fields.get(place)?.parse().ok()
}

/// A file of `/etc`, from the topmost layer that has it. Empty where none has.
fn file(layers: &[PathBuf], name: &str) -> Result<String> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for layer in layers.iter().rev() {
        // Of sixty layers few have an /etc: one question to each of the others.
        let etc = rustix::fs::statat(rustix::fs::CWD, layer.join("etc"), AtFlags::SYMLINK_NOFOLLOW);
        let seen = match etc {
            Err(Errno::NOENT) => continue,
            other => other.with_context(|| layer.display().to_string())?,
        };
        let root = File::open(layer).with_context(|| layer.display().to_string())?;
        let open = |path: &str, flags| {
            rustix::fs::openat2(&root, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), how)
        };
        if is_whiteout(&seen) {
            break; // deleted here: what is below doesn't count
        }
        let etc = match open("etc", OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(etc) => etc,
            Err(errno) => return Err(errno).context("the image's /etc (a symlink is not followed)"),
        };
        match rustix::fs::statat(&etc, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(seen) if is_whiteout(&seen) => break,
            Ok(seen) if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile => {
                bail!(
                    "the image's /etc/{name} is no regular file, and is not followed; name a number: --user UID:GID"
                );
            }
            Ok(_) => {
                let file =
                    open(&format!("etc/{name}"), OFlags::RDONLY).with_context(|| format!("/etc/{name}"))?;
                let mut bytes = Vec::new();
                File::from(file).take(LONGEST).read_to_end(&mut bytes)?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            Err(_) if is_opaque(etc.as_fd()) => break,
            Err(_) => {}
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:7:8::/srv:\n9:x:10:11::/:\n";

    #[test]
    fn ch04_a_name_counts_before_a_number() {
        assert_eq!(line(PASSWD, "app", 2).unwrap()[3], "8");
        assert_eq!(line(PASSWD, "7", 2).unwrap()[0], "app");
        assert_eq!(line(PASSWD, "9", 2).unwrap()[2], "10");
        assert_eq!(line(PASSWD, "nobody", 2), None);
    }
}
