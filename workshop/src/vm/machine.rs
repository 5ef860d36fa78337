//! A virtual machine that runs: started, listened to, and ended whatever happens.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::console::{Heard, panic_in};
use super::fetch::{Bootable, Qemu};

/// Who does the guest's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor itself, by /dev/kvm.
    Kvm,
    /// qemu, instruction by instruction.
    Emulation,
}

impl Accelerator {
    /// In words, for a report.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Kvm => "with KVM",
            Self::Emulation => "in software emulation",
        }
    }
}

/// What is booted, and in how large a machine.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The kernel.
    pub kernel: Bootable,
    /// The archive with everything else.
    pub initramfs: PathBuf,
    /// An empty disk, for what needs a real file system (before 6.3 a tmpfs can't be id-mapped) or a device whose
    /// input and output is limited.
    pub disk: Option<PathBuf>,
    /// Its memory, in MiB.
    pub memory: u32,
    /// Its processors.
    pub processors: u32,
    /// Where the kernel's console is written to.
    pub console: PathBuf,
    /// Whether the machine stays, dead as it is, when its kernel has panicked; else that is its end.
    pub stays_after_panic: bool,
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Itself,
    /// Its kernel panicked, with its words.
    Panicked(String),
    /// It was ended after so long.
    OutOfTime(Duration),
    /// qemu failed, with what it said.
    Broken(String),
}

/// A machine that runs. Dropped, it is ended.
pub struct Machine {
    child: Child,
    lines: Receiver<String>,
    console: PathBuf,
    began: Instant,
}

impl Machine {
    /// Starts it.
    ///
    /// # Errors
    /// qemu can't be started.
    pub fn start(qemu: &Qemu, accelerator: Accelerator, plan: &Plan) -> Result<Self> {
        let _ = fs::remove_file(&plan.console);
        let mut command = command(qemu, accelerator, plan);
        command.args(["-display", "none", "-monitor", "none"]);
        command.arg("-serial").arg(format!("file:{}", plan.console.display()));
        command.args(["-serial", "stdio"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(said_by_qemu(&plan.console))?);
        let mut child = command.spawn().context("starting qemu")?;
        let stdout = child.stdout.take().context("qemu has no output")?;
        let (sender, lines) = channel();
        // Ends with the pipe, that is, with qemu.
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Ok(Self { child, lines, console: plan.console.clone(), began: Instant::now() })
    }

    /// The next line that the guest says, at most `patience` from now; nothing where none came or none can come.
    pub fn line(&self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    /// Listens until the machine ends, at most until `limit` after its start. `each` hears every line.
    ///
    /// # Errors
    /// The machine can't be waited for.
    pub fn listen(mut self, limit: Duration, each: &mut dyn FnMut(&Heard, &str)) -> Result<(Heard, End)> {
        let mut heard = Heard::default();
        loop {
            match self.lines.recv_timeout(limit.saturating_sub(self.began.elapsed())) {
                Ok(line) => {
                    heard.line(&line);
                    each(&heard, &line);
                }
                Err(RecvTimeoutError::Timeout) => return Ok((heard, End::OutOfTime(limit))),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait().context("waiting for qemu")?;
        let console = self.console_text();
        let end = if let Some(words) = panic_in(&console) {
            End::Panicked(words)
        } else if status.success() {
            End::Itself
        } else {
            let said = fs::read_to_string(said_by_qemu(&self.console)).unwrap_or_default();
            End::Broken(format!("qemu ended with {status}: {}", said.trim()))
        };
        Ok((heard, end))
    }

    /// What the kernel has written on its console so far.
    #[must_use]
    pub fn console_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// qemu's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Since its start.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A machine for a person: its console is this terminal. Its exit is the machine's end.
///
/// # Errors
/// qemu can't be started.
pub fn shell(qemu: &Qemu, accelerator: Accelerator, plan: &Plan) -> Result<()> {
    let mut command = command(qemu, accelerator, plan);
    command.args(["-nographic", "-serial", "mon:stdio"]);
    command.arg("-serial").arg(format!("file:{}", plan.console.display()));
    command.status().context("starting qemu")?;
    Ok(())
}

/// `panic=-1` is a reboot at once, and -no-reboot makes that qemu's end too. `panic=0` waits for ever.
fn kernel_line(stays_after_panic: bool) -> String {
    format!("console=ttyS0 quiet panic={} rdinit=/init", if stays_after_panic { 0 } else { -1 })
}

fn command(qemu: &Qemu, accelerator: Accelerator, plan: &Plan) -> Command {
    let mut command = qemu.command();
    match accelerator {
        Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        Accelerator::Emulation => command.args(["-accel", "tcg", "-cpu", "max"]),
    };
    command.args(["-nodefaults", "-no-reboot", "-nic", "none"]);
    command.args(["-smp", &plan.processors.to_string(), "-m", &plan.memory.to_string()]);
    if let Some(disk) = &plan.disk {
        // NVMe, because Debian's kernels for virtual machines have its driver built in.
        command.arg("-drive").arg(format!("file={},format=raw,if=none,id=disk,cache=unsafe", disk.display()));
        command.args(["-device", "nvme,drive=disk,serial=boxroom"]);
    }
    command.args(["-append", &kernel_line(plan.stays_after_panic)]);
    command.arg("-kernel").arg(&plan.kernel.image).arg("-initrd").arg(&plan.initramfs);
    command
}

fn said_by_qemu(console: &Path) -> PathBuf {
    console.with_extension("qemu")
}
