//! What is put on the host to be attacked: each thing harmless, each with a secret that only a visitor learns.

mod given;
mod groups;
mod moulds;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use ch00_process::kernel::raw::ipc;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, getgid, getgroups};
use probe::facts::{Facts, Knob};
use tempfile::TempDir;

use crate::stage::Stage;

/// The group that root's stages are started with.
pub const GROUP: u32 = 4242;

/// Everything for one attempt. What was made goes when it is dropped.
pub struct Canary {
    /// What the probe is told.
    pub facts: Facts,
    /// Whether the probe answers on its standard input, since it sees no folder of the host.
    pub by_input: bool,
    /// What it can only have learnt by getting out.
    pub secret: String,
    /// What the stage is started through.
    pub dress: Vec<String>,
    /// What is added to its environment.
    pub environment: Vec<(&'static str, String)>,
    /// The scratch folder and the folder of the roll call, on the host.
    pub scratch: PathBuf,
    /// The groups that must not be left.
    pub groups: Vec<u32>,
    /// What this machine lacks for the attempt.
    pub lacks: Option<String>,
    /// The limits that a stage gets which can limit (chapter 03 and later).
    pub limits: &'static [&'static str],
    /// What a stage gets that can be given something (chapter 05 and later).
    pub given: Vec<String>,
    /// When the attempt began, and how much of the processors the probe and its rivals had used by then, seconds.
    pub began: Option<(Instant, f64, f64)>,
    /// Who wants the processors at the same time, on the host: as many loops as the hog has.
    pub rivals: Vec<Child>,
    /// What is looked at afterwards: the group, or the hierarchy, that was put there.
    pub place: PathBuf,
    victim: Option<Child>,
    cleanups: Vec<Box<dyn FnOnce() + Send>>,
    folder: TempDir,
    /// Open, so that the stage inherits it.
    descriptor: Option<OwnedFd>,
}

