//! The instrument: a program that runs INSIDE and reports what it can see and do.
//!
//! It never judges. What it saw or did goes to whoever handed it the facts, outside, and they decide.
//!
//! # Layout
//! - [`catalogue`]: every attempt, what stops it, where to read about it
//! - [`attempts`]: the attempts themselves, by what they go for
//! - [`facts`]: what the outside hands in, what the inside hands back
//! - [`roll_call`]: who speaks first, and when an attempt may begin
//! - [`report`]: what can be seen from here, the same words on every machine
//! - [`staged`](fn@staged): the probe as a file that runs in any root file system

pub mod attempts;
pub mod catalogue;
pub mod facts;
pub mod report;
pub mod roll_call;
mod staged;

pub use staged::{
    BUILT, build, build_in, build_test, built_folder, cargo, has_static_libc, staged, target_dir, workspace,
};
