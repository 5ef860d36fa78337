//! Processes: made, renamed into another program, given namespaces, signalled, awaited.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::kernel::{Call, Result, errno, raw, shortened};
use crate::signal::Number;
use crate::wait::End;

/// linux/sched.h
const CLONE_NEWTIME: i32 = 0x80;

impl Call<'_> {
    /// `clone3`: a copy of this process in new namespaces, and a descriptor for it. `None` in the copy.
    /// clone(2), namespaces(7).
    ///
    /// # Errors
    /// EPERM: no privilege for a namespace. ENOSPC: the limit of namespaces. ENOSYS: older than 5.3.
    pub fn clone3(
        self,
        namespaces: CloneFlags,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> Result<Option<(Pid, OwnedFd)>> {
        let flags = u64::from(namespaces.bits().cast_unsigned());
        let answer = raw::clone3(flags, cgroup);
        if matches!(answer, Ok(None)) {
            return Ok(None); // the copy tells nothing yet: it has no voice of its own
        }
        self.number(
            answer,
            |made| made.as_ref().map_or(0, |(pid, _)| pid.as_raw().into()),
            || {
                let mut names = vec!["CLONE_PIDFD".to_string()];
                names.extend(namespaces.iter_names().map(|(name, _)| name.to_string()));
                if cgroup.is_some() {
                    names.push("CLONE_INTO_CGROUP".into());
                }
                format!("clone3({{flags={}, exit_signal=SIGCHLD}})", names.join("|"))
            },
        )
    }

    /// `unshare`: this process leaves a namespace for a new one. unshare(2).
    ///
    /// # Errors
    /// EPERM: no privilege. EINVAL: the kernel has no such namespace.
    pub fn unshare(self, namespaces: CloneFlags) -> Result<()> {
        self.plain(nix::sched::unshare(namespaces), || format!("unshare({})", flags(namespaces)))
    }

    /// `setns`: this process enters the namespace that `ns` names. setns(2).
    ///
    /// # Errors
    /// EINVAL: more than one thread, or another kind of namespace. EPERM: no privilege in it.
    pub fn setns(self, ns: BorrowedFd<'_>, kind: CloneFlags) -> Result<()> {
        self.plain(nix::sched::setns(ns, kind), || format!("setns({}, {})", super::fd(ns), flags(kind)))
    }

    /// `prctl(PR_SET_PDEATHSIG)`: when the parent ends, the kernel sends this signal. Cleared by a change of
    /// ids, so it is set late. PR_SET_PDEATHSIG(2const).
    ///
    /// # Errors
    /// EINVAL: no such signal.
    pub fn set_pdeathsig(self, signal: Signal) -> Result<()> {
        self.plain(nix::sys::prctl::set_pdeathsig(signal), || format!("prctl(PR_SET_PDEATHSIG, {signal})"))
    }

    /// All signals back to their defaults, none blocked. sigaction(2), signal(7).
    ///
    /// # Errors
    /// None that is known.
    pub fn reset_signals(self) -> Result<()> {
        self.plain(raw::reset_signals(), || "sigaction(1..=64, SIG_DFL), sigprocmask(SIG_SETMASK, [])".into())
    }

    /// `close_range(3, ~0, CLOSE_RANGE_CLOEXEC)`: no descriptor but the standard three survives exec. 5.11.
    ///
    /// # Errors
    /// ENOSYS, EINVAL: older than 5.11.
    pub fn close_range_on_exec(self) -> Result<()> {
        self.plain(raw::close_range_on_exec(), || "close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)".into())
    }

    /// `keyctl(KEYCTL_JOIN_SESSION_KEYRING)`: a session keyring of its own. session-keyring(7).
    ///
    /// # Errors
    /// ENOSYS: a kernel without keys. EDQUOT: too many.
    pub fn join_session_keyring(self) -> Result<()> {
        self.plain(raw::join_session_keyring(), || "keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)".into())
    }

    /// `execve`: this process becomes `file`. Returns only when it failed. execve(2).
    ///
    /// # Errors
    /// ENOENT: not there, or the interpreter that it names isn't. EACCES: not executable. ENOEXEC: not for
    /// this kernel.
    pub fn execve(self, file: &CString, argv: &[CString], env: &[CString]) -> Result<Infallible> {
        let call = || format!("execve({file:?}, {}, [/* {} variables */])", words(argv), env.len());
        if self.kernel.listener.is_some() {
            // Success has nobody to come back to: so it is announced, and the host completes the line.
            self.tell(&shortened(call()), "?");
        }
        self.done(nix::unistd::execve(file, argv, env), |_| String::new(), call)
    }

    /// `waitid(P_PIDFD, ..., WEXITED)`: how the child ended; it is no zombie after this. wait(2).
    ///
    /// # Errors
    /// ECHILD: not a child of this process, or awaited already.
    pub fn waitid(self, pidfd: BorrowedFd<'_>) -> Result<End> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let answer = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED).map_err(errno);
        let end = answer.and_then(|status| {
            let status = status.ok_or(Errno::ECHILD)?;
            let killed = status.terminating_signal().map(End::Killed);
            status.exit_status().map(End::Exited).or(killed).ok_or(Errno::EINVAL)
        });
        self.done(
            end,
            |end| match end {
                End::Exited(code) => format!("0 {{CLD_EXITED, status={code}}}"),
                End::Killed(number) => {
                    let name = Signal::try_from(*number)
                        .map_or_else(|_| number.to_string(), |name| name.to_string());
                    format!("0 {{CLD_KILLED, status={name}}}")
                }
            },
            || format!("waitid(P_PIDFD, {}, WEXITED)", super::fd(pidfd)),
        )
    }

    /// `pidfd_send_signal`: the signal reaches this very process, never another that got its number.
    ///
    /// # Errors
    /// ESRCH: it has ended. EPERM: not ours.
    pub fn pidfd_send_signal(self, pidfd: BorrowedFd<'_>, signal: impl Into<Number>) -> Result<()> {
        let signal = signal.into();
        self.plain(raw::pidfd_send_signal(pidfd, signal), || {
            format!("pidfd_send_signal({}, {signal})", super::fd(pidfd))
        })
    }

    /// `sethostname`: the name of this uts namespace. sethostname(2), uts_namespaces(7).
    ///
    /// # Errors
    /// EPERM: the namespace is the host's. EINVAL: longer than 64 bytes.
    pub fn sethostname(self, name: &str) -> Result<()> {
        self.plain(nix::unistd::sethostname(name), || format!("sethostname({name:?}, {})", name.len()))
    }

    /// `gethostname`: the name that this uts namespace has. gethostname(2).
    ///
    /// # Errors
    /// None that is known.
    pub fn gethostname(self) -> Result<String> {
        let answer = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        self.done(answer, |name| format!("{name:?}"), || "gethostname()".into())
    }

    /// Sets a network interface up, by an `RTM_NEWLINK` message. rtnetlink(7).
    ///
    /// # Errors
    /// EPERM: the network namespace is another user namespace's.
    pub fn link_up(self, index: i32) -> Result<()> {
        self.plain(link_up(index), || {
            format!("sendto(netlink, {{type=RTM_NEWLINK, index={index}, flags=IFF_UP, change=IFF_UP}})")
        })
    }
}

