//! By roads that no path names: shared memory, message queues, keys.

use std::ffi::CString;

use ch00_process::kernel::raw::ipc;
use nix::mqueue::{MQ_OFlag, mq_open, mq_receive};
use nix::sys::stat::Mode;

use crate::facts::{Evidence, Facts};

/// How many bytes a secret in shared memory has.
pub const SECRET_LENGTH: usize = 32;

/// System V shared memory is found by a number.
pub fn sysv_shm(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let call = format!("shmget({:#x}), shmat", facts.shm_key);
    if let Some(bytes) = evidence.step(call, ipc::shm_read(facts.shm_key, SECRET_LENGTH)) {
        evidence.find(String::from_utf8_lossy(&bytes));
    }
    evidence
}

/// A queue's name begins with a slash and is in no directory.
pub fn posix_mq(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let flags = MQ_OFlag::O_RDONLY | MQ_OFlag::O_NONBLOCK;
    let opened = mq_open(facts.queue.as_str(), flags, Mode::empty(), None);
    let Some(queue) = evidence.step(format!("mq_open {}", facts.queue), opened) else { return evidence };
    let mut message = vec![0; 8192];
    let mut priority = 0;
    if let Some(length) = evidence.step("mq_receive", mq_receive(&queue, &mut message, &mut priority)) {
        evidence.find(String::from_utf8_lossy(&message[..length]));
    }
    evidence
}

/// The session keyring is inherited through fork and exec, and no namespace is asked.
pub fn keyring(facts: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(name) = evidence.step(format!("name {}", facts.key), CString::new(facts.key.as_str())) else {
        return evidence;
    };
    let Some(key) = evidence.step("keyctl search", ipc::key_search(&name)) else { return evidence };
    if let Some(bytes) = evidence.step("keyctl read", ipc::key_read(key)) {
        evidence.find(String::from_utf8_lossy(&bytes));
    }
    evidence
}
