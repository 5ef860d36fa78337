//! Every archive is an attacker's: each trick that is known is packed, and nothing of it gets out of the layer.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use ch04_images::apply::apply;
use ch04_images::archive::entry::{Entry, Kind, Time};
use ch04_images::archive::writer::Writer;

fn entry(path: &str, kind: Kind) -> Entry {
    let me = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    Entry {
        path: path.into(),
        kind,
        mode: 0o755,
        uid: me.0,
        gid: me.1,
        modified: Time { seconds: 1_000_000_000, nanoseconds: 123_456_789 },
        size: 0,
        link: Vec::new(),
        xattrs: Vec::new(),
    }
}

fn file(path: &str) -> Entry {
    Entry { size: 4, mode: 0o644, ..entry(path, Kind::File) }
}

fn link(path: &str, kind: Kind, to: &str) -> Entry {
    Entry { link: to.into(), ..entry(path, kind) }
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        writer.entry(entry).unwrap();
        if entry.size > 0 {
            writer.content(b"evil").unwrap();
        }
    }
    writer.finish().unwrap()
}

/// Applies it to `outer/layer`; `outer` is what must not be reached.
fn applied(outer: &Path, entries: &[Entry]) -> Result<Vec<String>, String> {
    let layer = outer.join("layer");
    fs::create_dir_all(&layer).unwrap();
    let notes = apply(tar(entries).as_slice(), File::open(&layer).unwrap().into());
    notes.map(|notes| notes.lines().collect()).map_err(|error| format!("{error:#}"))
}

fn refused(entries: &[Entry], because: &str) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("host"), "host").unwrap();
    fs::create_dir(outer.path().join("folder")).unwrap();
    let error = applied(outer.path(), entries).unwrap_err();
    assert!(error.contains(because), "{error}");
    assert_eq!(fs::read(outer.path().join("host")).unwrap(), b"host");
    assert_eq!(fs::metadata(outer.path().join("host")).unwrap().nlink(), 1);
    assert_eq!(fs::read_dir(outer.path().join("folder")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 3);
}

#[test]
fn ch04_names_that_lead_out_are_refused() {
    for path in ["../host", "a/../../host", "/../host", "./../folder/x"] {
        refused(&[file(path)], "..");
    }
    refused(&[link("x", Kind::HardLink, "../host")], "..");
}

#[test]
fn ch04_a_symlink_is_no_bridge() {
    for to in ["..", "../folder", "/tmp", "/proc/self/cwd"] {
        refused(&[link("bridge", Kind::Symlink, to), file("bridge/host")], "symlink");
        refused(
            &[link("bridge", Kind::Symlink, to), entry("bridge/x/", Kind::Directory), file("bridge/x/y")],
            "symlink",
        );
        refused(&[link("bridge", Kind::Symlink, to), link("x", Kind::HardLink, "bridge/host")], "hard link");
        refused(&[link("bridge", Kind::Symlink, to), file("bridge/.wh.host")], "symlink");
        refused(&[link("bridge", Kind::Symlink, to), file("bridge/.wh..wh..opq")], "symlink");
    }
}

#[test]
fn ch04_a_hard_link_to_a_symlink_stays_a_symlink() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("host"), "host").unwrap();
    let entries = [link("a", Kind::Symlink, "../host"), link("b", Kind::HardLink, "a"), file("b")];
    applied(outer.path(), &entries).unwrap();
    assert_eq!(fs::read(outer.path().join("host")).unwrap(), b"host");
    assert_eq!(fs::read(outer.path().join("layer/b")).unwrap(), b"evil");
}

#[test]
fn ch04_a_swapped_symlink_does_not_lead_the_next_file_out() {
    // The folder of the last entry is kept open: replaced by a symlink, it must not be written to under that name.
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("folder")).unwrap();
    let entries =
        [entry("d/", Kind::Directory), file("d/a"), link("d", Kind::Symlink, "../folder"), file("d/b")];
    let error = applied(outer.path(), &entries).unwrap_err();
    assert!(error.contains("symlink"), "{error}");
    assert_eq!(fs::read_dir(outer.path().join("folder")).unwrap().count(), 0);
}

#[test]
fn ch04_whiteouts_that_name_nothing_are_refused() {
    for path in [".wh.", ".wh..", ".wh...", "a/.wh..", ".wh.x/y"] {
        refused(&[file(path)], if path.ends_with("/y") { ".wh." } else { "names no file" });
    }
}

