//! The AppArmor profile of this checkout's programs. apparmor.d(5).
//!
//! Ubuntu (23.10 and newer) lets an ordinary user make a user namespace but takes every right in it away, unless
//! a profile of the program has the rule `userns`. The flag `unconfined` makes it a profile that forbids nothing.

use std::path::{Path, PathBuf};

use super::change::Purpose;

/// Where the profile for the programs below `target` stands: a name for each checkout.
#[must_use]
pub fn path(target: &Path) -> PathBuf {
    let (folder, _) = Purpose::Profile.home();
    Path::new(folder).join(name(target))
}

/// Whether a profile can name that folder: it has to stand in one line.
#[must_use]
pub fn can_name(target: &Path) -> bool {
    target.to_str().is_some_and(|path| path.starts_with('/') && !path.contains(char::is_control))
}

/// Its text.
#[must_use]
pub fn text(target: &Path) -> String {
    format!(
        "# Made by boxroom: cargo workshop doctor --undo takes it back.\n\
         abi <abi/4.0>,\n\
         \n\
         profile {} \"{}/**\" flags=(unconfined) {{\n  userns,\n}}\n",
        name(target),
        escaped(&target.to_string_lossy())
    )
}

fn name(target: &Path) -> String {
    // FNV-1a: the same name in every build of this program, which the standard hasher doesn't promise.
    let hash = target
        .to_string_lossy()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{}{hash:08x}", Purpose::Profile.home().1)
}

/// In a profile these characters are a pattern; with a backslash they are themselves.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if "\\\"*?[]{}^".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_this_checkout_alone() {
        let text = text(Path::new("/home/ana/my [box]/target"));
        assert!(text.contains(r#" "/home/ana/my \[box\]/target/**" flags=(unconfined) {"#), "{text}");
        assert!(text.contains("\n  userns,\n"), "{text}");
        assert!(can_name(Path::new("/my [box]")) && !can_name(Path::new("/a\nb")));
        assert_ne!(path(Path::new("/a/target")), path(Path::new("/b/target")));
    }
}
