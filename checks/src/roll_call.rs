//! The roll call from the host's side: before anything is believed, who is it that speaks?

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, getsockopt, recvmsg, setsockopt, sockopt};
use probe::facts::Evidence;

use crate::canary::Canary;

/// How long a stage may take until its command runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The place where the roll is called.
#[derive(Debug)]
pub struct Roll {
    place: Place,
    nonce: String,
}

#[derive(Debug)]
enum Place {
    /// A socket in a folder that both sides see.
    Folder(UnixListener),
    /// A pair of sockets, one of which is the stage's standard input: no folder of the host is seen from an image.
    Input(UnixStream, UnixStream),
}

/// A probe that has answered, and what the host sees of it.
#[derive(Debug)]
pub struct Present {
    /// Its number on the host.
    pub pid: i32,
    /// Its namespaces by kind, `net` to `net:[4026531840]`.
    pub namespaces: BTreeMap<String, String>,
    /// `/proc/PID/mountinfo`, `/proc/PID/status`, `/proc/PID/cgroup` as the host reads them.
    pub mountinfo: String,
    /// See `mountinfo`.
    pub status: String,
    /// See `mountinfo`.
    pub cgroup: String,
    lines: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Roll {
    /// Where the stage of the canary can answer.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn open(canary: &Canary) -> Result<Self> {
        let place = if canary.by_input {
            let (ours, theirs) = UnixStream::pair()?;
            // Who has made the pair is no answer; who has sent the line is.
            setsockopt(&ours, sockopt::PassCred, &true)?;
            Place::Input(ours, theirs)
        } else {
            Place::Folder(Self::listen(&canary.scratch)?)
        };
        Ok(Self { place, nonce: canary.facts.nonce.clone() })
    }

    /// The standard input of the stage.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn input(&self) -> Result<Stdio> {
        match &self.place {
            Place::Folder(_) => Ok(Stdio::null()),
            Place::Input(_, theirs) => Ok(OwnedFd::from(theirs.try_clone()?).into()),
        }
    }

    /// Listens at `folder/call`, for everybody: inside, the probe may be another user.
    fn listen(folder: &Path) -> Result<UnixListener> {
        // A socket's path ends at 108 bytes, a checkout's doesn't: so by way of the folder's descriptor.
        let handle = fs::File::open(folder).with_context(|| folder.display().to_string())?;
        let short = format!("/proc/thread-self/fd/{}/call", handle.as_raw_fd());
        let listener =
            UnixListener::bind(&short).with_context(|| format!("listening in {}", folder.display()))?;
        fs::set_permissions(folder.join("call"), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        Ok(listener)
    }

    /// Waits for the probe, and makes sure that it is one: `probe` is its file on the host.
    ///
    /// # Errors
    /// The stage ended before, nobody came in time, or somebody else did.
    pub fn call(&self, stage: &mut Child, probe: &Path) -> Result<Present> {
        let fd = match &self.place {
            Place::Folder(listener) => listener.as_fd(),
            Place::Input(ours, _) => ours.as_fd(),
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let mut ready = [PollFd::new(fd, PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::from(20_u8))? > 0 {
                break;
            }
            if let Some(status) = stage.try_wait()? {
                bail!("nobody answered the roll call, and the stage has ended with {status}");
            }
            if Instant::now() > end {
                bail!("nobody answered the roll call in {} seconds", PATIENCE.as_secs());
            }
        }
        let (stream, pid) = match &self.place {
            Place::Folder(listener) => {
                let (stream, _) = listener.accept()?;
                let pid = getsockopt(&stream, sockopt::PeerCredentials)?.pid();
                (stream, pid)
            }
            Place::Input(ours, _) => (ours.try_clone()?, sender(ours)?),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let exe = format!("/proc/{pid}/exe");
        if !is_same(probe, Path::new(&exe))? {
            bail!("process {pid} answered the roll call, and it is not the probe");
        }
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if line.trim_end() != format!("here {}", self.nonce) {
            bail!("the roll call was answered with {:?}", line.trim_end());
        }
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        Ok(Present {
            pid,
            namespaces: namespaces(&format!("/proc/{pid}/ns"))?,
            mountinfo: read("mountinfo")?,
            status: read("status")?,
            cgroup: read("cgroup")?,
            lines,
            stream,
        })
    }
}

/// Who has sent what waits there, in this process's numbers; it is left there. unix(7), SCM_CREDENTIALS.
fn sender(socket: &UnixStream) -> Result<i32> {
    let mut byte = [0_u8; 1];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
    let heard = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_PEEK)?;
    let found = heard.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmCredentials(who) => Some(who.pid()),
        _ => None,
    });
    found.context("the roll call was answered by nobody that the kernel knows")
}

/// Whether a process runs this very file, or (where it comes from an image) a copy of it.
fn is_same(probe: &Path, exe: &Path) -> Result<bool> {
    let look = |path: &Path| fs::metadata(path).with_context(|| path.display().to_string());
    let (expected, seen) = (look(probe)?, look(exe)?);
    if (expected.dev(), expected.ino()) == (seen.dev(), seen.ino()) {
        return Ok(true);
    }
    Ok(expected.len() == seen.len() && fs::read(probe)? == fs::read(exe)?)
}

impl Present {
    /// Says go, and hears what was found.
    ///
    /// # Errors
    /// It has died of it.
    pub fn go(&mut self) -> Result<Evidence> {
        self.stream.write_all(b"go\n")?;
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the probe's evidence is {line:?}"))
    }

    /// Lets it end.
    pub fn bye(mut self) {
        let _ = self.stream.write_all(b"bye\n");
    }

    /// Whether it has another namespace of this kind than the host (this thread).
    ///
    /// # Errors
    /// No /proc.
    pub fn has_own(&self, kind: &str) -> Result<bool> {
        let host = namespaces("/proc/thread-self/ns")?;
        Ok(self.namespaces.get(kind) != host.get(kind))
    }
}

/// The namespaces in such a folder, by kind.
///
/// # Errors
/// The process is gone, or another user's.
pub fn namespaces(folder: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.to_string())? {
        let entry = entry?;
        // What only children will be in is not where it is; and one without its first process can't be read.
        if entry.file_name().to_string_lossy().ends_with("_for_children") {
            continue;
        }
        let link = fs::read_link(entry.path())?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), link.to_string_lossy().into_owned());
    }
    Ok(found)
}
