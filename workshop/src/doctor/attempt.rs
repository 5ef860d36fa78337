//! Trying instead of guessing: each try runs in a child process, which is changed by it and then ends.
//!
//! Sysctls and file systems only say what ought to work; AppArmor, seccomp or a container around us
//! may still say no. Nothing of a try outlives its process: it works in namespaces of its own.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use ch00_process::explain::Process;
use ch00_process::kernel::Kernel;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, chroot, getegid, geteuid, setgroups, sethostname, setresgid, setresuid};

/// The user that has no rights of its own; what root becomes to try an ordinary user's things.
pub const NOBODY: u32 = 65534;

/// Which call of a try was refused, and how.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The system call.
    pub call: String,
    /// The kernel's answer.
    pub errno: Errno,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} says {:?}", self.call, self.errno)
    }
}

/// Tries `name` in a child process: as we are, or as an ordinary user.
///
/// # Errors
/// The call that was refused.
pub fn attempt(name: &str, ordinary: bool) -> Result<(), Refusal> {
    let mut child = spawn(name, ordinary)?;
    drop(child.stdin.take());
    settle(child)
}

/// Tries to have a helper map a range of ids into a new user namespace, as `newuidmap PID 0 ME 1 1 FIRST COUNT`.
///
/// # Errors
/// What the helper, or the kernel, said.
pub fn map_by(helper: &str, me: u32, first: u32, count: u32) -> Result<(), String> {
    let mut child = spawn("wait", false).map_err(|refusal| refusal.to_string())?;
    // One byte says that the namespace is there.
    let mut ready = [0];
    if child.stdout.as_mut().is_none_or(|out| out.read_exact(&mut ready).is_err()) {
        return Err("no user namespace to map into".into());
    }
    let pid = child.id().to_string();
    let ids = [0, me, 1, 1, first, count].map(|id| id.to_string());
    let said = Command::new(helper).arg(pid).args(ids).output();
    drop(child.stdin.take());
    let _ended = child.wait();
    match said {
        Ok(said) if said.status.success() => Ok(()),
        Ok(said) => Err(String::from_utf8_lossy(&said.stderr).trim().into()),
        Err(error) => Err(error.to_string()),
    }
}

fn spawn(name: &str, ordinary: bool) -> Result<Child, Refusal> {
    let refused = |errno: std::io::Error| Refusal {
        call: "execve".into(),
        errno: Errno::from_raw(errno.raw_os_error().unwrap_or(0)),
    };
    // Not current_exe(): that path is gone when cargo has built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg("attempt").arg(name).args(ordinary.then_some("--ordinary"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(refused)
}

fn settle(child: Child) -> Result<(), Refusal> {
    let lost = || Refusal { call: "the try".into(), errno: Errno::UnknownErrno };
    let ended = child.wait_with_output().map_err(|_| lost())?;
    if ended.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let (call, errno) = text.trim().split_once(' ').ok_or_else(lost)?;
    Err(Refusal { call: call.into(), errno: Errno::from_raw(errno.parse().map_err(|_| lost())?) })
}