#[test]
fn ch04_overlayfs_marks_are_not_brought_in() {
    refused(&[entry("x", Kind::CharDevice(0, 0))], "0:0");
    let outer = tempfile::tempdir().unwrap();
    let mut smuggled = entry("d/", Kind::Directory);
    smuggled.xattrs = vec![
        (b"user.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"trusted.overlay.redirect".to_vec(), b"/".to_vec()),
    ];
    let notes = applied(outer.path(), &[smuggled]).unwrap();
    assert!(notes.len() == 1 && notes[0].contains("books"), "{notes:?}");
    assert!(!ch04_images::pack::is_opaque(std::os::fd::AsFd::as_fd(
        &File::open(outer.path().join("layer/d")).unwrap()
    )));
}

#[test]
fn ch04_the_root_is_a_directory_and_stays_one() {
    refused(&[link("./", Kind::Symlink, "..")], "root");
    refused(&[link("x", Kind::HardLink, ".")], "root");
    refused(&[link("x", Kind::HardLink, "x")], "itself");
}

#[test]
fn ch04_deletions_become_what_overlayfs_reads() {
    let outer = tempfile::tempdir().unwrap();
    let entries = [
        entry("d/", Kind::Directory),
        file("d/.wh..wh..opq"),
        file("d/kept"),
        file("d/.wh.kept"),
        file(".wh.gone"),
        file(".wh.back"),
        entry("back/", Kind::Directory),
    ];
    let layer = outer.path().join("layer");
    match applied(outer.path(), &entries) {
        Ok(_) => {}
        // An ordinary user without a map can't make the mark of an opaque folder for real root.
        Err(error) if !nix::unistd::geteuid().is_root() => {
            return assert!(error.contains("trusted"), "{error}");
        }
        Err(error) => panic!("{error}"),
    }
    let gone = fs::symlink_metadata(layer.join("gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    assert_eq!(
        fs::read(layer.join("d/kept")).unwrap(),
        b"evil",
        "a layer's deletions are of the layers below"
    );
    for folder in ["d", "back"] {
        let folder = File::open(layer.join(folder)).unwrap();
        assert!(ch04_images::pack::is_opaque(std::os::fd::AsFd::as_fd(&folder)));
    }
}

#[test]
fn ch04_times_modes_holes_and_long_names_arrive() {
    use std::os::unix::ffi::OsStrExt;
    let outer = tempfile::tempdir().unwrap();
    let mut odd = file("odd");
    odd.path = [b"d/".repeat(300).as_slice(), b"\xff\xfe"].concat();
    let setuid = Entry { mode: 0o6755, ..file("setuid") };
    let fifo = entry("fifo", Kind::Fifo);
    applied(outer.path(), &[odd.clone(), setuid, fifo, entry("old/", Kind::Directory), file("old/x")])
        .unwrap();
    let layer = outer.path().join("layer");
    assert_eq!(fs::read(layer.join(std::ffi::OsStr::from_bytes(&odd.path))).unwrap(), b"evil");
    assert_eq!(fs::metadata(layer.join("setuid")).unwrap().mode() & 0o7777, 0o6755);
    assert!(fs::metadata(layer.join("fifo")).unwrap().file_type().is_fifo());
    let folder = fs::metadata(layer.join("old")).unwrap();
    assert_eq!((folder.mtime(), folder.mtime_nsec()), (1_000_000_000, 123_456_789));

    let mut writer = Writer::new(Vec::new());
    let hole = Entry { size: 3 << 20, ..entry("hole", Kind::File) };
    writer.entry(&hole).unwrap();
    writer.content(&vec![0; 3 << 20]).unwrap();
    apply(writer.finish().unwrap().as_slice(), File::open(&layer).unwrap().into()).unwrap();
    let hole = fs::metadata(layer.join("hole")).unwrap();
    assert_eq!((hole.len(), hole.blocks()), (3 << 20, 0));
}

#[test]
fn ch04_truncated_anywhere_is_refused_or_whole() {
    let whole = tar(&[file("a"), link("b", Kind::Symlink, "a"), entry("c/", Kind::Directory)]);
    for length in (0..whole.len()).step_by(61) {
        let outer = tempfile::tempdir().unwrap();
        // Either an error, or an end between two entries. Never a panic.
        let _ = apply(&whole[..length], File::open(outer.path()).unwrap().into());
    }
    for place in (0..whole.len()).step_by(7) {
        let outer = tempfile::tempdir().unwrap();
        let mut damaged = whole.clone();
        damaged[place] ^= 0x41;
        let _ = apply(damaged.as_slice(), File::open(outer.path()).unwrap().into());
    }
}

#[test]
fn ch04_a_folder_that_is_a_symlink_already_is_replaced_not_followed() {
    let outer = tempfile::tempdir().unwrap();
    let layer = outer.path().join("layer");
    fs::create_dir(&layer).unwrap();
    fs::create_dir(outer.path().join("folder")).unwrap();
    symlink("../folder", layer.join("d")).unwrap();
    applied(outer.path(), &[entry("d/", Kind::Directory), file("d/x")]).unwrap();
    assert_eq!(fs::read(layer.join("d/x")).unwrap(), b"evil");
    assert_eq!(fs::read_dir(outer.path().join("folder")).unwrap().count(), 0);
}
