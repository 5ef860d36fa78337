//! Files, directories and nodes, by path while the host's are visible, by descriptor afterwards.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};

use crate::kernel::{Call, Result};

impl Call<'_> {
    /// `openat`, close-on-exec. open(2).
    ///
    /// # Errors
    /// ENOENT: not there. EACCES: not allowed. ENOTDIR: a file on the way, or `O_DIRECTORY` on a file.
    pub fn open(self, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        self.number(open(path, flags | OFlag::O_CLOEXEC, Mode::empty()), number, || {
            format!("openat(AT_FDCWD, {path:?}, {})", names(flags))
        })
    }

    /// `openat2(dir, path, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)`: `dir` is the root of the whole path, so `..`
    /// doesn't lead out of it, and a symlink leads nowhere at all. openat2(2), 5.6; the answer to CVE-2021-30465
    /// and CVE-2023-27561 and their family.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR as open. ELOOP: a symlink.
    pub fn open_in_root(self, dir: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
        self.number(openat2(dir, path, how), number, || {
            format!(
                "openat2({}, {path:?}, {{flags={}, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS}})",
                super::fd(dir),
                names(flags)
            )
        })
    }

    /// `openat2(dir, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)`: symlinks are followed, and `dir` is the root of all of
    /// them: an absolute one begins there, `..` ends there. What /proc offers as links (a process's root, its open files)
    /// leads nowhere. openat2(2), 5.6.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR as open; ENOENT also for a symlink to what isn't there. ELOOP: symlinks in a circle, or one of /proc.
    /// EXDEV, EAGAIN: somebody renames on the way meanwhile.
    pub fn resolve_in_root(self, dir: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        // EAGAIN: a rename somewhere made the kernel unsure of a `..`; it asks to be asked again.
        let answer = (0..64).find_map(|_| match openat2(dir, path, how) {
            Err(nix::errno::Errno::EAGAIN) => None,
            other => Some(other),
        });
        self.number(answer.unwrap_or(Err(nix::errno::Errno::EAGAIN)), number, || {
            format!(
                "openat2({}, {path:?}, {{flags={}, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}})",
                super::fd(dir),
                names(flags)
            )
        })
    }

    /// `fstat`: whether it is a directory. stat(2).
    ///
    /// # Errors
    /// None that is known.
    pub fn is_directory(self, file: BorrowedFd<'_>) -> Result<bool> {
        let answer = nix::sys::stat::fstat(file)
            .map(|seen| SFlag::from_bits_truncate(seen.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR);
        self.done(
            answer,
            |is| if *is { "S_IFDIR" } else { "no directory" }.into(),
            || format!("fstat({})", super::fd(file)),
        )
    }

    /// `fstat`: which file it is, by its file system and its number in it. stat(2).
    ///
    /// # Errors
    /// None that is known.
    pub fn file_id(self, file: BorrowedFd<'_>) -> Result<(u64, u64)> {
        let answer = nix::sys::stat::fstat(file).map(|seen| (seen.st_dev, seen.st_ino));
        self.done(
            answer,
            |(device, number)| format!("device {device}, inode {number}"),
            || format!("fstat({})", super::fd(file)),
        )
    }

    /// `fstatfs`: the number of the file system that it is in. statfs(2) has the list.
    ///
    /// # Errors
    /// None that is known.
    pub fn file_system(self, file: BorrowedFd<'_>) -> Result<i64> {
        #[allow(clippy::useless_conversion)] // its type is another one on other machines
        let answer = nix::sys::statfs::fstatfs(file).map(|seen| i64::from(seen.filesystem_type().0));
        self.done(answer, |magic| format!("0x{magic:x}"), || format!("fstatfs({}).f_type", super::fd(file)))
    }

    /// Opens for writing, writes all at once, closes: for the files of /proc that are commands.
    ///
    /// # Errors
    /// EPERM, EINVAL: as the file's own man page says. ENOENT: the kernel has no such file.
    pub fn write(self, path: &Path, text: &str) -> Result<()> {
        let answer = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
            .and_then(|file| nix::unistd::write(file, text.as_bytes()))
            .map(drop);
        self.plain(answer, || format!("write({path:?}, {text:?})"))
    }

    /// The same, to a file that is open already; `path` is where it lies, to be told.
    ///
    /// # Errors
    /// As the file says.
    pub fn write_open(self, file: impl AsFd, path: &Path, text: &str) -> Result<()> {
        let answer = nix::unistd::write(file, text.as_bytes()).map(drop);
        self.plain(answer, || format!("write({path:?}, {text:?})"))
    }

    /// `mkdirat`. mkdir(2).
    ///
    /// # Errors
    /// EEXIST: there is something. EROFS: a read-only file system. EOVERFLOW: ids not mapped yet.
    pub fn mkdirat(self, dir: BorrowedFd<'_>, path: &str, mode: u32) -> Result<()> {
        let answer = nix::sys::stat::mkdirat(dir, path, Mode::from_bits_truncate(mode));
        self.plain(answer, || format!("mkdirat({}, {path:?}, 0{mode:o})", super::fd(dir)))
    }

    /// `openat(O_CREAT)`: an empty file, for something to be bound onto.
    ///
    /// # Errors
    /// As open(2).
    pub fn create_file_at(self, dir: BorrowedFd<'_>, path: &str) -> Result<()> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let answer = openat(dir, path, flags, Mode::from_bits_truncate(0o666)).map(drop);
        self.plain(answer, || format!("openat({}, {path:?}, O_CREAT|O_EXCL|O_WRONLY, 0666)", super::fd(dir)))
    }

    /// `mknodat`: a character device. mknod(2).
    ///
    /// # Errors
    /// EPERM: in a user namespace, always.
    pub fn mknod_char_at(self, dir: BorrowedFd<'_>, path: &str, major: u64, minor: u64) -> Result<()> {
        let mode = Mode::from_bits_truncate(0o666);
        let answer = mknodat(dir, path, SFlag::S_IFCHR, mode, makedev(major, minor));
        self.plain(answer, || {
            format!("mknodat({}, {path:?}, S_IFCHR|0666, makedev({major}, {minor}))", super::fd(dir))
        })
    }

    /// `symlinkat`. symlink(2).
    ///
    /// # Errors
    /// EEXIST: there is something.
    pub fn symlinkat(self, target: &str, dir: BorrowedFd<'_>, path: &str) -> Result<()> {
        let answer = nix::unistd::symlinkat(target, dir, path);
        self.plain(answer, || format!("symlinkat({target:?}, {}, {path:?})", super::fd(dir)))
    }

    /// `readlinkat`: where a symlink leads, as it is written. readlink(2).
    ///
    /// # Errors
    /// EINVAL: no symlink. ENOENT: not there.
    pub fn readlinkat(self, dir: BorrowedFd<'_>, path: &str) -> Result<PathBuf> {
        let answer = nix::fcntl::readlinkat(dir, path).map(PathBuf::from);
        self.done(
            answer,
            |target| format!("{target:?}"),
            || format!("readlinkat({}, {path:?})", super::fd(dir)),
        )
    }

    /// `chdir`. chdir(2).
    ///
    /// # Errors
    /// ENOENT: not there. EACCES: no x permission on the way.
    pub fn chdir(self, path: &Path) -> Result<()> {
        self.plain(nix::unistd::chdir(path), || format!("chdir({path:?})"))
    }

    /// `fchdir`. chdir(2).
    ///
    /// # Errors
    /// ENOTDIR: not a directory. EACCES: no x permission.
    pub fn fchdir(self, dir: BorrowedFd<'_>) -> Result<()> {
        self.plain(nix::unistd::fchdir(dir.as_fd()), || format!("fchdir({})", super::fd(dir)))
    }

    /// `umask`: which permissions a new file doesn't get. umask(2) can't fail.
    pub fn umask(self, mask: u32) {
        let before = nix::sys::stat::umask(Mode::from_bits_truncate(mask));
        self.tell(&format!("umask(0{mask:o})"), format_args!("0{:o}", before.bits()));
    }
}

fn number(descriptor: &OwnedFd) -> i64 {
    use std::os::fd::AsRawFd;
    descriptor.as_raw_fd().into()
}

fn names(flags: OFlag) -> String {
    let named: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
    if named.is_empty() { "O_RDONLY".into() } else { named.join("|") }
}