type Tried = Result<(), (&'static str, Errno)>;

/// The child's side: makes the try and says which call failed.
pub fn child(out: &mut impl Write, name: &str, ordinary: bool) -> ExitCode {
    let tried = if ordinary { become_ordinary() } else { Ok(()) };
    match tried.and_then(|()| try_it(out, name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((call, errno)) => {
            let _nobody_reads = write!(out, "{call} {}", errno as i32);
            ExitCode::FAILURE
        }
    }
}

fn try_it(out: &mut impl Write, name: &str) -> Tried {
    match name {
        // A namespace alone isn't enough: Ubuntu's AppArmor gives one and then refuses every right in it.
        "user" => rooms(CloneFlags::CLONE_NEWUTS).and_then(|()| sethostname("tried").or_in("sethostname")),
        "mnt" => rooms(CloneFlags::CLONE_NEWNS),
        "pid" => rooms(CloneFlags::CLONE_NEWPID),
        "uts" => rooms(CloneFlags::CLONE_NEWUTS),
        "ipc" => rooms(CloneFlags::CLONE_NEWIPC),
        "net" => rooms(CloneFlags::CLONE_NEWNET),
        "cgroup" => rooms(CloneFlags::CLONE_NEWCGROUP),
        "time" => rooms(CloneFlags::from_bits_retain(CLONE_NEWTIME)),
        "chroot" => rooms(CloneFlags::empty()).and_then(|()| chroot("/").or_in("chroot")),
        "overlay" => rooms(CloneFlags::CLONE_NEWNS).and_then(|()| overlay()),
        "plug" => rooms(CloneFlags::CLONE_NEWNS).and_then(|()| plug()),
        "proc" => {
            rooms(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).and_then(|()| grandchild("mount-proc"))
        }
        // Born into the namespaces that the try above made.
        "mount-proc" => mount_new("proc", "/proc"),
        "wait" => {
            unshare(CloneFlags::CLONE_NEWUSER).or_in("unshare")?;
            let _nobody_reads = out.write_all(b"!").and_then(|()| out.flush());
            let _until_eof = std::io::stdin().read(&mut [0]);
            Ok(())
        }
        _ => Err(("attempt", Errno::EINVAL)),
    }
}

/// `CLONE_NEWTIME`, which nix doesn't name.
const CLONE_NEWTIME: i32 = 0x80;

/// New namespaces: root makes them as it is, anybody else inside a user namespace in which it is root.
fn rooms(flags: CloneFlags) -> Tried {
    if geteuid().is_root() {
        unshare(flags).or_in("unshare")?;
    } else {
        let (uid, gid) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER).or_in("unshare")?;
        write("/proc/self/setgroups", "deny")?;
        write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
        unshare(flags).or_in("unshare")?;
    }
    if flags.contains(CloneFlags::CLONE_NEWNS) {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).or_in("mount")?;
    }
    Ok(())
}

fn overlay() -> Tried {
    mount_new("tmpfs", "/tmp")?;
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir(format!("/tmp/{part}")).map_err(|error| ("mkdir", raw(&error)))?;
    }
    let layers = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr";
    mount(Some("overlay"), "/tmp/merged", Some("overlay"), MsFlags::empty(), Some(layers)).or_in("mount")
}

/// A copy of a mount, attached nowhere and read-only down to the mounts below it.
fn plug() -> Tried {
    let k = Kernel::new(Process::Host, None);
    let tree = k.why("tried").open_tree(Path::new("/")).map_err(|failure| ("open_tree", failure.errno()))?;
    let answer = k.why("tried").mount_setattr_read_only(tree.as_fd(), true);
    answer.map_err(|failure| ("mount_setattr", failure.errno()))
}

fn mount_new(kind: &str, place: &str) -> Tried {
    mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>).or_in("mount")
}

/// A pid namespace begins with the first child: so the try goes on in one.
fn grandchild(name: &str) -> Tried {
    attempt(name, false).map_err(|refusal| ("mount", refusal.errno))
}

fn become_ordinary() -> Tried {
    if !geteuid().is_root() {
        return Ok(());
    }
    setgroups(&[]).or_in("setgroups")?;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setresgid(gid, gid, gid).or_in("setresgid")?;
    setresuid(uid, uid, uid).or_in("setresuid")?;
    // After a change of ids the files in /proc/self belong to root; an ordinary user's are its own.
    nix::sys::prctl::set_dumpable(true).or_in("prctl")
}

fn write(path: &str, text: &str) -> Tried {
    fs::write(path, text).map_err(|error| ("write", raw(&error)))
}

fn raw(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

trait OrIn {
    fn or_in(self, call: &'static str) -> Tried;
}

impl OrIn for nix::Result<()> {
    fn or_in(self, call: &'static str) -> Tried {
        self.map_err(|errno| (call, errno))
    }
}

/// The file that this process may read from anywhere: who we are, in words.
#[must_use]
pub fn who() -> String {
    if geteuid().is_root() {
        return "root".into();
    }
    let name = nix::unistd::User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
    name.or_else(|| env::var("USER").ok()).unwrap_or_else(|| format!("user {}", geteuid()))
}
