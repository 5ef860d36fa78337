//! The readers of what anybody may send, one call for each kind: what the fuzzer (`fuzz/`) and its short run in the tests
//! (`tests/fuzzed.rs`) are given. Whatever comes, the answer is an answer or an error: no panic, no endless loop, no memory
//! that grows with what a header claims.

use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};

use crate::archive::compression::Compression;
use crate::archive::reader::Reader;
use crate::reference::Reference;
use crate::store::image::layers;

/// Of one entry's content so much is read, bytes: what holes mean is known by then, and a fuzzer's time is short.
const ENOUGH: u64 = 16 << 20;

/// A tar, compressed or not.
pub fn archive(bytes: &[u8]) {
    let Ok(plain) = Compression::sniff(bytes).bounded(bytes, bytes.len() as u64) else { return };
    let mut reader = Reader::new(plain);
    let mut buffer = [0; 4096];
    while let Ok(Some(_)) = reader.next_entry() {
        let mut read = 0;
        while let Ok(length @ 1..) = reader.read_content(&mut buffer) {
            read += length as u64;
            if read > ENOUGH {
                break;
            }
        }
    }
}

/// What is JSON, and names.
pub fn text(bytes: &[u8]) {
    let manifest = serde_json::from_slice::<ImageManifest>(bytes);
    let config = serde_json::from_slice::<ImageConfiguration>(bytes);
    if let (Ok(manifest), Ok(config)) = (manifest, config) {
        let _ = layers(&manifest, &config);
    }
    let _ = serde_json::from_slice::<ImageIndex>(bytes);
    let _ = String::from_utf8_lossy(bytes).parse::<Reference>();
}
