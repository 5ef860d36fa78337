//! Manifests, indexes and blobs that lie: each is refused in words, and the store stays valid.

use std::collections::HashMap;
use std::fs;
use std::io::Write;

use ch04_images::archive::entry::{Entry, Kind, Time};
use ch04_images::archive::writer::Writer;
use ch04_images::build::{self, LayerWriter};
use ch04_images::digest::Digest;
use ch04_images::store::Store;
use oci_spec::image::{Arch, Descriptor, ImageConfigurationBuilder, MediaType, Os, RootFsBuilder};
use serde_json::json;

struct Fixture {
    store: Store,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    Fixture { store: Store::at(folder.path()).unwrap(), _folder: folder }
}

impl Fixture {
    fn layer(&self, name: &str) -> (Descriptor, Digest) {
        let me = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let mut layer = LayerWriter::new(&self.store).unwrap();
        let mut writer = Writer::new(&mut layer);
        writer
            .entry(&Entry {
                path: name.into(),
                kind: Kind::File,
                mode: 0o644,
                uid: me.0,
                gid: me.1,
                modified: Time::default(),
                size: 4,
                link: vec![],
                xattrs: vec![],
            })
            .unwrap();
        writer.content(b"text").unwrap();
        writer.finish().unwrap();
        let stored = layer.keep().unwrap();
        (stored.blob, stored.diff_id)
    }

    fn image(&self, layers: &[(Descriptor, Digest)]) -> Descriptor {
        let config = ImageConfigurationBuilder::default()
            .architecture(Arch::default())
            .os(Os::Linux)
            .rootfs(RootFsBuilder::default().typ("layers").diff_ids(Vec::<String>::new()).build().unwrap());
        let manifest = build::image(&self.store, config.build().unwrap(), layers).unwrap();
        self.store.name(&"x".parse().unwrap(), &manifest).unwrap();
        manifest
    }

    /// Names a blob of this JSON as the image x.
    fn json(&self, media: &str, value: &serde_json::Value) -> Descriptor {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = self.store.put(&bytes).unwrap();
        let media = MediaType::from(media);
        let descriptor = build::descriptor(media, &digest, bytes.len() as u64).unwrap();
        self.store.name(&"x".parse().unwrap(), &descriptor).unwrap();
        descriptor
    }

    fn refused(&self, because: &str) {
        let outcome = self.store.image("x").and_then(|image| self.store.unpack(&image).map(drop));
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains(because), "{error}");
        let left = |folder: std::path::PathBuf| fs::read_dir(folder).unwrap().count();
        assert_eq!((left(self.store.layers()), left(self.store.beside())), (0, 0), "something is left");
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn ch04_a_flipped_bit_is_refused_and_an_honest_layer_is_not() {
    let fixture = fixture();
    let (blob, diff_id) = fixture.layer("a");
    fixture.image(&[(blob.clone(), diff_id)]);
    let path = fixture.store.blob_path(&blob.digest().to_string().parse().unwrap());
    let honest = fs::read(&path).unwrap();
    for bit in [0, honest.len() * 4, honest.len() * 8 - 1] {
        let mut flipped = honest.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).unwrap();
        fixture.refused("is not what its name says");
    }
    fs::write(&path, &honest[1..]).unwrap();
    fixture.refused("is not what its name says");
    fs::write(&path, honest).unwrap();
    let image = fixture.store.image("x").unwrap();
    let (paths, _) = fixture.store.unpack(&image).unwrap();
    assert_eq!(fs::read(paths[0].join("a")).unwrap(), b"text");
}

#[test]
fn ch04_a_diff_id_that_is_another_tars_is_refused() {
    let fixture = fixture();
    let ((blob, _), (_, other)) = (fixture.layer("a"), fixture.layer("b"));
    fixture.image(&[(blob.clone(), other)]);
    fixture.refused("diff_id");
    // The classic mistake: the blob's digest in the diff_id's place.
    fixture.image(&[(blob.clone(), blob.digest().to_string().parse().unwrap())]);
    fixture.refused("diff_id");
}

