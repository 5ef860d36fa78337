//! What is asked for: something from outside, where it shall appear inside, and what may be done with it there.
//!
//! # Layout
//! - [`short`]: `-v SRC:DST[:OPTIONS]`
//! - [`long`]: `--mount type=...,source=...,target=...`
//! - [`temporary`]: `--tmpfs DST[:OPTIONS]`

use std::path::{Path, PathBuf};

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;

pub mod long;
pub mod short;
pub mod temporary;

/// One mount that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is mounted.
    pub source: Source,
    /// Where: absolute, without `.`, `..` and double slashes, and not `/` itself.
    pub target: String,
    /// What can't be written.
    pub read_only: ReadOnly,
    /// Whether mounts below a bound directory come with it.
    pub recursive: bool,
    /// Whether a volume with nothing in it gets what the image has at its target.
    pub copies: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of the host, by its absolute path.
    Bind(PathBuf),
    /// A volume of this name; without one a new volume that nobody will know by name.
    Volume(Option<String>),
    /// A file system in memory, new and empty.
    Tmpfs(Tmpfs),
}

/// How a tmpfs is made. tmpfs(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Options with a value, in the kernel's words.
    pub options: Vec<(String, String)>,
    /// Whether setuid bits count in it.
    pub setuid: bool,
    /// Whether device nodes work in it.
    pub devices: bool,
    /// Whether programs can be started from it.
    pub exec: bool,
}

/// As Docker has it: nothing in it is more than data.
impl Default for Tmpfs {
    fn default() -> Self {
        Self { options: vec![("mode".into(), "1777".into())], setuid: false, devices: false, exec: false }
    }
}

/// What can't be written through the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// All can.
    No,
    /// The mount itself can't; what is mounted below it is as it was (`bind-recursive=writable`).
    Top,
    /// Neither it nor anything below it.
    Tree,
}

impl Request {
    fn new(source: Source, target: String) -> Self {
        Self { source, target, read_only: ReadOnly::No, recursive: true, copies: true }
    }
}

/// What the options ask for, and what the image declares besides (its VOLUMEs). Parents come before children.
///
/// # Errors
/// One that makes no sense, or two for one target: in Docker's words.
pub fn all(
    volumes: &[String],
    mounts: &[String],
    tmpfs: &[String],
    image: &[String],
) -> Result<Vec<Request>> {
    let mut all = Vec::new();
    for text in volumes {
        all.push(short::parse(text)?);
    }
    for text in mounts {
        all.push(long::parse(text)?);
    }
    for text in tmpfs {
        all.push(temporary::parse(text)?);
    }
    for (n, request) in all.iter().enumerate() {
        if all[..n].iter().any(|other| other.target == request.target) {
            return Err(Failure::said(
                format!("Duplicate mount point: {}", request.target),
                "two mounts ask for one place, and the second would hide the first",
                "another target for one of them",
            ));
        }
    }
    for text in image {
        let target = target(text).map_err(|failure| {
            let what = format!("the image's VOLUME {text:?}: {}", failure.call);
            Failure { call: what, ..failure }
        })?;
        // What the command line says about a place counts before what the image says.
        if all.iter().all(|other| other.target != target) {
            all.push(Request::new(Source::Volume(None), target));
        }
    }
    all.sort_by(|a, b| depth(&a.target).cmp(&depth(&b.target)).then_with(|| a.target.cmp(&b.target)));
    Ok(all)
}

fn depth(target: &str) -> usize {
    target.matches('/').count()
}

