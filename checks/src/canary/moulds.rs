//! What other containers are started from, and what another one has left.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Canary;
use crate::mould;
use crate::stage::Stage;

impl Canary {
    /// A file in the root file system, on the host: in the stage's folder, in its image's layer, or the host's own.
    pub(super) fn mould(&mut self, stage: &Stage) -> Result<()> {
        let (place, inside) = match self.root_of(stage)? {
            Some(root) => self.in_etc(&root),
            None => (self.folder.path().join("mould"), self.folder.path().join("mould")),
        };
        fs::write(&place, &self.secret).with_context(|| place.display().to_string())?;
        (self.place, self.facts.mould) = (place.clone(), inside);
        self.after(move || {
            let _ = fs::remove_file(&place);
        });
        Ok(())
    }

    /// A container of the same stage that writes a secret and ends.
    pub(super) fn other_container(&mut self, stage: &Stage) -> Result<()> {
        let (place, inside) = match stage.rootfs() {
            Some(root) => self.in_etc(root),
            None => (self.folder.path().join("left"), self.folder.path().join("left")),
        };
        let script = format!("echo {} > {}", self.secret, inside.display());
        let output = stage.command(&[], &["sh", "-c", &script])?.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the other container ended with {}: {}", output.status, said.trim());
        }
        self.facts.mould = inside;
        self.after(move || {
            let _ = fs::remove_file(&place);
        });
        Ok(())
    }

    fn root_of(&self, stage: &Stage) -> Result<Option<PathBuf>> {
        if stage.has_image() {
            return mould::ready().map(|layer| Some(layer.clone()));
        }
        Ok(stage.rootfs().map(Path::to_path_buf))
    }

    fn in_etc(&self, root: &Path) -> (PathBuf, PathBuf) {
        let name = format!("check-{}", self.facts.nonce);
        (root.join("etc").join(&name), Path::new("/etc").join(&name))
    }
}
