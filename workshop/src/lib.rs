//! The guide: it shows the house, says what this machine can do, and sweeps up.
//!
//! # Layout
//! - [`ink`]: colour for a terminal, plain text for everything else
//! - [`elsewhere`]: not a Linux? the way to one
//! - [`doctor`]: what this machine can do for each chapter, and how to mend what it can't
//! - [`clean`]: what boxroom left, and only that
//!
//! Everything is written to a writer that `main` gives; only `main` prints. All but the first two
//! ask Linux things and are compiled there alone.

#[cfg(target_os = "linux")]
pub mod clean;
#[cfg(target_os = "linux")]
pub mod doctor;
pub mod elsewhere;
pub mod ink;