/// A place inside, as the kernel will be asked for it.
///
/// # Errors
/// It is relative, it is `/`, or it is in a file system that tells about the kernel and commands it.
pub fn target(text: &str) -> Result<String> {
    if !text.starts_with('/') {
        let what = format!("invalid mount path: '{text}' mount path must be absolute");
        let hint = format!("/{}", text.trim_start_matches("./"));
        return Err(Failure::said(what, "a target is a place in the container, from its / on", hint));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let Some(first) = parts.first() else {
        return Err(Failure::said(
            "invalid specification: destination can't be '/'",
            "the root is the image's",
            "a folder in it: -v data:/data",
        ));
    };
    if KERNELS.contains(first) {
        return Err(kernels(&format!("/{}", parts.join("/"))));
    }
    Ok(format!("/{}", parts.join("/")))
}

/// Where the kernel speaks and listens.
const KERNELS: [&str; 2] = ["proc", "sys"];

/// What is said about a target in there; also by [`crate::target`], when a symlink leads there.
#[must_use]
pub fn kernels(place: &str) -> Failure {
    Failure::said(
        format!("{place}: a mount there is refused"),
        "what is mounted over /proc or /sys answers in the kernel's place: a program that confines itself by writing there \
         would write into a file (CVE-2019-16884)",
        "another target",
    )
}

/// A volume's name, as Docker allows it.
///
/// # Errors
/// It has other characters, or is too short.
pub fn name(text: &str) -> Result<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && text.len() >= 2 && text.len() <= 255 && text.chars().all(good) {
        return Ok(text.into());
    }
    Err(Failure::said(
        format!(
            "create {text}: \"{text}\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed (two at least)"
        ),
        "what begins with / or . is a path of the host, anything else the name of a volume",
        "If you intended to pass a host directory, use absolute path",
    ))
}

/// A path of the host, absolute and as it was written otherwise: the kernel follows its symlinks when it is opened.
///
/// # Errors
/// The working directory is gone.
fn host_path(text: &str) -> Result<PathBuf> {
    std::path::absolute(Path::new(text)).map_err(|error| {
        Failure::said(format!("{text:?}: {error}"), "the working directory is gone", "an absolute path")
    })
}

/// A bound path that isn't there.
#[must_use]
pub fn missing(path: &Path) -> Failure {
    Failure::said(
        format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            path.display()
        ),
        "what isn't there can't be bound; a folder made in its place would hide a slip of the pen",
        format!("mkdir -p {}; or -v NAME:DST, a volume", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ch05_a_target_is_cleaned() {
        for (text, clean) in [("/data", "/data"), ("//a/./b/", "/a/b"), ("/a/../b", "/b"), ("/../../b", "/b")]
        {
            assert_eq!(target(text).ok().as_deref(), Some(clean), "{text}");
        }
    }

    #[test]
    fn ch05_a_target_that_is_none_is_refused() {
        for text in ["data", "", ".", "/", "/..", "/proc", "/proc/self/attr", "/x/../sys/kernel", "/sys/"] {
            assert!(target(text).is_err(), "{text:?}");
        }
        assert!(target("/process").is_ok());
    }

    #[test]
    fn ch05_a_name_leads_nowhere() {
        for wrong in ["", "a", "..", ".x", "-x", "a/b", "a b", "ä1"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        assert!(name("db-1.old_data").is_ok());
    }

    #[test]
    fn ch05_one_place_takes_one_mount() {
        let two = all(&strings(&["one1:/a", "two2:/a/"]), &[], &[], &[]);
        assert!(two.is_err_and(|failure| failure.call == "Duplicate mount point: /a"));
        let image = all(&strings(&["mine:/a"]), &[], &[], &strings(&["/a", "/b"])).unwrap_or_default();
        let sources: Vec<_> = image.iter().map(|request| request.source.clone()).collect();
        assert_eq!(sources, [Source::Volume(Some("mine".into())), Source::Volume(None)]);
    }

    #[test]
    fn ch05_parents_come_before_children() {
        let all = all(&strings(&["aa:/a/b/c", "bb:/a"]), &[], &strings(&["/a/b"]), &[]).unwrap_or_default();
        let targets: Vec<_> = all.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, ["/a", "/a/b", "/a/b/c"]);
    }
}
