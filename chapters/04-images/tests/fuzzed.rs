//! The readers of what anybody may send, given what nobody would: thousands of damaged archives and manifests. None may
//! end in a panic, in memory that grows with what a header claims, or in an endless loop.

use ch04_images::archive::compression::Compression;
use ch04_images::archive::entry::{Entry, Kind, Time};
use ch04_images::archive::reader::Reader;
use ch04_images::archive::writer::Writer;
use ch04_images::reference::Reference;
use ch04_images::store::image::layers;
use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};

/// The entry point: whatever comes, an answer or an error.
fn archive(bytes: &[u8]) {
    let Ok(plain) = Compression::sniff(bytes).bounded(bytes, bytes.len() as u64) else { return };
    let mut reader = Reader::new(plain);
    let mut buffer = [0; 4096];
    while let Ok(Some(_)) = reader.next_entry() {
        while matches!(reader.read_content(&mut buffer), Ok(length) if length > 0) {}
    }
}

/// The same for what is JSON, and for names.
fn text(bytes: &[u8]) {
    let manifest = serde_json::from_slice::<ImageManifest>(bytes);
    let config = serde_json::from_slice::<ImageConfiguration>(bytes);
    if let (Ok(manifest), Ok(config)) = (manifest, config) {
        let _ = layers(&manifest, &config);
    }
    let _ = serde_json::from_slice::<ImageIndex>(bytes);
    let _ = String::from_utf8_lossy(bytes).parse::<Reference>();
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
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    vec![plain, zstd]
}

#[test]
fn ch04_damaged_archives_end_in_words() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for seed in corpus() {
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
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        text(&damaged(&seed, &mut numbers));
    }
}
