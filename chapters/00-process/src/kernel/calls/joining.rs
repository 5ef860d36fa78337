//! What it takes to go into a container that runs already: its first process named for good, its rooms compared with
//! ours, and the care that nothing of the host's goes along.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::PidfdFlags;

use crate::kernel::{Call, Result, errno};

/// linux/sched.h; nix has no name for it yet.
const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// The files of `/proc/PID/ns`, and what clone(2) calls them.
const ROOMS: [(&str, CloneFlags); 8] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("net", CloneFlags::CLONE_NEWNET),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("time", CLONE_NEWTIME),
];

impl Call<'_> {
    /// `pidfd_open`: a descriptor that means this process and never another one that got its number. pidfd_open(2), 5.3.
    ///
    /// # Errors
    /// ESRCH: it has ended. EINVAL: no number of a process.
    pub fn pidfd_open(self, pid: Pid) -> Result<OwnedFd> {
        let number = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(Errno::EINVAL);
        let answer =
            number.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(errno));
        self.number(answer, |pidfd| pidfd.as_raw_fd().into(), || format!("pidfd_open({pid}, 0)"))
    }

    /// Which namespaces a process has that are not ours, by their inodes in `/proc/PID/ns`. namespaces(7).
    ///
    /// # Errors
    /// ENOENT, ESRCH: it has ended. EACCES: it is somebody else's.
    pub fn other_rooms(self, pid: Pid) -> Result<CloneFlags> {
        let read = |whose: &str, name: &str| {
            nix::fcntl::readlink(&*PathBuf::from(format!("/proc/{whose}/ns/{name}")))
        };
        let mut others = CloneFlags::empty();
        let mut answer = Ok(());
        for (name, flag) in ROOMS {
            match (read("self", name), read(&pid.to_string(), name)) {
                (Ok(ours), Ok(theirs)) if ours == theirs => {}
                (Ok(_), Ok(_)) => others |= flag,
                (Err(Errno::ENOENT), _) => {} // this kernel has no such namespace
                (Err(errno), _) | (_, Err(errno)) => answer = Err(errno),
            }
        }
        let shown = |others: &CloneFlags| {
            let names: Vec<_> =
                ROOMS.iter().filter(|(_, flag)| others.contains(*flag)).map(|(name, _)| *name).collect();
            format!("not ours: {}", if names.is_empty() { "none".into() } else { names.join(", ") })
        };
        self.done(answer.map(|()| others), shown, || format!("readlink(\"/proc/{pid}/ns/*\")"))
    }

    /// `prctl(PR_SET_DUMPABLE, 0)`: nobody may trace this process or read its memory, descriptors and program but who is
    /// privileged over the host; an exec ends it. PR_SET_DUMPABLE(2const).
    ///
    /// # Errors
    /// None that is known.
    pub fn set_undumpable(self) -> Result<()> {
        self.plain(nix::sys::prctl::set_dumpable(false), || "prctl(PR_SET_DUMPABLE, 0)".into())
    }

    /// `getcwd`: where this process stands, as a path from its root. getcwd(2).
    ///
    /// # Errors
    /// ENOENT: the directory was removed, or no path leads to it from this root.
    pub fn getcwd(self) -> Result<PathBuf> {
        self.done(nix::unistd::getcwd(), |path| format!("{path:?}"), || "getcwd()".into())
    }

    /// Whether the program that runs here can't be written by way of `/proc/self/exe`: it lies on a mount that is
    /// read-only, or in a sealed file in memory. proc_pid_exe(5).
    ///
    /// # Errors
    /// `/proc` isn't there.
    pub fn own_program_is_read_only(self) -> Result<bool> {
        let look = || -> nix::Result<bool> {
            let program = nix::fcntl::open(
                "/proc/self/exe",
                nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
                nix::sys::stat::Mode::empty(),
            )?;
            let seen = nix::sys::statvfs::fstatvfs(&program)?;
            if seen.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY) {
                return Ok(true);
            }
            // No file but one in memory has seals.
            Ok(rustix::fs::fcntl_get_seals(&program).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
        };
        self.done(look(), ToString::to_string, || "fstatvfs(\"/proc/self/exe\"), fcntl(F_GET_SEALS)".into())
    }

    /// A copy of a file that lies in memory and can't be changed any more: `memfd_create`, written, sealed.
    /// memfd_create(2), F_ADD_SEALS(2const).
    ///
    /// # Errors
    /// ENOMEM. EACCES: `vm.memfd_noexec` forbids programs in memory.
    pub fn sealed_copy(self, file: &Path, name: &str) -> Result<OwnedFd> {
        let copy = || -> std::io::Result<OwnedFd> {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            // Before 6.3 the kernel knows no MFD_EXEC, and every such file may be executed.
            let memory = rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC)
                .or_else(|_| rustix::fs::memfd_create(name, flags))?;
            let mut memory = fs::File::from(memory);
            std::io::copy(&mut fs::File::open(file)?, &mut memory)?;
            let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
            rustix::fs::fcntl_add_seals(&memory, seals)?;
            Ok(memory.into())
        };
        let answer = copy().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
        self.number(answer, |memory| memory.as_raw_fd().into(), || {
            format!("memfd_create({name:?}, MFD_ALLOW_SEALING|MFD_EXEC), sendfile({file:?}), fcntl(F_ADD_SEALS, ...)")
        })
    }

    /// `execveat(program, "", argv, environ, AT_EMPTY_PATH)`: this process becomes the program behind a descriptor, with the
    /// same words and the same environment. execveat(2).
    ///
    /// # Errors
    /// EACCES: not executable, or its mount is noexec. ENOSYS: without `/proc` (fexecve(3)).
    pub fn become_again(self, program: BorrowedFd<'_>) -> Result<std::convert::Infallible> {
        let c = |text: std::ffi::OsString| {
            std::ffi::CString::new(<_ as std::os::unix::ffi::OsStringExt>::into_vec(text))
                .map_err(|_| Errno::EINVAL)
        };
        let argv: nix::Result<Vec<_>> = std::env::args_os().map(c).collect();
        let env: nix::Result<Vec<_>> = std::env::vars_os()
            .map(|(key, value)| c([key.as_os_str(), "=".as_ref(), value.as_os_str()].into_iter().collect()))
            .collect();
        let answer = argv.and_then(|argv| nix::unistd::fexecve(program.as_fd(), &argv, &env?));
        self.done(
            answer,
            |_| String::new(),
            || format!("execveat({}, \"\", [the same words], environ, AT_EMPTY_PATH)", super::fd(program)),
        )
    }
}
