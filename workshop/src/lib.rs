//! The guide: it shows the house, says what this machine can do, and sweeps up.
//!
//! # Layout
//! - [`tour`]: every stage on the base image, and the ladder as it grows; [`story`]: its words
//! - [`ladder`]: all stages times all probes, as a table, as JSON, and counted
//! - [`exercise`]: the exercises: start, check, watch, hint, and what else a learner types
//! - [`doctor`]: what this machine can do for each chapter, and how to mend what it can't
//! - [`clean`]: what boxroom left, and only that
//! - [`vm`]: the checks on other kernels, in a small virtual machine
//! - [`elsewhere`]: not a Linux? the way to one
//! - [`ink`], [`progress`]: colour, and the line that says what is going on
//!
//! Everything is written to a writer that `main` gives; only `main` prints. All but [`elsewhere`] and
//! [`ink`] ask Linux things and are compiled there alone.

#[cfg(target_os = "linux")]
pub mod clean;
#[cfg(target_os = "linux")]
pub mod doctor;
pub mod elsewhere;
#[cfg(target_os = "linux")]
pub mod exercise;
pub mod ink;
#[cfg(target_os = "linux")]
pub mod ladder;
#[cfg(target_os = "linux")]
pub mod progress;
#[cfg(target_os = "linux")]
pub mod story;
#[cfg(target_os = "linux")]
pub mod tour;
#[cfg(target_os = "linux")]
pub mod vm;
