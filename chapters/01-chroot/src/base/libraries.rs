//! What a program names: the loader that starts it, and the libraries that the loader looks for. A program
//! without them is there, and "not found".

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lddtree::DependencyAnalyzer;

/// Puts `program` into `root` as `bin/NAME`, with all that it names. A script is put as it is.
///
/// # Errors
/// A library that it names isn't on this machine; the disk is full.
pub fn put_program(root: &Path, program: &Path, name: &str) -> Result<()> {
    for file in named_by(program)? {
        put(root, &file, &file)?;
    }
    put(root, program, &Path::new("/bin").join(name))
}

// ANCHOR: named_by
/// The loader (`PT_INTERP`) and the libraries (`DT_NEEDED`), theirs too, by the paths where the loader will
/// look for them. elf(5), ld.so(8). A static program names none.
fn named_by(program: &Path) -> Result<Vec<PathBuf>> {
    let Ok(tree) = DependencyAnalyzer::new(PathBuf::from("/")).analyze(program) else {
        return Ok(vec![]); // no ELF file: a script, whose interpreter is among the tools
    };
    let mut files: Vec<PathBuf> = tree.interpreter.into_iter().map(PathBuf::from).collect();
    for library in tree.libraries.into_values() {
        if !library.found() {
            bail!("{} names the library {}, which is not on this machine", program.display(), library.name);
        }
        files.push(library.path);
    }
    Ok(files)
}
// ANCHOR_END: named_by

/// Copies a file's content (whatever links lead to it) to `at` in `root`. What is there already stays.
fn put(root: &Path, file: &Path, at: &Path) -> Result<()> {
    let target = root.join(at.strip_prefix("/").unwrap_or(at));
    if target.symlink_metadata().is_ok() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let copy = || format!("could not copy {} to {}", file.display(), target.display());
    fs::copy(file, &target).with_context(copy)?;
    // Setuid bits of the host have no place here: who owns the copy is another.
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).with_context(copy)
}
