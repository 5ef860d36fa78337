//! Chapter 06: a container's life. Made, started, stopped, thrown away; and nobody has to sit beside it.
//!
//! # Layout
//! What a container is, on disk:
//! - [`state`]: the states, and which move leads from one to another
//! - [`config`]: what it was made from, as resolved at `create`
//! - [`containers`]: their folders, names, ids and locks; [`truth`]: the state as it is, whatever has happened
//! - [`process`]: a process known by more than its number; [`when`]: moments; [`name`]: names for who has none
//!
//! From there to a process, and to its end:
//! - [`create`]: an image and a command line become a container on disk
//! - [`life`]: the mechanism: process and end are written down; [`launch`]: chapter 04's list and this one more
//! - [`monitor`]: who stays with it; [`log`]: what it said
//! - [`freeze`]: standing still; [`mend`]: after a crash
//! - [`verbs`]: what people say, and what they read

pub mod config;
pub mod containers;
pub mod create;
pub mod freeze;
pub mod launch;
pub mod life;
pub mod log;
pub mod mend;
pub mod monitor;
pub mod name;
pub mod process;
pub mod state;
pub mod truth;
pub mod verbs;
pub mod when;
