//! The verbs, as Docker has them: what each may be told, and what it says. Whoever has a command line takes [`Verb`] into
//! it and gives [`run`] its outputs; the chapter's program and `boxroom` do.
//!
//! # Layout
//! - [`begin`]: create, run, start, restart
//! - [`end`]: stop, kill, wait, rm
//! - [`change`]: pause, unpause, rename
//! - [`look`]: ps, logs; [`inspect`]; [`top`]; [`stats`]; [`system`]
//! - [`align`], [`attach`], [`volume`]
//! - [`table`]: columns, `--format`, `--filter`; [`late`]: words that are looked at for their own verb only

use std::io::{Stderr, Stdin, Stdout, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::Result;
use ch00_process::explain::Process;
use ch00_process::failure::{ENGINE, Failure};
use ch00_process::kernel::Kernel;
use ch00_process::output::Output;
use ch00_process::{keyboard, output};
use ch05_volumes::mapped;
use clap::{Parser, Subcommand};

use crate::own_program;
use crate::terminal::Seat;
use crate::verbs::late::Late;

pub mod align;
pub mod attach;
pub mod begin;
pub mod change;
pub mod end;
pub mod inspect;
pub mod late;
pub mod look;
pub mod stats;
pub mod system;
pub mod table;
pub mod top;
pub mod volume;

/// The verbs of a container's life.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // each has its words for `--help`
pub enum Verb {
    /// Make a container of an image; nothing runs yet
    Create(Late<begin::Create>),
    /// Make a container and start it
    Run(Late<begin::Run>),
    /// Start containers that are there
    Start(Late<begin::Start>),
    /// Stop containers and start them again
    Restart(Late<begin::Restart>),
    /// Ask containers to end, and after a while make them
    Stop(Late<end::Stop>),
    /// Send containers a signal
    Kill(Late<end::Kill>),
    /// Wait for the end of containers, and print their exit codes
    Wait(Late<end::Wait>),
    /// Remove containers
    Rm(Late<end::Rm>),
    /// Let all processes of containers stand still
    Pause(Late<change::Names>),
    /// Let them go on
    Unpause(Late<change::Names>),
    /// Call a container by another name
    Rename(Late<change::Rename>),
    /// All that is known about containers, as JSON
    Inspect(Late<inspect::Inspect>),
    /// The processes of a container, as the host sees them
    Top(Late<top::Top>),
    /// What containers use, every second or once
    Stats(Late<stats::Stats>),
    /// The whole of it: how much there is, and what nobody needs
    #[command(subcommand)]
    System(Late<system::System>),
    /// List containers
    Ps(Late<look::Ps>),
    /// What a container has said
    Logs(Late<look::Logs>),
    /// Run a command in a container that runs
    Exec(Late<begin::Exec>),
    /// Another engine's launch (a trace of strace -f), sorted into the moments of ours
    Align(Late<align::Align>),
    /// Sit down at the keyboard of a container that runs
    Attach(Late<attach::Attach>),
    /// What outlives containers: volumes
    #[command(subcommand)]
    Volume(Late<volume::Volume>),
}

/// Where a verb speaks.
pub struct Io<'a> {
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// What is to be known besides.
    pub err: &'a mut dyn Write,
    /// The program's name, before what goes wrong.
    pub program: &'a str,
    /// The three descriptors themselves, for who is attached.
    pub seat: Seat<'a>,
}

impl Io<'_> {
    /// A failure, told; its code.
    pub fn fail(&mut self, error: &anyhow::Error) -> u8 {
        let _ = writeln!(self.err, "{}: {error:#}", self.program);
        error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code)
    }

    /// Does something to each of several, says the name of each that it was done to, and is not stopped by one that it
    /// can't be done to. Docker's code for that is 1.
    pub fn each(&mut self, names: &[String], mut act: impl FnMut(&mut Self, &str) -> Result<()>) -> u8 {
        let mut code = 0;
        for name in names {
            match act(self, name) {
                Ok(()) => drop(writeln!(self.out, "{name}")),
                Err(error) => {
                    self.fail(&error);
                    code = 1;
                }
            }
        }
        code
    }
}

/// The whole of a program with these verbs, at its three `standard` streams: the command line is read, and `run`. An
/// ordinary user's program that is started again in the map is asked for something else.
pub fn main<C: Parser>(
    program: &str,
    (input, out, err): &(Stdin, Stdout, Stderr),
    run: impl FnOnce(C, &mut Io<'_>) -> Result<u8>,
) -> ExitCode {
    let seat = Seat { input: input.as_fd(), out: out.as_fd(), err: err.as_fd() };
    let (mut output, mut err) = (Output::new(out), err);
    let done = match mapped::asked() {
        Some(done) => done.map(|()| 0).map_err(one),
        None => {
            own_program::protect_early().map_err(Into::into).and_then(|()| match keyboard::command_line() {
                Ok(cli) => run(cli, &mut Io { out: &mut output, err: &mut err, program, seat }),
                Err(code) => Ok(code),
            })
        }
    };
    output.end(program, done, &mut err).into()
}

/// The kernel of a verb that nobody watches.
pub(crate) fn unwatched() -> Kernel {
    Kernel::new(Process::Host, None)
}

/// Does what a verb says. The exit code.
///
/// # Errors
/// What could not be done, with Docker's code for it.
pub fn run(verb: Verb, io: &mut Io<'_>) -> Result<u8> {
    match verb {
        Verb::Create(create) => begin::create(*create.0, io),
        Verb::Run(run) => begin::run(*run.0, io),
        Verb::Start(start) => begin::start(&start, io),
        Verb::Restart(restart) => begin::restart(&restart, io),
        Verb::Stop(stop) => end::stop(&stop, io),
        Verb::Kill(kill) => end::kill(&kill, io),
        Verb::Wait(wait) => end::wait(&wait, io),
        Verb::Rm(rm) => end::rm(&rm, io),
        Verb::Pause(names) => change::still(&names, true, io),
        Verb::Unpause(names) => change::still(&names, false, io),
        Verb::Rename(rename) => change::rename(&rename).map(|()| 0).map_err(one),
        Verb::Inspect(inspect) => inspect::inspect(&inspect, io).map_err(one),
        Verb::Top(top) => top::top(&top, io).map(|()| 0).map_err(one),
        Verb::Stats(stats) => stats::stats(&stats, io).map(|()| 0).map_err(one),
        Verb::System(system) => system::system(&system, io).map(|()| 0).map_err(one),
        Verb::Exec(exec) => begin::exec(*exec.0, io),
        Verb::Align(align) => align::align(&align, io),
        Verb::Attach(attach) => attach::attach(*attach.0, io),
        Verb::Volume(volume) => volume::volume(*volume.0, io),
        Verb::Ps(ps) => look::ps(&ps, io).map(|()| 0).map_err(one),
        Verb::Logs(logs) => look::logs(&logs, io).map(|()| 0).map_err(one),
    }
}

/// Docker's code for a verb that could not: 1, where `run` has 125.
#[must_use]
pub fn one(error: anyhow::Error) -> anyhow::Error {
    if output::is_lost(&error) {
        return error; // told by who ends the program
    }
    match error.downcast::<Failure>() {
        Ok(failure) => failure.code(1).into(),
        Err(error) => Failure::said(format!("{error:#}"), "", "").code(1).into(),
    }
}
