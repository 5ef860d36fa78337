//! Chapter 06: a container's life. Made, started, stopped, thrown away; and nobody has to sit beside it.
//!
//! # Layout
//! What a container is, on disk:
//! - [`state`]: the states, and which move leads from one to another
//! - [`config`]: what it was made from, as resolved at `create`
//! - [`containers`]: their folders, names, ids and locks; [`truth`]: the state as it is, whatever has happened
//! - [`process`]: a process known by more than its number; [`when`]: moments; [`name`]: names for who has none

pub mod config;
pub mod containers;
pub mod name;
pub mod process;
pub mod state;
pub mod truth;
pub mod when;
