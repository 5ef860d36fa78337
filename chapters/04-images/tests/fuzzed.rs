//! The readers of what anybody may send, given what nobody would: thousands of damaged archives and manifests. None may
//! end in a panic, in memory that grows with what a header claims, or in an endless loop.
//!
//! `BOXROOM_SEEDS=FOLDER` writes down what they begin with, for cargo-fuzz (`fuzz/Cargo.toml`).

use std::fs;
use std::path::PathBuf;

use ch04_images::archive::entry::{Entry, Kind, Time};
use ch04_images::archive::pax;
use ch04_images::archive::reader::Reader;
use ch04_images::archive::writer::Writer;
use ch04_images::hostile::{archive, text};

/// Where the fuzzer looks for its seeds.
fn keep(kind: &str, seeds: &[Vec<u8>]) {
    let Some(folder) = std::env::var_os("BOXROOM_SEEDS") else { return };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join(kind);
    fs::create_dir_all(&folder).unwrap();
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{n}")), seed).unwrap();
    }
}

/// xorshift: the same numbers on every machine, so a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).unwrap_or(0)
    }
}

fn damaged(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let place = numbers.below(bytes.len());
        match numbers.below(5) {
            0 => bytes[place] ^= 1 << numbers.below(8),
            1 => bytes[place] = [0, 0xff, b'9', b'7', b'/', b'.'][numbers.below(6)],
            2 => bytes.truncate(place + 1),
            3 => {
                let end = (place + numbers.below(600)).min(bytes.len());
                let part = bytes[place..end].to_vec();
                bytes.splice(place..place, part);
            }
            _ => {
                let end = (place + numbers.below(40)).min(bytes.len());
                bytes.drain(place..end);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    // Half of the headers get their checksum back, so that what is behind it is reached.
    if numbers.below(2) == 0 {
        for block in bytes.chunks_exact_mut(512) {
            if &block[257..262] == b"ustar" {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
    }
    bytes
}

/// A file with holes in the PAX form 1.0, and one in the old form: header, map, content.
fn sparse() -> Vec<u8> {
    let mut records = Vec::new();
    for (key, value) in [("major", "1"), ("minor", "0"), ("name", "holes"), ("realsize", "100000")] {
        pax::write(&mut records, format!("GNU.sparse.{key}").as_bytes(), value.as_bytes());
    }
    pax::write(&mut records, b"SCHILY.acl.access", b"user::rwx,user:33:r--,group::r--,mask::r--,other::---");
    let block = |name: &str, letter: u8, size: usize, more: &[(usize, &str)]| {
        let mut header = vec![0_u8; 512];
        let usual = [
            (0, name),
            (100, "0000644"),
            (108, "0000000"),
            (116, "0000000"),
            (136, "00000000000"),
            (257, "ustar"),
            (263, "00"),
        ];
        for (at, text) in usual.iter().chain(more) {
            header[*at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = letter;
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    };
    let whole = |mut bytes: Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    };
    let map = whole(b"2\n4096\n512\n99000\n512\n".to_vec());
    let old = [(386, "00000001000"), (398, "00000001000"), (483, "00000100000")];
    [
        block("pax", b'x', records.len(), &[]),
        whole(records),
        block("GNUSparseFile.0/holes", b'0', 1536, &[]),
        map,
        vec![1; 1024],
        block("old", b'S', 512, &old),
        vec![2; 512],
    ]
    .concat()
}

fn corpus() -> Vec<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    for (path, kind) in [
        ("d/".repeat(120) + "x", Kind::File),
        ("a".into(), Kind::Directory),
        (".wh.b".into(), Kind::File),
        ("l".into(), Kind::Symlink),
        ("h".into(), Kind::HardLink),
        ("n".into(), Kind::CharDevice(1, 3)),
    ] {
        let size = if kind == Kind::File { 700 } else { 0 };
        let modified = Time { seconds: -1, nanoseconds: 5 };
        let xattrs = vec![(b"user.x".to_vec(), b"y=\n\0".to_vec())];
        let (path, link) = (path.into_bytes(), b"x".repeat(200));
        writer
            .entry(&Entry { path, kind, mode: 0o755, uid: 0, gid: 0, modified, size, link, xattrs })
            .unwrap();
        writer.content(&vec![7; usize::try_from(size).unwrap()]).unwrap();
    }
    let plain = writer.finish().unwrap();
    let plain = [sparse(), plain].concat();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    vec![plain, zstd]
}

#[test]
fn ch04_damaged_archives_end_in_words() {
    let seeds = corpus();
    keep("archive", &seeds);
    // It reaches the end of them: holes and all.
    let mut reader = Reader::new(seeds[0].as_slice());
    let count = std::iter::from_fn(|| reader.next_entry().unwrap()).count();
    assert_eq!(count, 8);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        for _ in 0..3000 {
            archive(&damaged(&seed, &mut numbers));
        }
    }
}

#[test]
fn ch04_damaged_manifests_end_in_words() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let part = serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": 1 });
    // All three at once: each reader finds what it looks for.
    let seed = serde_json::json!({
        "schemaVersion": 2, "config": part, "layers": [part, part], "manifests": [part],
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [digest, digest] },
    });
    let seed = serde_json::to_vec(&seed).unwrap();
    text(&seed);
    keep("text", &[seed.clone(), b"host:5000/x/y:1@sha256:00".to_vec()]);
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        text(&damaged(&seed, &mut numbers));
    }
}
