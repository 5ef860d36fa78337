//! Chapter 05: the external drive. Bind mounts, named volumes, tmpfs, read-only: what outlives a container.
//!
//! # Layout
//! What is asked for:
//! - [`request`]: `-v`, `--mount`, `--tmpfs` and the image's VOLUMEs, read and checked
//!
//! How it gets inside:
//! - [`volumes`]: the mechanism: sources become detached mounts, and are attached in the new root
//! - [`target`]: the place in the new root, found or made, by descriptors alone
//! - [`by_path`]: how engines did it before, to be attacked
//! - [`run`]: chapter 04's list, and one more
//!
//! What is kept:
//! - [`volume`]: volumes on disk: made, listed, held, removed
//! - [`verb`]: `volume create|ls|inspect|rm|prune|export|import`
//! - [`mapped`]: an ordinary user's volumes, by way of the map

pub mod by_path;
pub mod mapped;
pub mod request;
pub mod run;
pub mod target;
pub mod verb;
pub mod volume;
pub mod volumes;
