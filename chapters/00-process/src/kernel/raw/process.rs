//! Processes: clone3, the child's signals, an end without ceremony.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::signal::Number;

/// `clone3(struct clone_args *cl_args, size_t size)` without shared memory: like fork, with namespaces
/// and a pidfd. `None` in the child. clone(2).
///
/// `flags` are the kernel's 64-bit `CLONE_*`. libc's `CLONE_INTO_CGROUP` is a c_int and overflows to 0:
/// give `cgroup` instead, and the flag is set here.
///
/// # Errors
/// EPERM: no privilege for a namespace. EINVAL: flags that exclude each other. ENOSPC: too many namespaces.
/// ENOSYS: older than 5.3.
// ANCHOR: clone3
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<(Pid, OwnedFd)>, Errno> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is a plain structure of integers; all zeroes is a valid value of it.
    let mut args: libc::clone_args = unsafe { zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` and `pidfd` live until the call returns. Neither CLONE_VM nor a stack is asked for, so
    // the child runs on its own copy of this stack. The process has one thread at this moment (the launch
    // starts none), so no lock can be held by a thread that the child doesn't have.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match Errno::result(answer)? {
        0 => Ok(None),
        pid => {
            // SAFETY: the kernel has just put a new descriptor there, which nobody else knows of.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Some((Pid::from_raw(pid as i32), pidfd)))
        }
    }
}
// ANCHOR_END: clone3

/// Every signal that can be caught goes back to its default, ignored ones too (execve keeps them ignored,
/// and Rust's runtime ignores SIGPIPE), and none is blocked any more. signal(7).
///
/// By the system call itself: libc keeps signals 32 and 33 for itself and refuses to touch them, and whoever
/// started us may have left them ignored.
///
/// # Errors
/// None that is known.
pub fn reset_signals() -> Result<(), Errno> {
    /// The kernel's `struct sigaction`: handler, flags, restorer, and a mask of 64 bits. All zeroes is SIG_DFL
    /// with an empty mask.
    const DEFAULT: [u64; 4] = [0; 4];
    const SIGNALS: libc::c_int = 64;
    for signal in 1..=SIGNALS {
        // SAFETY: the kernel reads 32 bytes from DEFAULT, which is that long, and writes nothing (the old
        // action is null); SIG_DFL runs no code of ours. KILL and STOP answer EINVAL, which changes nothing.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()
}

/// Whether this process ignores the signal, as nohup(1) makes it. `rt_sigaction(signal, NULL, &old)`.
#[must_use]
pub fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    // SAFETY: a sigaction of zeroes is a valid value of it.
    let mut old: libc::sigaction = unsafe { zeroed() };
    // SAFETY: nothing is changed (the new action is null), and `old` lives until the call returns.
    let answer = unsafe { libc::sigaction(signal as libc::c_int, std::ptr::null(), &raw mut old) };
    answer == 0 && old.sa_sigaction == libc::SIG_IGN
}

/// `pidfd_send_signal(pidfd, signal, NULL, 0)`: real-time signals too, which rustix builds from no safe number.
/// pidfd_send_signal(2)
///
/// # Errors
/// ESRCH: it has ended. EPERM: not ours.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Number) -> Result<(), Errno> {
    let (nothing, flags): (*const libc::siginfo_t, u32) = (std::ptr::null(), 0);
    // SAFETY: no memory is read or written, as there is no siginfo; the descriptor is open as long as it is borrowed.
    let answer = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.get(), nothing, flags)
    };
    Errno::result(answer).map(drop)
}

/// `_exit(2)`: ends without running anything that the host left in this copy of its memory (buffers that
/// would be written twice, destructors of what isn't ours).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions and doesn't return.
    unsafe { libc::_exit(code) }
}

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)`: a new, empty session keyring. keyctl(2), session-keyring(7).
///
/// # Errors
/// ENOSYS: a kernel without keys. EDQUOT: this user has too many.
pub fn join_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name means an anonymous keyring; nothing of ours is read or written.
    let answer = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>())
    };
    Errno::result(answer).map(drop)
}

/// `close_range(3, ~0, CLOSE_RANGE_CLOEXEC)`. close_range(2).
///
/// # Errors
/// ENOSYS: older than 5.9. EINVAL: the flag is 5.11.
pub fn close_range_on_exec() -> Result<(), Errno> {
    // SAFETY: nothing is closed now; descriptors are only marked to be closed by an exec, after which no
    // code of ours holds them.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(answer).map(drop)
}

/// Closes every descriptor but the standard three and these.
///
/// Only for a copy of a process that never returns to what it is a copy of: the monitor. What others hold in its memory
/// (a listener, a store, what a shell left open) is closed behind their backs.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> =
        kept.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
    kept.sort_unstable();
    let mut from = 3;
    for next in kept.into_iter().chain([u32::MAX]) {
        if from < next {
            // SAFETY: this copy owns its table of descriptors. Its caller runs in frames that are never returned to
            // and ends by `_exit`, so no owner of a descriptor that is closed here is ever used or dropped; those that
            // it goes on using are in `kept`, and no number of theirs is in the range.
            unsafe {
                libc::syscall(libc::SYS_close_range, from, if next == u32::MAX { next } else { next - 1 }, 0)
            };
        }
        from = next.saturating_add(1);
    }
}

/// Takes a descriptor that `recvmsg` has just put into this process (`SCM_RIGHTS`, unix(7)).
pub(crate) fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this number for that one recvmsg; the only caller takes each of them once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Forgets what a copy of this process must not show to others: the strings of the environment are overwritten, which
/// `/proc/PID/environ` reads from memory, and then every descriptor but the standard three is closed.
///
/// Only for a process that will never use its descriptors or its environment again: init, and who waits in its place.
#[allow(clippy::multiple_unsafe_ops_per_block)] // one walk, one reason
pub fn forget_the_host() {
    // SAFETY: the process has one thread, so nobody changes `environ` meanwhile; the list ends with a null
    // pointer, and each entry before it points to a string of ours that ends with a NUL and may be written
    // (execve put it on the stack, or setenv into the heap).
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            std::ptr::write_bytes(*entry, 0, libc::strlen(*entry));
            entry = entry.add(1);
        }
    }
    // SAFETY: this copy of the process owns its table of descriptors, and neither of its callers (02's reaper and
    // order) uses or drops one of them afterwards: both only wait for a child and `_exit`.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

// SAFETY: libc defines it with this type, the start of a list of C strings that ends with a null pointer.
unsafe extern "C" {
    /// environ(7).
    static environ: *mut *mut libc::c_char;
}
