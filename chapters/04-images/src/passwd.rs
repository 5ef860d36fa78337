//! Who `USER app` is: looked up in the image's own `/etc/passwd` and `/etc/group`, in its layers from the top down,
//! each name resolved beneath the layer without a symlink. Nothing of it is mounted or run for that. passwd(5), group(5).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::apply::tree::is_whiteout;
use crate::digest::Digest;

/// A user of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The groups that the image's /etc/group has the user in, where no group was named.
    pub groups: Vec<u32>,
    /// The home directory, where /etc/passwd has one.
    pub home: Option<String>,
}

/// Where what was found is kept, in the folder of the layers.
pub const KNOWN: &str = ".known";
/// So many layers are asked as quickly as one file is read.
const FEW: usize = 4;
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
    // As Docker: who names a group wants that one and no other.
    let login = found.as_ref().map(|fields| fields[0].clone()).filter(|_| group.is_none());
    let groups = match login {
        Some(login) => members_of(&file(layers, "group")?, &login),
        None => Vec::new(),
    };
    let home = found.and_then(|fields| fields.get(5).cloned()).filter(|home| home.starts_with('/'));
    Ok(Someone { uid, gid, groups, home })
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

/// The numbers of the groups in whose last field the user is. group(5).
fn members_of(text: &str, login: &str) -> Vec<u32> {
    let has = |fields: &Vec<&str>| fields.get(3).is_some_and(|list| list.split(',').any(|one| one == login));
    let all = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found: Vec<u32> = all.filter(has).filter_map(|fields| fields[2].parse().ok()).collect();
    found.retain(|gid| *gid != u32::MAX);
    found.sort_unstable();
    found.dedup();
    found
}

fn number(fields: &[String], place: usize) -> Option<u32> {
    fields.get(place)?.parse().ok()
}

/// A file of `/etc` as the stack shows it. Asking sixty layers for it is half of what they cost at a start; what was found
/// is kept beside them, in the folder [`KNOWN`], under the digest of their names. Prune takes it away with them.
fn file(layers: &[PathBuf], name: &str) -> Result<String> {
    let known = known(layers, name);
    if let Some(Ok(text)) = known.as_ref().map(fs::read_to_string) {
        return Ok(text);
    }
    let text = topmost(layers, name)?;
    if let Some(place) = known {
        let _ = keep(&place, &text); // then it is looked up again next time
    }
    Ok(text)
}

/// Where it is kept; nowhere for a stack that is asked quickly.
fn known(layers: &[PathBuf], name: &str) -> Option<PathBuf> {
    if layers.len() <= FEW {
        return None;
    }
    let names: Vec<&[u8]> =
        layers.iter().map(|layer| layer.file_name().map(OsStr::as_bytes)).collect::<Option<_>>()?;
    let key = Digest::of(&names.join(&b'/')).hex();
    Some(layers[0].parent()?.join(KNOWN).join(format!("{key}-{name}")))
}

/// Whole or not there, after a power cut too.
fn keep(place: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = place.with_extension(std::process::id().to_string());
    let mut made = File::create(&beside)?;
    made.write_all(text.as_bytes())?;
    made.sync_all()?;
    fs::rename(&beside, place)
}

/// The file from the topmost layer that has it. Empty where none has. Nobody changes a layer, so a name that
/// was looked at is still what it was when it is opened; and it is opened beneath the layer all the same.
fn topmost(layers: &[PathBuf], name: &str) -> Result<String> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let look = |path: &Path| rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    for layer in layers.iter().rev() {
        // Of sixty layers few have an /etc, and of those few the file: two questions to each of the others.
        let etc = layer.join("etc");
        let seen = match look(&etc) {
            Err(Errno::NOENT) => continue,
            other => other.with_context(|| layer.display().to_string())?,
        };
        if is_whiteout(&seen) {
            break; // deleted here: what is below doesn't count
        }
        if FileType::from_raw_mode(seen.st_mode) != FileType::Directory {
            bail!("the image's /etc is no directory, and a symlink is not followed");
        }
        match look(&etc.join(name)) {
            Ok(seen) if is_whiteout(&seen) => break,
            Ok(seen) if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile => {
                bail!(
                    "the image's /etc/{name} is no regular file, and is not followed; name a number: --user UID:GID"
                );
            }
            Ok(_) => {
                let root = File::open(layer).with_context(|| layer.display().to_string())?;
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let file = rustix::fs::openat2(&root, format!("etc/{name}"), flags, Mode::empty(), how)
                    .with_context(|| format!("/etc/{name}"))?;
                let mut bytes = Vec::with_capacity(1 << 12);
                File::from(file).take(LONGEST).read_to_end(&mut bytes)?;
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            Err(_) if hides(&etc) => break,
            Err(_) => {}
        }
    }
    Ok(String::new())
}

/// Whether nothing of the layers below shows in this folder. Of the two names of the mark every layer has this one.
fn hides(folder: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(folder, "user.overlay.opaque", value.as_mut_slice()) == Ok(1) && value == *b"y"
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

    #[test]
    fn ch04_a_user_is_in_the_groups_that_name_it() {
        let group = "root:x:0:\napp:x:8:\nwheel:x:10:root,app\nvideo:x:44:apple\nlog:x:4:app\n";
        assert_eq!(members_of(group, "app"), [4, 10]);
        assert_eq!(members_of(group, "root"), [10]);
    }

    #[test]
    fn ch04_a_tall_stack_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let layers: Vec<PathBuf> = (0..=FEW).map(|n| folder.path().join(n.to_string())).collect();
        for layer in &layers {
            fs::create_dir_all(layer.join("etc")).unwrap();
        }
        fs::write(layers[1].join("etc/passwd"), "app:x:7:8::/srv:/bin/sh\n").unwrap();
        fs::write(layers[0].join("etc/passwd"), "app:x:1:1::/:/bin/sh\n").unwrap();
        assert_eq!(find(&layers, "app").unwrap().uid, 7);
        fs::remove_file(layers[1].join("etc/passwd")).unwrap();
        assert_eq!(find(&layers, "app").unwrap().uid, 7, "as it was found");
        let other: Vec<PathBuf> = layers.iter().rev().cloned().collect();
        assert_eq!(find(&other, "app").unwrap().uid, 1, "another stack is another question");
    }
}