impl Canary {
    /// Puts everything in place for the probe `name` on `stage`.
    ///
    /// # Errors
    /// The host refuses what any host gives: a file, a process, a socket.
    pub fn new(name: &str, stage: &Stage) -> Result<Self> {
        let secret = crate::secret()?;
        let nonce = crate::secret()?[..12].to_string();
        let folder = tempfile::Builder::new().prefix("boxroom-check-").tempdir()?;
        let file = folder.path().join("secret");
        fs::write(&file, &secret)?;
        let inside = PathBuf::from(format!("/tmp/check-{nonce}"));
        let by_input = stage.has_image();
        let (scratch, inside) = match stage.rootfs() {
            // What is written there is the container's own, and nothing of the host's is seen.
            Some(_) if by_input => (folder.path().join("scratch"), PathBuf::from("/tmp")),
            Some(rootfs) => (rootfs.join("tmp").join(format!("check-{nonce}")), inside),
            None => (folder.path().join("scratch"), folder.path().join("scratch")),
        };
        fs::create_dir_all(scratch.join("arrives"))?;
        fs::set_permissions(&scratch, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let facts = Facts {
            socket: Some(if by_input { PathBuf::from("-") } else { inside.join("call") }),
            name: format!("renamed-{nonce}"),
            nonce,
            file,
            scratch: inside,
            ..Facts::default()
        };
        let mut canary = Self {
            facts,
            by_input,
            secret,
            dress: Vec::new(),
            environment: Vec::new(),
            scratch,
            groups: Vec::new(),
            lacks: None,
            limits: limits(name),
            given: Vec::new(),
            began: None,
            rivals: Vec::new(),
            place: PathBuf::new(),
            victim: None,
            cleanups: Vec::new(),
            folder,
            descriptor: None,
        };
        canary.prepare(name, stage)?;
        Ok(canary)
    }

    fn prepare(&mut self, name: &str, stage: &Stage) -> Result<()> {
        match name {
            "proc-root" | "proc-environ" | "host-processes" | "kill-host-process" | "ptrace-host-process" => {
                self.victim()
            }
            "hostname" => {
                let before = nix::unistd::gethostname()?;
                self.after(move || {
                    if nix::unistd::gethostname().is_ok_and(|now| now != before) {
                        let _ = nix::unistd::sethostname(&before);
                    }
                });
                Ok(())
            }
            "host-loopback" => self.loopback(),
            "abstract-socket" => self.abstract_socket(),
            "sysv-shm" => self.shared_memory(),
            "posix-mq" => self.queue(),
            "keyring" => self.key(),
            "mknod-block" => {
                self.facts.block = block_device();
                self.lack(self.facts.block.is_none(), "this machine shows no block device");
                Ok(())
            }
            "proc-sys" => {
                self.facts.sysctl = knob("/proc/sys", &["fs/lease-break-time"], |value| value + 1);
                self.lack(self.facts.sysctl.is_none(), "this kernel has no fs.lease-break-time");
                self.put_back();
                Ok(())
            }
            "sys-writable" | "sys-remount" => {
                self.facts.sysfs =
                    knob("/sys", &["kernel/rcu_normal", "kernel/rcu_expedited"], |value| 1 - value);
                self.lack(self.facts.sysfs.is_none(), "this kernel has no harmless setting in /sys");
                self.put_back();
                Ok(())
            }
            "descriptors" => self.descriptor(),
            "environment" => {
                self.environment.push(("DATABASE_PASSWORD", self.secret.clone()));
                Ok(())
            }
            "groups" => self.group(),
            "cgroup-path" => self.cgroup(),
            "cgroup-tree" | "cgroup-write" => self.neighbour(),
            "release-agent" => self.hierarchy(),
            "mould-write" | "mould-delete" => self.mould(stage),
            "others-files" => self.other_container(stage),
            "given-write" | "given-submount" | "given-rmdir" => self.give(name, stage),
            _ => Ok(()),
        }
    }

    /// What the host does when the probe is inside and before it may begin.
    ///
    /// # Errors
    /// This user may not mount on the host.
    pub fn meanwhile(&mut self, name: &str, pid: i32) -> nix::Result<()> {
        if name == "cpu-hog" {
            let loops = 4 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let rival =
                || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
            self.rivals = (0..loops).filter_map(|_| rival().ok()).collect();
        }
        let rivals = crate::judge::time_of_all(&self.rivals);
        self.began = Some((Instant::now(), crate::judge::processor_time(pid), rivals));
        if name != "mount-arrives" {
            return Ok(());
        }
        let place = self.scratch.join("arrives");
        mount(Some("boxroom-arrives"), &place, Some("tmpfs"), MsFlags::empty(), Some("size=4k"))?;
        let _ = fs::write(place.join("secret"), &self.secret);
        self.after(move || {
            let _ = umount2(&place, MntFlags::MNT_DETACH);
        });
        Ok(())
    }

    /// The scratch folder as the host sees it while the probe lives.
    #[must_use]
    pub fn seen(&self, pid: i32) -> PathBuf {
        if self.by_input { PathBuf::from(format!("/proc/{pid}/root/tmp")) } else { self.scratch.clone() }
    }

    /// How the victim has ended, where it has.
    pub fn victim_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.victim.as_mut()?.try_wait().ok()?
    }

    fn after(&mut self, cleanup: impl FnOnce() + Send + 'static) {
        self.cleanups.push(Box::new(cleanup));
    }

    fn lack(&mut self, lacks: bool, why: &str) {
        if lacks {
            self.lacks = Some(why.into());
        }
    }

