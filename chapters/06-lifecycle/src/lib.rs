//! Chapter 06: a container's life. Made, started, stopped, thrown away; and nobody has to sit beside it.
//!
//! # Layout
//! What a container is, on disk:
//! - [`state`]: the states, and which move leads from one to another
//! - [`config`]: what it was made from, as resolved at `create`
//! - [`containers`]: their folders, names, ids and locks; [`truth`]: the state as it is, whatever has happened; [`damaged`]: what is left of one
//! - [`process`]: a process known by more than its number; [`when`]: moments; [`name`]: names for who has none
//!
//! From there to a process, and to its end:
//! - [`create`]: an image and a command line become a container on disk
//! - [`life`]: the mechanism: process and end are written down; [`launch`]: chapter 04's list and this one more
//! - [`monitor`]: who stays with it; [`log`]: what it said
//! - [`freeze`]: standing still; [`mend`]: after a crash; [`full_disk`]: without room; [`unkept`]: what --rm leaves; [`system`]: the whole of it
//! - [`verbs`]: what people say, and what they read
//!
//! Into one that runs:
//! - [`join`]: the second road; [`stand`]: a place in it; [`own_program`]: what must not be written from inside
//! - [`exec`], [`exec_verb`]: a command more; [`beside`]: one that goes on without us; [`silence`]; [`fleet`]: in many at once
//! - [`plug`]: a volume more
//! - [`align`]: another engine's launch in our moments
//!
//! At its keyboard:
//! - [`pty`]: a terminal for the command; [`terminal`]: the caller's own
//! - [`attach`], [`attach_server`], [`wire`]: the client, the monitor's side, and what they say; [`keys`]: how to leave

pub mod align;
pub mod attach;
pub mod attach_server;
mod attached;
pub mod beside;
pub mod config;
pub mod containers;
pub mod create;
pub mod damaged;
pub mod exec;
pub mod exec_verb;
pub mod fleet;
pub mod freeze;
pub mod full_disk;
pub mod join;
pub mod keys;
pub mod launch;
pub mod life;
pub mod log;
pub mod mend;
pub mod monitor;
pub mod name;
pub mod own_program;
pub mod plug;
pub mod process;
pub mod pty;
pub mod silence;
pub mod stand;
pub mod state;
pub mod system;
pub mod terminal;
pub mod truth;
pub mod unkept;
pub mod verbs;
pub mod when;
pub mod wire;
