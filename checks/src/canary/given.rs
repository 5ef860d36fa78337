//! A folder of the host that is given to be read, and another file system that is mounted in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;

use super::Canary;
use crate::stage::Stage;

impl Canary {
    /// Where a stage can't be given anything, the folder lies in what it sees; an image's container sees none.
    pub(super) fn give(&mut self, name: &str, stage: &Stage) -> Result<()> {
        let (given, inside) = match stage.rootfs() {
            Some(_) if stage.has_image() => (self.folder.path().join("given"), PathBuf::from("/given")),
            Some(_) => (self.scratch.join("given"), self.facts.scratch.join("given")),
            None => (self.folder.path().join("given"), self.folder.path().join("given")),
        };
        let below = given.join("below");
        fs::create_dir_all(&below)?;
        fs::set_permissions(&given, fs::Permissions::from_mode(0o777))?;
        self.given = vec!["-v".into(), format!("{}:/given:ro", given.display())];
        if name != "given-write" {
            if !geteuid().is_root() {
                return Ok(()); // nothing is mounted, and the attempt finds nothing
            }
            mount(Some("boxroom-given"), &below, Some("tmpfs"), MsFlags::empty(), Some("size=16k,mode=777"))?;
            let mounted = below.clone();
            self.after(move || {
                let _ = umount2(&mounted, MntFlags::MNT_DETACH);
            });
        }
        let file = if name == "given-write" { given.join("file") } else { below.join("file") };
        fs::write(&file, &self.secret)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        (self.place, self.facts.given) = (file, inside);
        Ok(())
    }

    /// Whether the file of the folder is another now, or its mount gone.
    #[must_use]
    pub fn given_is_changed(&self) -> bool {
        let was_there = self.place.is_absolute();
        was_there && fs::read_to_string(&self.place).ok().as_deref() != Some(&self.secret)
    }
}
