//! An archive of anybody: tar in any of its forms, compressed or not.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ch04_images::hostile::archive(bytes));
