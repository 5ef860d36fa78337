//! Archives: a tar as it comes from anybody, and a tar as this store writes it.
//!
//! A reader of its own, because every archive may be an attacker's: what isn't understood is refused, never guessed,
//! and memory doesn't grow with what a header claims.
//!
//! # Layout
//! - [`entry`]: what one entry says
//! - [`header`]: the 512 bytes before it
//! - [`pax`]: what doesn't fit there
//! - [`sparse`], [`acl`]: files with holes, and ACLs as text
//! - [`reader`], [`writer`]: in and out
//! - [`compression`]: gzip, zstd, xz, plain

pub mod acl;
pub mod compression;
pub mod entry;
pub mod header;
pub mod pax;
pub mod reader;
pub mod sparse;
pub mod writer;

/// A tar's unit: headers are one block, contents are filled up to whole ones.
pub const BLOCK: usize = 512;
