//! The calls that neither nix nor rustix has. The only unsafe code of the house is in this room;
//! what leaves it is safe to call.
#![allow(unsafe_code)]

pub mod ipc;
mod memory;
mod mount;
mod process;

pub use memory::Spare;
pub use mount::{mount_setattr_idmap, mount_setattr_read_only};
pub(crate) use process::adopt;
pub use process::{
    clone3, close_all_but, close_range_on_exec, exit_now, forget_the_host, is_ignored, join_session_keyring,
    pidfd_send_signal, reset_signals,
};
