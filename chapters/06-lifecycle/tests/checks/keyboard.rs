//! At a keyboard: a terminal of the test's own stands where a person would sit.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use checks::drive::{is_alive, within};
use checks::finding::Finding;
use checks::stage::Stage;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags, tcgetattr};
use nix::unistd::Pid;
use rustix::termios::tcsetwinsize;

use crate::lodge::{Lodge, equal, seen};

/// A terminal, and a program at it.
struct Desk {
    keyboard: File,
    terminal: OwnedFd,
    program: Child,
    shown: String,
}

impl Desk {
    fn sit(lodge: &Lodge, words: &[&str]) -> Result<Self, Finding> {
        let size = Winsize { ws_row: 33, ws_col: 99, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None)?;
        let end = || -> Result<Stdio, Finding> { Ok(pair.slave.try_clone()?.into()) };
        let mut command = lodge.command(words)?;
        let program = command.stdin(end()?).stdout(end()?).stderr(end()?).spawn()?;
        Ok(Self { keyboard: pair.master.into(), terminal: pair.slave, program, shown: String::new() })
    }

    /// Types, and looks until `wanted` is shown.
    fn types(&mut self, keys: &str, wanted: &str) -> Result<(), Finding> {
        self.keyboard.write_all(keys.as_bytes())?;
        self.shows(wanted)
    }

    fn shows(&mut self, wanted: &str) -> Result<(), Finding> {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.shown.contains(wanted) {
            if Instant::now() > end {
                let saw: String =
                    self.shown.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                return Err(Finding::seen("other")
                    .with("saw", format!("{saw:?}"))
                    .with("wanted", format!("{wanted:?}")));
            }
            self.look();
        }
        self.shown.clear();
        Ok(())
    }

