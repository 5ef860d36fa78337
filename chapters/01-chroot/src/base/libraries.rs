//! What a program names: the loader that starts it, and the libraries that the loader looks for. A program
//! without them is there, and "not found".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lddtree::{DependencyAnalyzer, DependencyTree};

use super::site::Site;

/// The doors to `/usr` that loaders come in by. Where the machine has them as links, the base has.
const DOORS: [&str; 4] = ["lib", "lib64", "lib32", "libx32"];

/// Puts those links: `lib` leads to `usr/lib`, as on this machine.
///
/// # Errors
/// The disk is full.
pub fn put_doors(site: &Site) -> Result<()> {
    for door in DOORS {
        let path = Path::new("/").join(door);
        if path.is_symlink()
            && let Ok(real) = fs::canonicalize(&path)
        {
            let inside = inside(&real);
            site.folder(inside, 0o755)?;
            site.link(door, inside)?;
        }
    }
    Ok(())
}

/// Puts what a program needs where its loader will look for it.
///
/// # Errors
/// The disk is full.
pub fn put(site: &Site, needs: &Needs) -> Result<()> {
    for file in &needs.files {
        let home = home(file);
        site.copy(inside(&home), file)?;
        // Which other folders are searched (ld.so.conf, LD_LIBRARY_PATH) only the machine's loader knows;
        // its own folder every loader searches.
        if let (Some(folder), Some(name)) = (&needs.searched, file.file_name())
            && home.parent() != Some(folder)
        {
            site.folder(inside(folder), 0o755)?;
            site.link(inside(&folder.join(name)), &home)?;
        }
    }
    Ok(())
}

// ANCHOR: named_by
/// What a program can't start without.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The loader (`PT_INTERP`), then the libraries (`DT_NEEDED`) and theirs. elf(5).
    pub files: Vec<PathBuf>,
    /// The folder that the loader itself is in.
    pub searched: Option<PathBuf>,
}

/// Reads what `program` names, without running it. A static program names nothing. ld.so(8).
///
/// # Errors
/// A library that it names isn't on this machine.
pub fn named_by(program: &Path) -> Result<Needs> {
    match analyzer().analyze(program) {
        Ok(tree) => needs(program, tree),
        Err(_) => Ok(Needs::default()), // no ELF file: a script, whose interpreter is among the tools
    }
}

fn needs(program: &Path, tree: DependencyTree) -> Result<Needs> {
    let loader = tree.interpreter.map(PathBuf::from);
    let loaders_name = loader.as_deref().and_then(Path::file_name).map(|name| name.to_os_string());
    let searched = loader.as_ref().and_then(|file| fs::canonicalize(file).ok()?.parent().map(Path::to_owned));
    let mut libraries: Vec<_> = tree.libraries.into_values().collect();
    libraries.sort_by(|a, b| a.name.cmp(&b.name));
    // ANCHOR: task-libraries
    let mut files: Vec<PathBuf> = loader.into_iter().collect();
    for library in libraries {
        // The C library names the loader too, which is in memory already when the name is looked up.
        if loaders_name.as_deref() == Some(library.name.as_ref()) {
            continue;
        }
        if !library.found() {
            bail!("{} names the library {}, which is not on this machine", program.display(), library.name);
        }
        files.push(library.path);
    }
    Ok(Needs { files, searched })
    // ANCHOR_END: task-libraries
}
// ANCHOR_END: named_by

/// It knows where a loader looks. Where musl is installed beside glibc it takes the machine for a musl
/// machine and forgets glibc's own folders, so they are said here.
fn analyzer() -> DependencyAnalyzer {
    let mut folders: Vec<PathBuf> = ["/usr/lib64", "/lib64"].map(PathBuf::from).into();
    for above in ["/usr/lib", "/lib"] {
        let entries = fs::read_dir(above).into_iter().flatten().flatten().map(|entry| entry.path());
        folders.extend(entries.filter(|path| path.to_string_lossy().contains("-linux-gnu")));
    }
    DependencyAnalyzer::new("/".into()).library_paths(folders)
}

/// `/lib/x86_64-linux-gnu/libc.so.6` is at home in `/usr/lib/...` where `/lib` is a link: its folder without
/// links, but its own name as it is asked for, whatever file that leads to.
fn home(file: &Path) -> PathBuf {
    match (file.parent().map(fs::canonicalize), file.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

/// The path as seen from the root of the base.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(interpreter: Option<&str>, libraries: &[(&str, Option<&str>)]) -> DependencyTree {
        let library = |(name, path): &(&str, Option<&str>)| {
            let library = lddtree::Library {
                name: (*name).into(),
                path: path.unwrap_or(name).into(),
                realpath: path.map(PathBuf::from),
                needed: vec![],
                rpath: vec![],
            };
            ((*name).into(), library)
        };
        DependencyTree {
            interpreter: interpreter.map(Into::into),
            needed: vec![],
            libraries: libraries.iter().map(library).collect(),
            rpath: vec![],
        }
    }

    #[test]
    fn ch01_the_loader_comes_once_and_by_the_path_that_programs_name() {
        let libraries = [("libc.so.6", Some("/lib/x/libc.so.6")), ("ld.so.2", Some("/lib/x/ld.so.2"))];
        let needs = needs(Path::new("/bin/ls"), tree(Some("/lib64/ld.so.2"), &libraries)).unwrap();
        assert_eq!(needs.files, ["/lib64/ld.so.2", "/lib/x/libc.so.6"].map(PathBuf::from));
    }

    #[test]
    fn ch01_a_missing_library_is_named() {
        let error = needs(Path::new("/bin/ls"), tree(None, &[("libx.so", None)])).unwrap_err();
        assert_eq!(error.to_string(), "/bin/ls names the library libx.so, which is not on this machine");
    }

    #[test]
    fn ch01_a_script_names_nothing() {
        assert_eq!(named_by(Path::new("/etc/passwd")).unwrap(), Needs::default());
    }

    #[test]
    fn ch01_a_path_of_the_machine_has_its_place_inside() {
        assert_eq!(inside(Path::new("/usr/lib/libc.so.6")), Path::new("usr/lib/libc.so.6"));
        assert_eq!(home(Path::new("/no such folder/x")), Path::new("/no such folder/x"));
    }
}
