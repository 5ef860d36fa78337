//! `cargo workshop`: the command line of the guide, and the only place of it that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The guide: shows the house, says what this machine can do, and sweeps up.
///
/// Without a command: the tour. It makes the base image, runs every stage on it and shows what each contains.
#[derive(Parser)]
#[command(name = "cargo workshop", bin_name = "cargo workshop", version)]
struct Line {
    /// Show every row of the ladder, not only the six that tell the story.
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// What each stage contains: all stages against all escapes, each cell from a run.
    Ladder {
        /// Every row, not only the six that tell the story.
        #[arg(long)]
        all: bool,
        /// For tools.
        #[arg(long)]
        json: bool,
    },
    /// What this machine can do for each chapter, what it can't, and how to mend it.
    Doctor {
        /// For tools.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        about: Option<About>,
    },
    /// Remove what boxroom left behind, and only that.
    Clean {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// The checks on other kernels, in a small virtual machine with pure cgroup v2. For CI; no page needs it.
    Vm(Vm),
    /// One try of the doctor's, in a process of its own because the process is changed by it.
    #[command(hide = true)]
    Attempt {
        name: String,
        /// Give up root first.
        #[arg(long)]
        ordinary: bool,
    },
}

#[derive(clap::Args)]
struct Vm {
    /// The chapters, by number or name (`02`, `namespaces`); without any, all of them.
    chapters: Vec<String>,
    /// Another kernel than Debian 12's 6.1: 6.12 (Debian 13), or 5.10 (Debian 11), which is too old and says so.
    #[arg(long, value_name = "SERIES", conflicts_with = "all_kernels")]
    kernel: Option<String>,
    /// Every kernel of the list, one after the other.
    #[arg(long)]
    all_kernels: bool,
    /// A shell in the machine instead of the checks.
    #[arg(long, conflicts_with_all = ["json", "all_kernels", "chapters"])]
    shell: bool,
    /// Two machines with containers: the kernel of one panics. Who is still alive?
    #[arg(long, conflicts_with_all = ["json", "all_kernels", "chapters", "shell"])]
    panic: bool,
    /// Containers beside virtual machines with the same program: time, memory, disk, as a table.
    #[arg(long, conflicts_with_all = ["json", "all_kernels", "chapters", "shell", "panic"])]
    compare: bool,
    /// How many containers there are with --panic (3 if not said), how many of each with --compare (5).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    count: Option<u8>,
    /// Write the table of --compare to this file, too.
    #[arg(long, value_name = "FILE", requires = "compare")]
    save: Option<std::path::PathBuf>,
    /// For tools.
    #[arg(long)]
    json: bool,
    /// End a machine that is still at it after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
              value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

#[derive(Subcommand)]
enum About {
    /// What an error number usually means here: `doctor errno`, `doctor errno EPERM`, `doctor errno pivot_root`.
    Errno {
        /// An errno (EPERM or 1) or a system call (`pivot_root`); without it, all of them.
        name: Option<String>,
    },
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let _asked = Line::parse();
    println!("{}", workshop::elsewhere::way(std::env::consts::OS));
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match linux::run(Line::parse()) {
        Ok(code) => code,
        // `| head` has read enough: no failure of ours.
        Err(error) if linux::pipe_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo workshop: {error:#}");
            ExitCode::from(125)
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IsTerminal};
    use std::process::ExitCode;
    use std::time::Duration;

    use super::{About, Command, Line, Vm};
    use workshop::progress::Progress;
    use workshop::{clean, doctor, ink::Ink, ladder, tour, vm};

    pub(crate) fn run(line: Line) -> anyhow::Result<ExitCode> {
        let out = &mut io::stdout().lock();
        let ink = Ink::for_stream(&io::stdout());
        let progress = || {
            let stderr = io::stderr();
            let (ink, terminal) = (Ink::for_stream(&stderr), stderr.is_terminal());
            Progress::new(stderr, ink, terminal)
        };
        match line.command {
            None => tour::run(out, &mut progress(), ink, line.all),
            Some(Command::Ladder { all, json }) => {
                ladder::run(out, &mut progress(), ink, (all || line.all, json))
            }
            Some(Command::Doctor { json, about: None }) => doctor::run(out, ink, json),
            Some(Command::Doctor { json, about: Some(About::Errno { name }) }) => {
                doctor::errnos::run(out, ink, name.as_deref(), json)
            }
            Some(Command::Clean { dry_run }) => clean::run(out, ink, dry_run),
            Some(Command::Vm(line)) => vm::run(out, &mut progress(), ink, &asked(line)?),
            Some(Command::Attempt { name, ordinary }) => Ok(doctor::attempt::child(out, &name, ordinary)),
        }
    }

    /// What the options of `vm` mean together.
    fn asked(line: Vm) -> anyhow::Result<vm::Asked> {
        let what = match line.count.map(usize::from) {
            count if line.panic => vm::What::Panic(count.unwrap_or(3)),
            count if line.compare => vm::What::Compare(count.unwrap_or(5), line.save),
            Some(_) => anyhow::bail!("--count says how many for --panic or --compare; there is neither"),
            None if line.shell => vm::What::Shell,
            None => vm::What::Checks,
        };
        let kernels = vm::Asked::kernels(line.kernel.as_deref(), line.all_kernels)?;
        let limit = Duration::from_secs(line.limit);
        Ok(vm::Asked { chapters: line.chapters, kernels, what, json: line.json, limit })
    }

    pub(crate) fn pipe_closed(error: &anyhow::Error) -> bool {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}
