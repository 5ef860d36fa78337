//! The classic mistakes of a chapter, each a small patch: `chapters/NN-name/mutants/NAME.patch`.
//!
//! Before the patch stand the mistake in words (`A classic mistake: ...`), the check that is there for it
//! (`check: NAME`), and where it needs root or shows on one version of cgroups only, that (`needs: root`, `cgroup1`,
//! `cgroup2`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::house;

/// A mistake, made on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// `02-namespaces`.
    pub chapter: String,
    /// The name of the patch.
    pub name: String,
    /// The check that must catch it.
    pub check: String,
    /// What is done wrong, in words.
    pub mistake: String,
    /// Whether the check needs root.
    pub by_root: bool,
    /// The version of cgroups that it shows on, where it shows on one only.
    pub version: Option<u8>,
    patch: PathBuf,
}

impl Mutant {
    /// Those of all chapters of the checkout at `top`, in their order.
    ///
    /// # Errors
    /// A patch can't be read, or doesn't say what it must.
    pub fn all(top: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for chapter in fs::read_dir(top.join("chapters"))? {
            let chapter = chapter?;
            let Ok(patches) = fs::read_dir(chapter.path().join("mutants")) else { continue };
            for patch in patches {
                found.push(Self::read(&chapter.file_name().to_string_lossy(), patch?.path())?);
            }
        }
        found.sort_by(|a, b| (&a.chapter, &a.name).cmp(&(&b.chapter, &b.name)));
        Ok(found)
    }

    fn read(chapter: &str, patch: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&patch).with_context(|| patch.display().to_string())?;
        let check = text.lines().find_map(|line| line.strip_prefix("check: "));
        let mistake = text.lines().next().and_then(|line| line.strip_prefix("A classic mistake: "));
        let needs = |what: &str| text.lines().any(|line| line.strip_prefix("needs: ") == Some(what));
        Ok(Self {
            chapter: chapter.into(),
            name: patch.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            check: check.with_context(|| format!("{} names no check", patch.display()))?.into(),
            mistake: mistake
                .with_context(|| format!("{} names no mistake", patch.display()))?
                .trim_end_matches('.')
                .into(),
            by_root: needs("root"),
            version: if needs("cgroup1") { Some(1) } else { needs("cgroup2").then_some(2) },
            patch,
        })
    }

    /// The chapter's package.
    #[must_use]
    pub fn package(&self) -> String {
        format!("ch{}", self.chapter)
    }

    /// Makes `folder`/tree the sources of `top` with this mistake in them, and returns it. One folder serves all: what
    /// is the same as before isn't built again.
    ///
    /// # Errors
    /// The patch doesn't fit any more, or git isn't there.
    pub fn sources(&self, top: &Path, folder: &Path) -> Result<PathBuf> {
        let tree = folder.join("tree");
        house::copy(top, &tree)?;
        // Above the copy git must find no repository: in one it would patch that.
        let patched = Command::new("git")
            .args(["apply", "--whitespace=nowarn"])
            .arg(&self.patch)
            .current_dir(&tree)
            .env("GIT_CEILING_DIRECTORIES", folder)
            .output()
            .context("git applies the patches of the mutants")?;
        if !patched.status.success() {
            let said = String::from_utf8_lossy(&patched.stderr);
            bail!("{} doesn't fit any more, mend it: {said}", self.patch.display());
        }
        Ok(tree)
    }
}
