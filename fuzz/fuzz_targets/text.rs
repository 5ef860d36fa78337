//! Manifests, configs, indexes, and names of images.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ch04_images::hostile::text(bytes));