#[test]
fn ch04_a_manifest_that_lies_about_its_layers_is_refused() {
    let fixture = fixture();
    let (blob, diff_id) = fixture.layer("a");
    let mut larger = blob.clone();
    larger.set_size(blob.size() + 1);
    fixture.image(&[(larger, diff_id)]);
    fixture.refused("were declared");
    let mut foreign = blob.clone();
    foreign.set_media_type(MediaType::from("application/x-tar"));
    fixture.image(&[(foreign, diff_id)]);
    fixture.refused("media type application/x-tar");
    let config = json!({ "architecture": Arch::default().to_string(), "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [] } });
    let bytes = serde_json::to_vec(&config).unwrap();
    let digest = fixture.store.put(&bytes).unwrap();
    let config = build::descriptor(MediaType::ImageConfig, &digest, bytes.len() as u64).unwrap();
    fixture.json(
        MANIFEST,
        &json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob] }),
    );
    fixture.refused("don't belong together");
}

#[test]
fn ch04_what_is_no_image_is_refused() {
    let fixture = fixture();
    fixture.json("application/vnd.example+json", &json!({}));
    fixture.refused("media type");
    fixture.json(MANIFEST, &json!({ "schemaVersion": 2 }));
    fixture.refused("is no manifest");
    fixture.json(INDEX, &json!({ "schemaVersion": 2, "manifests": [] }));
    fixture.refused("has no image for linux");
    let without_rootfs = serde_json::to_vec(&json!({ "architecture": "amd64", "os": "linux" })).unwrap();
    let digest = fixture.store.put(&without_rootfs).unwrap();
    let config = build::descriptor(MediaType::ImageConfig, &digest, without_rootfs.len() as u64).unwrap();
    fixture.json(MANIFEST, &json!({ "schemaVersion": 2, "config": config, "layers": [] }));
    fixture.refused("is no config");
}

#[test]
fn ch04_an_index_that_leads_on_and_on_is_refused() {
    let fixture = fixture();
    let mut last = fixture.image(&[fixture.layer("a")]);
    for _ in 0..9 {
        last.set_annotations(None);
        last = fixture.json(INDEX, &json!({ "schemaVersion": 2, "manifests": [last] }));
    }
    fixture.refused("loop");
}

#[test]
fn ch04_a_manifest_of_100_mb_is_not_even_read() {
    let fixture = fixture();
    let mut ingest = fixture.store.ingest().unwrap();
    for _ in 0..100 {
        ingest.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let (digest, size) = ingest.keep(None).unwrap();
    let descriptor = build::descriptor(MediaType::ImageManifest, &digest, size).unwrap();
    fixture.store.name(&"x".parse().unwrap(), &descriptor).unwrap();
    fixture.refused("are refused");
}

#[test]
fn ch04_prune_removes_what_nobody_names_and_nothing_else() {
    let fixture = fixture();
    let shared = fixture.layer("shared");
    fixture.image(&[shared.clone(), fixture.layer("one")]);
    fixture.store.name(&"y".parse().unwrap(), &fixture.store.find("x").unwrap()).unwrap();
    fixture.image(&[shared, fixture.layer("two")]);
    for name in ["x", "y"] {
        let image = fixture.store.image(name).unwrap();
        drop(fixture.store.unpack(&image).unwrap());
    }
    let left = |folder: std::path::PathBuf| fs::read_dir(folder).unwrap().count();
    assert_eq!(left(fixture.store.layers()), 3);
    assert_eq!(fixture.store.remove("x").unwrap(), ["x:latest"]);
    let pruned = fixture.store.prune().unwrap();
    assert_eq!((pruned.blobs, pruned.layers), (3, 1), "{pruned:?}");
    let image = fixture.store.image("y").unwrap();
    assert_eq!(fixture.store.unpack(&image).unwrap().0.len(), 2);
    assert_eq!(left(fixture.store.images().join("blobs/sha256")), 4);
}

#[test]
fn ch04_the_index_keeps_what_it_does_not_know() {
    let fixture = fixture();
    let path = fixture.store.images().join("index.json");
    let annotations = HashMap::from([("org.example.kept", "yes")]);
    fs::write(&path, json!({ "schemaVersion": 2, "manifests": [], "annotations": annotations }).to_string())
        .unwrap();
    fixture.image(&[fixture.layer("a")]);
    assert!(fs::read_to_string(&path).unwrap().contains("org.example.kept"));
}
