//! Chapter 02: rooms. A process with its own mounts, pids, names, network, users, and nothing of the host's.
//!
//! # Layout
//! Each namespace is a mechanism in a file of its own:
//! - [`users`]: who is who inside and outside; rootless by a range of ids or by one
//! - [`mounts`]: private propagation; what is mounted in the new root: [`proc`], [`sys`], [`dev`]
//! - [`pivot`]: the root switched by pivot_root(2), the old one gone
//! - [`pids`], [`uts`], [`ipc`], [`net`], [`cgroup`], [`time`]
//! - [`seal`]: groups, descriptors, keyring, ids: what the command doesn't get
//! - [`only`]: which of them a launch has
//! - [`without`]: a launch with one of them taken out, for the ladder
//! - [`order`]: the steps of a launch to be sorted, a wrong order run to show its damage
//! - [`run`]: the list of mechanisms that is this chapter
//! - [`subid`]: ranges of ids that the machine gives to a user

pub mod cgroup;
pub mod dev;
pub mod ipc;
pub mod mounts;
pub mod net;
pub mod only;
pub mod order;
pub mod pids;
pub mod pivot;
pub mod proc;
pub mod reaper;
pub mod run;
pub mod seal;
pub mod subid;
pub mod sys;
pub mod time;
pub mod users;
pub mod uts;
pub mod without;