    fn look(&mut self) {
        let mut ready = [PollFd::new(self.keyboard.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(50_u8)).is_ok_and(|count| count > 0) {
            let mut piece = [0; 4096];
            if let Ok(count) = self.keyboard.read(&mut piece) {
                self.shown.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
        }
    }

    fn resize(&self, rows: u16, columns: u16) -> Result<(), Finding> {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.terminal, size).map_err(std::io::Error::from)?;
        // The kernel tells the terminal's own job; the program is no job of this terminal's.
        Ok(kill(Pid::from_raw(self.program.id().cast_signed()), Signal::SIGWINCH)?)
    }

    /// Whether lines are edited and Ctrl-C is a signal, as people are used to it.
    fn is_as_before(&self) -> Result<bool, Finding> {
        let now = tcgetattr(&self.terminal)?;
        let flags = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        Ok(now.local_flags.contains(flags) && now.output_flags.contains(OutputFlags::OPOST))
    }

    /// Waits for the program's end, what it shows read meanwhile.
    fn code(&mut self) -> Result<i32, Finding> {
        use std::os::unix::process::ExitStatusExt;
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.program.try_wait()? {
                return Ok(status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1));
            }
            if Instant::now() > end {
                self.program.kill()?;
                self.program.wait()?;
                return Err(Finding::seen("other")
                    .with("saw", "a program that goes on")
                    .with("wanted", "its end"));
            }
            self.look();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// `$((6*7))` is answered by a shell alone: the keys that are echoed don't have it.
const ALIVE: &str = "echo $((6*7))answer\n";

pub(crate) fn terminal(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("terminal", &[])?;
    let mut desk = Desk::sit(&lodge, &["exec", "-it", &name, "sh"])?;
    desk.types("tty\n", "/dev/pts/0")?;
    desk.types("stty size\n", "33 99")?;
    if desk.is_as_before()? {
        return Err(Finding::seen("not_raw"));
    }
    desk.resize(20, 70)?;
    desk.types("stty size\n", "20 70")?;
    // Ctrl-C reaches the command that runs, and neither the shell nor us.
    desk.types("sleep 1000\n", "sleep")?;
    within(Duration::from_secs(2), || {
        desk.look();
        false
    });
    desk.types("\x03", "^C")?;
    desk.types("echo code $((100+$?))\n", "code 230")?;
    desk.types("exit 9\n", "exit")?;
    equal(&desk.code()?.to_string(), "9")?;
    if desk.is_as_before()? {
        Ok(())
    } else {
        Err(Finding::seen("left_raw").with("after", "the command's end"))
    }
}

pub(crate) fn put_back(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("raw", &[])?;
    for (signal, wanted) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let mut desk = Desk::sit(&lodge, &["exec", "-it", &name, "sh"])?;
        desk.types(ALIVE, "42answer")?;
        kill(Pid::from_raw(desk.program.id().cast_signed()), signal)?;
        equal(&desk.code()?.to_string(), &wanted.to_string())?;
        if !desk.is_as_before()? {
            return Err(Finding::seen("left_raw").with("after", signal));
        }
    }
    Ok(())
}

pub(crate) fn detach(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("detach", &[])?;
    let word = lodge.name("left-alone");
    let mut desk =
        Desk::sit(&lodge, &["exec", "-it", &name, "sh", "-c", "echo $((6*7))answer; sleep 60; exit", &word])?;
    desk.shows("42answer")?;
    desk.types("\x10\x11", "read escape sequence")?;
    equal(&desk.code()?.to_string(), "0")?;
    if !desk.is_as_before()? {
        return Err(Finding::seen("left_raw").with("after", "the detach keys"));
    }
    let alive = seen(&word);
    if alive.is_empty() { Err(Finding::seen("ended")) } else { Ok(()) }
}

pub(crate) fn run_and_attach(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    // The stage before says why it can't; then nobody waits for a prompt that never comes.
    lodge.guest("knows", &[])?;
    let name = lodge.expects("attached");
    let mut first = Desk::sit(&lodge, &["run", "-it", "--name", &name, checks::mould::IMAGE, "sh"])?;
    first.types(ALIVE, "42answer")?;
    let mut second = Desk::sit(&lodge, &["attach", &name])?;
    // Both see what either types.
    second.types("echo $((6*8))seen\n", "48seen")?;
    first.shows("48seen")?;
    second.types("\x10\x11", "read escape sequence")?;
    equal(&second.code()?.to_string(), "0")?;
    first.types("exit 3\n", "exit")?;
    equal(&first.code()?.to_string(), "3")?;
    let mut again = Desk::sit(&lodge, &["start", "-ai", &name])?;
    again.types(ALIVE, "42answer")?;
    again.types("exit 4\n", "exit")?;
    equal(&again.code()?.to_string(), "4")?;
    let log = lodge.tell(&["logs", &name])?.stdout;
    let told = log.contains("48seen") && log.matches("42answer").count() == 2;
    equal(&told.to_string(), "true")
}

/// A client that reads nothing stands still; the container, its log and the other client don't.
pub(crate) fn slow(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let script = "read go; i=0; while [ $i -lt 20000 ]; do echo $i.................................................; i=$((i+1)); done; sleep 5000; exit";
    let name = lodge.run("slow", &["-i"], &["sh", "-c", script])?;
    let mut idle = lodge.command(&["attach", "--no-stdin", &name])?.stdout(Stdio::piped()).spawn()?;
    let mut typist =
        lodge.command(&["attach", &name])?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut keys) = typist.stdin.take() {
        keys.write_all(b"go\n")?;
        std::mem::forget(keys); // its end would be the end of the command's input; the kernel closes it with us
    }
    let out = typist.stdout.take();
    let reader = std::thread::spawn(move || out.map(|mut out| std::io::copy(&mut out, &mut std::io::sink())));
    let whole = within(Duration::from_secs(20), || {
        lodge.tell(&["logs", "--tail", "1", &name]).is_ok_and(|ended| ended.stdout.starts_with("19999."))
    });
    let _ = idle.kill();
    let _ = (idle.wait(), typist.kill(), typist.wait(), reader.join());
    if whole { Ok(()) } else { Err(Finding::seen("blocked")) }
}

/// What is said of a signal: an attached program without a terminal passes it on.
pub(crate) fn proxy(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let script = "trap 'exit 42' USR1; while :; do sleep 0.1; done";
    let name = lodge.run("proxy", &[], &["sh", "-c", script])?;
    let mut attached = lodge.command(&["attach", &name])?.stdout(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(300)); // until it has said that it is here; before that the signal would end it
    kill(Pid::from_raw(attached.id().cast_signed()), Signal::SIGUSR1)?;
    let ended = within(Duration::from_secs(10), || !is_alive(attached.id().cast_signed()));
    let _ = attached.kill();
    let code = attached.wait()?.code();
    equal(&format!("{ended} {code:?}"), "true Some(42)")?;
    // Who gets no answer is let go after the third time, and told that the command goes on.
    let (name, first) = lodge.guest("deaf", &[])?;
    let attached = lodge.command(&["attach", &name])?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(300));
        kill(Pid::from_raw(attached.id().cast_signed()), Signal::SIGINT)?;
    }
    let ended = attached.wait_with_output()?;
    let told = String::from_utf8_lossy(&ended.stderr).contains(&name);
    let saw = format!("{:?} named: {told} alive: {}", ended.status.code(), is_alive(first.0));
    equal(&saw, "Some(130) named: true alive: true")
}