/// The first words, each not too long: a command line may have two megabytes, a message should not.
fn words(argv: &[CString]) -> String {
    const WORDS: usize = 8;
    const LETTERS: usize = 100;
    let short = |word: &CString| {
        let text = word.to_string_lossy();
        match text.char_indices().nth(LETTERS) {
            Some((end, _)) => format!("{:?}...", &text[..end]),
            None => format!("{text:?}"),
        }
    };
    let mut shown: Vec<String> = argv.iter().take(WORDS).map(short).collect();
    if argv.len() > WORDS {
        shown.push(format!("/* {} more */", argv.len() - WORDS));
    }
    format!("[{}]", shown.join(", "))
}

fn flags(of: CloneFlags) -> String {
    let mut names: Vec<_> = of.iter_names().map(|(name, _)| name).collect();
    if of.bits() & CLONE_NEWTIME != 0 {
        names.push("CLONE_NEWTIME"); // nix has no name for it
    }
    names.join("|")
}

/// nlmsghdr and ifinfomsg are 16 bytes each, in the machine's byte order.
fn link_up(index: i32) -> Result<(), nix::errno::Errno> {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes()); // nlmsg_len
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]); // nlmsg_seq, nlmsg_pid
    message.extend([0; 4]); // ifi_family, padding, ifi_type
    message.extend(index.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // ifi_flags
    message.extend(IFF_UP.to_ne_bytes()); // ifi_change: this flag alone
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    send(netlink.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 1024];
    let length = recv(netlink.as_fd().as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // NLMSG_ERROR carries the errno, negative, right after its header; 0 is the acknowledgement.
    let code = answer
        .get(16..20)
        .filter(|_| length >= 20)
        .map_or(-libc::EPROTO, |bytes| i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    if code == 0 { Ok(()) } else { Err(nix::errno::Errno::from_raw(-code)) }
}