    fn victim(&mut self) -> Result<()> {
        let word = format!("boxroom-canary={}", self.secret);
        let mut victim = Command::new(probe::staged()?)
            .args(["victim", &word])
            .env_clear()
            .env("boxroom-canary", &self.secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the process that is to be attacked")?;
        self.facts.victim = victim.id().try_into()?;
        // It says that it is there when it has let itself be traced.
        if let Some(output) = victim.stdout.take() {
            BufReader::new(output).read_line(&mut String::new())?;
        }
        self.victim = Some(victim);
        Ok(())
    }

    fn loopback(&mut self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        self.facts.port = address.port();
        self.greet(move || listener.accept().map(|(stream, _)| stream));
        self.after(move || drop(std::net::TcpStream::connect(address)));
        Ok(())
    }

    fn abstract_socket(&mut self) -> Result<()> {
        let name = format!("boxroom-{}", self.facts.nonce);
        let address = SocketAddr::from_abstract_name(&name)?;
        let listener = UnixListener::bind_addr(&address)?;
        self.facts.abstract_socket = name;
        self.greet(move || listener.accept().map(|(stream, _)| stream));
        self.after(move || drop(std::os::unix::net::UnixStream::connect_addr(&address)));
        Ok(())
    }

    /// Tells the secret to the first who comes; at the latest the end of this canary comes itself.
    fn greet<S: Write>(&self, accept: impl FnOnce() -> std::io::Result<S> + Send + 'static) {
        let secret = self.secret.clone();
        std::thread::spawn(move || accept().and_then(|mut stream| stream.write_all(secret.as_bytes())));
    }

    fn shared_memory(&mut self) -> Result<()> {
        let key = i32::from_str_radix(&self.facts.nonce[..7], 16)?;
        let segment = ipc::shm_create(key, self.secret.as_bytes()).context("shmget")?;
        self.facts.shm_key = key;
        self.after(move || {
            let _ = ipc::shm_remove(segment);
        });
        Ok(())
    }

    fn queue(&mut self) -> Result<()> {
        let name = format!("/boxroom-{}", self.facts.nonce);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
        let size = MqAttr::new(0, 4, 64, 0);
        let queue =
            mq_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&size)).context("mq_open")?;
        mq_send(&queue, self.secret.as_bytes(), 0).context("mq_send")?;
        self.facts.queue.clone_from(&name);
        self.after(move || drop((queue, mq_unlink(name.as_str()))));
        Ok(())
    }

    fn key(&mut self) -> Result<()> {
        self.facts.key = format!("boxroom:{}", self.facts.nonce);
        let name = std::ffi::CString::new(self.facts.key.as_str())?;
        if let Err(errno) = ipc::key_add(&name, self.secret.as_bytes()) {
            self.lack(true, &format!("this kernel keeps no keys for us ({})", errno.desc().to_lowercase()));
        }
        Ok(())
    }

    fn put_back(&mut self) {
        for (root, knob) in [("/proc/sys", &self.facts.sysctl), ("/sys", &self.facts.sysfs)] {
            let Some(knob) = knob else { continue };
            let path = Path::new(root).join(&knob.path);
            let Ok(before) = fs::read_to_string(&path) else { continue };
            self.cleanups.push(Box::new(move || {
                if fs::read_to_string(&path).is_ok_and(|now| now != before) {
                    let _ = fs::write(&path, before);
                }
            }));
        }
    }

    /// A file without a name, open: nothing but the descriptor leads to it.
    fn descriptor(&mut self) -> Result<()> {
        let mut file = tempfile::tempfile_in(self.folder.path())?;
        file.write_all(self.secret.as_bytes())?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        self.descriptor = Some(file.into());
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        if geteuid().is_root() {
            self.dress = dress("--group", &GROUP.to_string())?;
            self.groups = vec![GROUP];
            return Ok(());
        }
        let own = getgid();
        self.groups =
            getgroups()?.into_iter().filter(|group| *group != own).map(|group| group.as_raw()).collect();
        self.lack(self.groups.is_empty(), "this user is in no second group; usermod -aG adds one");
        Ok(())
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        for cleanup in self.cleanups.drain(..).rev() {
            cleanup();
        }
        for mut victim in self.victim.take().into_iter().chain(self.rivals.drain(..)) {
            let _ = victim.kill();
            let _ = victim.wait();
        }
        let _ = umount2(&self.scratch.join("leaves"), MntFlags::MNT_DETACH);
        let _ = umount2(&self.scratch.join("proc-of-my-own"), MntFlags::MNT_DETACH);
        let _ = umount2(&self.scratch.join("sys-of-my-own"), MntFlags::MNT_DETACH);
        let _ = umount2(&self.scratch.join("groups-of-my-own"), MntFlags::MNT_DETACH);
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// What is asked of a stage that can limit, for this attempt.
fn limits(name: &str) -> &'static [&'static str] {
    match name {
        "memory-hog" => &["--memory", "64M"],
        "fork-bomb" => &["--pids", "32"],
        "cpu-hog" => &["--cpus", "0.05"],
        _ => &[],
    }
}

fn dress(option: &str, value: &str) -> Result<Vec<String>> {
    Ok([&probe::staged()?.to_string_lossy(), "dressed", option, value].map(String::from).to_vec())
}

fn knob(root: &str, paths: &[&str], other: fn(i64) -> i64) -> Option<Knob> {
    paths.iter().find_map(|path| {
        let value: i64 = fs::read_to_string(Path::new(root).join(path)).ok()?.trim().parse().ok()?;
        Some(Knob { path: (*path).into(), value: other(value).to_string() })
    })
}

/// A loop device, empty as it is; else the first of /proc/partitions: `major minor #blocks name`.
fn block_device() -> Option<(u64, u64)> {
    if Path::new("/sys/block/loop0").exists() {
        return Some((7, 0));
    }
    let list = fs::read_to_string("/proc/partitions").ok()?;
    list.lines().skip(2).find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}
