//! Which file a command's name means, and becoming it. execve(2), and PATH as execvp(3) reads it.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND};
use crate::interpreter::interpreters;
use crate::kernel::{Kernel, Result};

/// What a process will run.
#[derive(Debug, Clone)]
pub struct Command {
    /// The command's name and its arguments; never empty.
    pub argv: Vec<CString>,
    /// Each `KEY=VALUE`.
    pub env: Vec<CString>,
    /// Where this was made: the root directory, to tell whether it is run in another one, and this program's file. Both are
    /// looked at before a root can be anybody else's.
    home: Home,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    root: Option<(u64, u64)>,
    program: Option<(u64, u64)>,
}

impl Home {
    fn here() -> Self {
        Self { root: identity(Path::new("/")), program: identity(Path::new("/proc/self/exe")) }
    }
}

impl Command {
    /// The command with the environment of this process.
    ///
    /// # Errors
    /// No command at all, or a NUL byte in an argument.
    pub fn inheriting(argv: Vec<OsString>) -> Result<Self> {
        let env = std::env::vars_os().map(|(key, value)| {
            let mut both = key;
            both.push("=");
            both.push(value);
            both
        });
        Self::with_env(argv, env.collect())
    }

    /// The command with this environment and nothing else.
    ///
    /// # Errors
    /// No command at all, or a NUL byte in an argument.
    pub fn with_env(argv: Vec<OsString>, env: Vec<OsString>) -> Result<Self> {
        let nul = |_| Failure::said("an argument holds a NUL byte", "the kernel ends strings there", "");
        let c = |list: Vec<OsString>| -> Result<Vec<CString>> {
            list.into_iter().map(|text| CString::new(text.into_vec()).map_err(nul)).collect()
        };
        if argv.is_empty() {
            return Err(Failure::said("no command was given", "", "name one: run CMD [ARG...]"));
        }
        Ok(Self { argv: c(argv)?, env: c(env)?, home: Home::here() })
    }

    /// Whether it is this program again, as a helper of its own.
    pub(crate) fn is_ourselves(&self) -> bool {
        std::env::current_exe().is_ok_and(|me| me.as_os_str().as_bytes() == self.argv[0].as_bytes())
    }

    /// Becomes the command. Comes back only with what failed.
    ///
    /// # Errors
    /// Code 127: not found. Code 126: found, and not executable. Both are Docker's.
    pub fn exec(&self, k: &Kernel) -> Result<Infallible> {
        let name = self.argv[0].as_bytes();
        if name.is_empty() {
            return Err(not_found(k, "the command's name is empty"));
        }
        if name.contains(&b'/') {
            self.is_not_us(k, &self.argv[0])?;
            return self.try_file(k, &self.argv[0]).map_err(|failure| explained(failure, &self.argv[0]));
        }
        let mut denied = None;
        for folder in path_of(&self.env).split(|&byte| byte == b':') {
            let mut file = if folder.is_empty() { b".".to_vec() } else { folder.to_vec() };
            file.push(b'/');
            file.extend(name);
            let Ok(file) = CString::new(file) else { continue };
            self.is_not_us(k, &file)?;
            let Err(failure) = self.try_file(k, &file);
            match failure.errno() {
                // As execvp(3): look on, but remember that there was one which may not be executed.
                Errno::EACCES => denied = Some(explained(failure, &file)),
                // It isn't there; or it is, and what starts it is not, which the same errno says.
                Errno::ENOENT | Errno::ENOTDIR if !is_there(&file) => {}
                Errno::ENOENT | Errno::ENOTDIR => return Err(without_interpreter(failure)),
                _ => return Err(explained(failure, &file)),
            }
        }
        let name = String::from_utf8_lossy(name);
        Err(denied.unwrap_or_else(|| not_found(k, &format!("{name}: no such command in PATH"))))
    }

    /// In another root this program has no name; only `/proc/self/exe` leads to it, and an image may have that as its command,
    /// in the first line of it, or as its loader. Then the host's program would run inside, where root could write to its file
    /// afterwards (CVE-2019-5736).
    fn is_not_us(&self, k: &Kernel, file: &CString) -> Result<()> {
        let path = Path::new(OsStr::from_bytes(file.as_bytes()));
        let Some(found) = identity(path) else { return Ok(()) };
        // No name in that root is believed: a link in an image can be called as this program is on the host.
        let Home { root, program } = self.home;
        if root.is_some() && identity(Path::new("/")) == root {
            return Ok(());
        }
        let Some(us) = program else { return Ok(()) };
        if found != us && !interpreters(path).iter().any(|path| identity(path) == Some(us)) {
            return Ok(());
        }
        let cause = "the file is /proc/self/exe, or names it as what runs it: root inside could write to the engine's own file";
        Err(k
            .refuse(
                format!("{}: it leads to this engine's own program", path.display()),
                cause,
                "another command; or a copy of the engine, if it is wanted inside",
            )
            .code(NOT_EXECUTABLE))
    }

    fn try_file(&self, k: &Kernel, file: &CString) -> Result<Infallible> {
        // ANCHOR: task-exec
        k.why("this process becomes the command; it comes back only on failure")
            .execve(file, &self.argv, &self.env)
        // ANCHOR_END: task-exec
    }
}

/// Which file it is, whatever its name: device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()))
}

fn explained(failure: Failure, file: &CString) -> Failure {
    match failure.errno() {
        Errno::ENOENT | Errno::ENOTDIR if is_there(file) => without_interpreter(failure),
        Errno::ENOENT | Errno::ENOTDIR => {
            let hint = "ls it from inside, or name another command";
            failure.because("there is no such file in this root", hint).code(NOT_FOUND)
        }
        Errno::EACCES if is_directory(file) => {
            failure.because("it is a directory", "name a program in it").code(NOT_EXECUTABLE)
        }
        _ => failure.code(NOT_EXECUTABLE),
    }
}

fn without_interpreter(failure: Failure) -> Failure {
    let cause = "the file is there, but the interpreter that it names is not: the loader of a dynamic program \
                 (/lib64/ld-linux-..., /lib/ld-musl-...), or the shell after #!";
    failure
        .because(cause, "ldd FILE or readelf -l FILE names it; copy it into the rootfs too")
        .code(NOT_FOUND)
}

fn not_found(k: &Kernel, what: &str) -> Failure {
    let hint = "look at PATH and at the bin folders of this root";
    k.refuse(what, "no folder of PATH holds it", hint).code(NOT_FOUND)
}

fn is_there(file: &CString) -> bool {
    nix::sys::stat::stat(file.as_c_str()).is_ok()
}

fn is_directory(file: &CString) -> bool {
    use nix::sys::stat::{SFlag, stat};
    stat(file.as_c_str())
        .is_ok_and(|seen| SFlag::from_bits_truncate(seen.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

/// The command's own PATH decides, as it would in a shell; without one, the usual folders do.
fn path_of(env: &[CString]) -> &[u8] {
    env.iter()
        .find_map(|pair| pair.as_bytes().strip_prefix(b"PATH="))
        .unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_the_commands_own_path_decides() {
        let env = [c"PATHS=/no".to_owned(), c"PATH=/a:/b".to_owned()];
        assert_eq!(path_of(&env), b"/a:/b");
    }

    #[test]
    fn ch00_a_nul_in_an_argument_is_refused() {
        assert!(Command::with_env(vec!["a\0b".into()], vec![]).is_err());
        assert!(Command::with_env(vec![], vec![]).is_err());
    }
}
