//! What GNU tar writes in its own forms is read as what it means.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use ch04_images::apply::apply;
use ch04_images::archive::pax::{self, Records};

/// Packs `name` in `folder` with these options, and unpacks it by this chapter's own reader.
fn through(folder: &Path, options: &[&str], name: &str) -> tempfile::TempDir {
    let archive = folder.join("archive.tar");
    let (uid, gid) = (nix::unistd::geteuid().to_string(), nix::unistd::getegid().to_string());
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .args(["--numeric-owner", &format!("--owner={uid}"), &format!("--group={gid}")])
        .args(options)
        .arg("-C")
        .arg(folder)
        .arg(name)
        .output()
        .expect("GNU tar is there");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let out = tempfile::tempdir().unwrap();
    let notes = apply(File::open(&archive).unwrap(), File::open(out.path()).unwrap().into()).unwrap();
    assert_eq!(notes.lines().collect::<Vec<_>>(), [""; 0]);
    out
}

#[test]
fn ch04_every_form_of_a_sparse_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // More pieces than the header of the old form has room for, a hole at the end, and content that is no whole block.
    let file = File::create(folder.path().join("holes")).unwrap();
    for n in 0..40_u64 {
        file.write_all_at(format!("piece {n}").as_bytes(), n << 20).unwrap();
    }
    file.set_len((64 << 20) + 3).unwrap();
    fs::write(folder.path().join("after"), "what comes after it").unwrap();
    let expected = fs::read(folder.path().join("holes")).unwrap();
    for form in [
        &["--format=gnu", "--sparse"][..],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
        &["--format=pax"],
    ] {
        let options = [form, &["--exclude=archive.tar"]].concat();
        let out = through(folder.path(), &options, ".");
        let holes = out.path().join("holes");
        assert!(fs::read(&holes).unwrap() == expected, "{form:?}");
        assert_eq!(fs::read(out.path().join("after")).unwrap(), b"what comes after it", "{form:?}");
        let taken = holes.metadata().unwrap().blocks() * 512;
        assert!(taken < 16 << 20, "{form:?}: the holes are holes again, and it takes {taken} bytes");
    }
}

#[test]
fn ch04_an_acl_as_text_is_one_that_the_kernel_takes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    let me = nix::unistd::geteuid();
    let text = format!("user::rw-,other::---,mask::r--,user:{me}:r--,group::r--");
    let mut records = Records::default();
    let mut bytes = Vec::new();
    pax::write(&mut bytes, b"SCHILY.acl.access", text.as_bytes());
    records.read(&bytes).unwrap();
    let (name, value) = &records.xattrs[0];
    assert_eq!(name, b"system.posix_acl_access");
    match rustix::fs::setxattr(&path, name.as_slice(), value, rustix::fs::XattrFlags::empty()) {
        // A file system without them has nothing to say about the form.
        Ok(()) | Err(rustix::io::Errno::NOTSUP) => {}
        Err(errno) => panic!("{errno}"),
    }
}
