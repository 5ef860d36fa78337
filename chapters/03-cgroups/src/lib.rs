//! Chapter 03: how much. A process with a limit on memory, processor, processes and io, and a group that can be
//! watched, killed and removed as one.
//!
//! # Layout
//! - [`hierarchy`]: what is mounted: version 2, version 1, both; and where this process is in it
//! - [`limits`], [`size`]: what the command line asks for
//! - [`delegation`]: below which group this user may make one, and how to get such a group
//! - [`group`]: one face for both versions: made, joined, read, killed, removed
//! - [`v2`], [`v1`]: the files of each version behind that face; [`swap`], which both close with memory
//! - [`cgroup`]: the mechanism: the group's part in a launch
//! - [`death`]: why it died
//! - [`stats`], [`tree`]: looking at groups while they live
//! - [`neighbours`]: a loud one and a quiet one, measured and drawn
//! - [`run`]: chapter 02's list of mechanisms and one more

pub mod cgroup;
pub mod death;
pub mod delegation;
pub mod group;
pub mod hierarchy;
pub mod limits;
pub mod neighbours;
pub mod run;
pub mod size;
pub mod stats;
pub mod swap;
pub mod tree;
pub mod v1;
pub mod v2;
