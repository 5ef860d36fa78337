//! System V shared memory and keyrings, for the probe: two roads between processes that no path names.

use std::ffi::CStr;

use nix::errno::Errno;

/// A System V shared memory segment, by its number in this ipc namespace. shmget(2), ipc_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment(libc::c_int);

/// `shmget(key, size, IPC_CREAT | IPC_EXCL | 0600)`, and `bytes` written into it.
///
/// # Errors
/// EEXIST: the key is taken. ENOSPC: the limit of segments.
pub fn shm_create(key: i32, bytes: &[u8]) -> Result<Segment, Errno> {
    // SAFETY: shmget takes three integers and touches no memory of ours; a wrong one is an errno.
    let id = unsafe { libc::shmget(key, bytes.len().max(1), libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    let segment = Segment(Errno::result(id)?);
    let memory = attach(segment, 0)?;
    // SAFETY: the kernel has just given a segment of at least `bytes.len()` bytes, page aligned and
    // writable, that nobody else has attached; the two can't overlap since it is a new mapping.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len()) };
    detach(memory);
    Ok(segment)
}

/// The first `length` bytes of the segment that has `key` in this ipc namespace.
///
/// # Errors
/// ENOENT: no such key here. EACCES: another user's. EINVAL: shorter than `length`.
pub fn shm_read(key: i32, length: usize) -> Result<Vec<u8>, Errno> {
    // SAFETY: integers only. A size larger than the segment is EINVAL, so `length` bytes are there.
    let id = unsafe { libc::shmget(key, length, 0) };
    let memory = attach(Segment(Errno::result(id)?), libc::SHM_RDONLY)?;
    let mut bytes = vec![0_u8; length];
    // SAFETY: the segment holds at least `length` bytes (shmget checked it) and stays attached until
    // `detach`; bytes that another process changes meanwhile are bytes all the same.
    unsafe { std::ptr::copy_nonoverlapping(memory, bytes.as_mut_ptr(), length) };
    detach(memory);
    Ok(bytes)
}

/// `shmctl(IPC_RMID)`: the segment goes when the last process lets go of it.
///
/// # Errors
/// EINVAL: it is gone already. EPERM: another user's.
pub fn shm_remove(segment: Segment) -> Result<(), Errno> {
    // SAFETY: IPC_RMID reads no buffer.
    let answer = unsafe { libc::shmctl(segment.0, libc::IPC_RMID, std::ptr::null_mut()) };
    Errno::result(answer).map(drop)
}

fn attach(segment: Segment, flags: libc::c_int) -> Result<*mut u8, Errno> {
    // SAFETY: a null address lets the kernel choose a place that nothing else uses.
    let memory = unsafe { libc::shmat(segment.0, std::ptr::null(), flags) };
    // shmat answers (void *) -1 for an error.
    if memory.addr() == usize::MAX { Err(Errno::last()) } else { Ok(memory.cast()) }
}

fn detach(memory: *mut u8) {
    // SAFETY: `memory` came from `attach` and nothing refers to it after this.
    unsafe { libc::shmdt(memory.cast()) };
}

/// A key, by the number that the kernel gave it. keyrings(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(libc::c_long);

const SESSION_KEYRING: libc::c_int = -3;

/// `add_key("user", name, bytes, KEY_SPEC_SESSION_KEYRING)`. add_key(2).
///
/// # Errors
/// ENOSYS: a kernel without keys. EDQUOT: this user has too many.
pub fn key_add(name: &CStr, bytes: &[u8]) -> Result<Key, Errno> {
    // SAFETY: two C strings and a buffer of the length that is named; the kernel only reads.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            name.as_ptr(),
            bytes.as_ptr(),
            bytes.len(),
            SESSION_KEYRING,
        )
    };
    Errno::result(answer).map(Key)
}

/// `keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name)`. keyctl(2), session-keyring(7).
///
/// # Errors
/// ENOKEY: not in this session's keyring. ENOSYS: a kernel without keys.
pub fn key_search(name: &CStr) -> Result<Key, Errno> {
    const KEYCTL_SEARCH: libc::c_int = 10;
    // SAFETY: two C strings, which the kernel only reads.
    let answer = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_SEARCH, SESSION_KEYRING, c"user".as_ptr(), name.as_ptr(), 0)
    };
    Errno::result(answer).map(Key)
}

/// `keyctl(KEYCTL_READ)`: what the key holds, at most 4,096 bytes of it.
///
/// # Errors
/// EACCES: not readable for whoever asks. EKEYREVOKED, EKEYEXPIRED: it has ended.
pub fn key_read(key: Key) -> Result<Vec<u8>, Errno> {
    const KEYCTL_READ: libc::c_int = 11;
    let mut bytes = vec![0_u8; 4096];
    // SAFETY: the kernel writes at most `bytes.len()` bytes and answers the key's whole length.
    let answer =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_READ, key.0, bytes.as_mut_ptr(), bytes.len()) };
    let length = usize::try_from(Errno::result(answer)?).unwrap_or(0);
    bytes.truncate(length);
    Ok(bytes)
}

/// Whether a descriptor with this number is open, and if so whether an exec would close it. F_GETFD(2const).
///
/// # Errors
/// EBADF: it isn't open.
pub fn descriptor_closes_on_exec(number: i32) -> Result<bool, Errno> {
    // SAFETY: F_GETFD only asks; a number that is no descriptor is EBADF.
    let answer = unsafe { libc::fcntl(number, libc::F_GETFD) };
    Errno::result(answer).map(|flags| flags & libc::FD_CLOEXEC != 0)
}

/// What the file behind an inherited descriptor begins with, at most 4,096 bytes; its offset stays. pread(2).
///
/// # Errors
/// EBADF: not open, or not for reading. ESPIPE: a pipe or a socket. EISDIR: a directory.
pub fn descriptor_read(number: i32) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0_u8; 4096];
    // SAFETY: the kernel writes at most `bytes.len()` bytes into `bytes`; reading at an offset changes
    // nothing for whoever owns the descriptor.
    let answer = unsafe { libc::pread(number, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    bytes.truncate(usize::try_from(Errno::result(answer)?).unwrap_or(0));
    Ok(bytes)
}
