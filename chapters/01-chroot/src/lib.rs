//! Chapter 01: another root directory, and a base root file system made from this very machine.
//!
//! # Layout
//! - [`base`]: the base root file system
//! - [`chroot`]: the root switched by chroot(2): what it does, and what it doesn't
//! - [`escape`]: the way out of it
//! - [`borrow`]: a user namespace of one id, for whoever isn't root
//! - [`as_root`]: the same program again, by sudo; what every chapter's `run` takes
//! - [`rootfs`]: a folder that may be a root file system, looked at before the kernel is asked

pub mod as_root;
pub mod base;
pub mod borrow;
pub mod chroot;
pub mod escape;
pub mod rootfs;
