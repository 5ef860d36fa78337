//! One command to many equal containers: nobody should have to command each separately.
//!
//! Each `exec` is a process of its own, all of them at once; what they write is shown line by line, with the container's name
//! before it. The exit code is the worst of all.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use ch00_process::failure::Failure;
use ch00_process::output;
use ch00_process::wait::{self, code_of};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::containers::{Container, Containers};
use crate::exec_verb::Options;
use crate::state::Move;
use crate::terminal::{Seat, write_all};

/// So many at once: the others begin when one of them has ended.
const AT_ONCE: usize = 32;
/// A line that is longer is shown in parts.
const LONGEST: usize = 16 * 1024;

/// Runs the command in all containers that fit. The worst exit code.
///
/// # Errors
/// None fits, or this program can't be started again.
pub fn run(all: &Containers, options: &Options, seat: Seat<'_>) -> Result<u8> {
    let mut names = Vec::new();
    for container in all.list()? {
        if fits(&container, &options.label)
            && container.state().status.after(Move::Exec, container.name()).is_ok()
        {
            names.push(container.name().to_string());
        }
    }
    if names.is_empty() {
        let hint = "ps shows who runs, and inspect which labels it has";
        let what = match &options.label[..] {
            [] => "exec --all: no container runs".to_string(),
            labels => format!("exec --all: no running container has the label {}", labels.join(" and ")),
        };
        return Err(Failure::said(what, "", hint).code(1).into());
    }
    names.sort();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut waiting = names.into_iter();
    let mut running: Vec<One> = Vec::new();
    let (mut worst, mut said) = (0, Vec::new());
    loop {
        while running.len() < AT_ONCE {
            let Some(name) = waiting.next() else { break };
            running.push(One::start(name, width, options)?);
        }
        if running.is_empty() {
            break;
        }
        listen(&mut running, seat)?;
        for n in (0..running.len()).rev().filter(|n| running[*n].is_silent()).collect::<Vec<_>>() {
            let (name, code) = running.swap_remove(n).end()?;
            worst = worst.max(code);
            if code != 0 {
                said.push(format!("{name}: exit code {code}\n"));
            }
        }
    }
    said.sort();
    write_all(seat.err, said.concat().as_bytes())?;
    Ok(worst)
}

/// Every label that is named is one of the container's, with that value where one is named.
fn fits(container: &Container, labels: &[String]) -> bool {
    let has = &container.config.labels;
    labels.iter().all(|label| match label.split_once('=') {
        Some((key, value)) => has.get(key).is_some_and(|own| own == value),
        None => has.contains_key(label),
    })
}

/// One of them.
struct One {
    name: String,
    prefix: String,
    child: Child,
    /// Standard output, standard error.
    ends: [End; 2],
}

/// A pipe, as long as it is open, and the line that has not ended yet.
type End = (Option<Box<dyn ReadFd>>, Vec<u8>);

trait ReadFd: Read + AsFd {}
impl<T: Read + AsFd> ReadFd for T {}

impl One {
    fn start(name: String, width: usize, options: &Options) -> Result<Self> {
        let mut words: Vec<OsString> = vec!["exec".into()];
        words.extend(options.env.iter().flat_map(|pair| ["--env".into(), pair.into()]));
        words.extend(options.env_file.iter().flat_map(|file| ["--env-file".into(), file.into()]));
        for (flag, value) in [("--workdir", &options.workdir), ("--user", &options.user)] {
            words.extend(value.iter().flat_map(|value| [flag.into(), value.into()]));
        }
        words.push(name.clone().into());
        words.extend(options.words.iter().cloned());
        let mut child = Command::new("/proc/self/exe")
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("this program again")?;
        let out = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn ReadFd>);
        let err = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn ReadFd>);
        let prefix = format!("{name:width$} | ");
        Ok(Self { name, prefix, child, ends: [(out, Vec::new()), (err, Vec::new())] })
    }

    fn is_silent(&self) -> bool {
        self.ends.iter().all(|(pipe, _)| pipe.is_none())
    }

    fn end(mut self) -> Result<(String, u8)> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.wait()?;
        let end =
            status.code().map_or_else(|| wait::End::Killed(status.signal().unwrap_or(9)), wait::End::Exited);
        Ok((self.name, code_of(end)))
    }

    /// Shows what is whole of `line`: without its end, all that there is.
    fn show(prefix: &str, line: &mut Vec<u8>, over: bool, to: BorrowedFd<'_>) -> io::Result<()> {
        let mut text = Vec::new();
        loop {
            let end = match line.iter().position(|&byte| byte == b'\n') {
                Some(end) => end,
                None if line.len() >= LONGEST || (over && !line.is_empty()) => line.len(),
                None => return write_all(to, &text),
            };
            text.extend(prefix.as_bytes());
            text.extend(&line[..end]);
            text.push(b'\n');
            line.drain(..(end + 1).min(line.len()));
        }
    }
}

/// Waits until somebody says something, and shows it.
fn listen(running: &mut [One], seat: Seat<'_>) -> Result<()> {
    let open: Vec<(usize, usize)> = (0..running.len())
        .flat_map(|n| [(n, 0), (n, 1)])
        .filter(|&(n, end)| running[n].ends[end].0.is_some())
        .collect();
    let ready: Vec<bool> = {
        let pipes = open.iter().filter_map(|&(n, end)| running[n].ends[end].0.as_ref());
        let mut watched: Vec<_> = pipes.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut watched, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(()),
            other => other?,
        };
        watched.iter().map(|one| one.any().unwrap_or(true)).collect()
    };
    for (&(n, end), _) in open.iter().zip(ready).filter(|(_, ready)| *ready) {
        let One { prefix, ends, .. } = &mut running[n];
        let (pipe, line) = &mut ends[end];
        let mut buffer = [0; 4096];
        let count = pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut buffer))?;
        line.extend(&buffer[..count]);
        if count == 0 {
            *pipe = None;
        }
        let shown = One::show(prefix, line, count == 0, if end == 0 { seat.out } else { seat.err });
        shown.map_err(|error| if end == 0 { output::lost(&error) } else { error })?;
    }
    Ok(())
}
