//! How engines did it until 2021: the target's path is joined to the path that the new root has on the host, and mounted
//! there before the root is switched. Where that leads, whoever made the image says (CVE-2021-30465 and its family). It is
//! kept for being attacked: `run --by-path`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ch00_process::channel::Handed;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::mechanism::{Child, Root};

use crate::request::{Request, Source};
use crate::volume::Store;

/// A root in which mounts are put by their paths, before it becomes `/`.
#[derive(Debug)]
pub struct ByPath<R> {
    /// The root.
    pub root: R,
    /// Where it is attached on the host meanwhile: a folder that is there.
    pub rootfs: PathBuf,
    /// What is mounted, and the target.
    pub mounts: Vec<(PathBuf, String)>,
}

impl<R: Root> Root for ByPath<R> {
    const NAME: &'static str = "05-volumes/by-path";

    fn supervise(&mut self, k: &Kernel, child: &mut Child<'_>) -> Result<()> {
        self.root.supervise(k, child)
    }

    fn open(&self, k: &Kernel, handed: &mut Handed) -> Result<Option<OwnedFd>> {
        self.root.open(k, handed)
    }

    fn switch(&self, k: &Kernel, root: Option<OwnedFd>) -> Result<()> {
        if let Some(root) = &root {
            let place = self.rootfs.to_string_lossy();
            k.why("the new root gets a path on the host").move_mount(root.as_fd(), &place)?;
        }
        for (source, target) in &self.mounts {
            mount(k, &self.rootfs, source, target)?;
        }
        self.root.switch(k, root)
    }
}

/// What could be simpler: the two paths joined.
// ANCHOR: mount
fn mount(k: &Kernel, rootfs: &Path, source: &Path, target: &str) -> Result<()> {
    // ANCHOR: task-by-path
    let place = rootfs.join(target.trim_start_matches('/'));
    let missing: Vec<&Path> = place.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        k.why("the image lacks it; and mkdir goes wherever a symlink on the way leads, on the host")
            .mkdir(folder, 0o755)?;
    }
    k.why("so does mount").mount_bind(source, &place)
    // ANCHOR_END: task-by-path
}
// ANCHOR_END: mount

/// The paths of what is asked for.
///
/// # Errors
/// Something that has none.
pub fn paths(store: &Store, requests: &[Request]) -> Result<Vec<(PathBuf, String)>> {
    let path = |request: &Request| match &request.source {
        Source::Bind(path) => Ok((path.clone(), request.target.clone())),
        Source::Volume(Some(name)) => Ok((store.data(name), request.target.clone())),
        Source::Volume(None) | Source::Tmpfs(_) => {
            let what =
                format!("--by-path: nothing on the host has a path to be mounted at {}", request.target);
            Err(Failure::said(what, "it shows how paths lead astray", "-v SRC:DST, -v NAME:DST"))
        }
    };
    requests.iter().map(path).collect()
}
