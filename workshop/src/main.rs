//! `cargo workshop`: the command line of the guide, and the only place of it that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The guide: shows the house, walks with you through the exercises, says what this machine can do, and sweeps up.
///
/// Without a command: the tour. It makes the base image, runs every stage on it and shows what each contains.
#[derive(Parser)]
#[command(name = "cargo workshop", bin_name = "cargo workshop", version)]
struct Line {
    /// Show every row of the ladder, not only the seven that tell the story.
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// What each stage contains: all stages against all escapes, each cell from a run.
    Ladder {
        /// Every row, not only the seven that tell the story.
        #[arg(long)]
        all: bool,
        /// For tools.
        #[arg(long)]
        json: bool,
        /// Your own chapter in the reference's column: 02.
        #[arg(long, value_name = "CHAPTER")]
        own: Vec<String>,
        /// Chapter 02 with one mechanism taken out (mnt, pid, uts, ipc, net, cgroup, pivot, seal, env): its cells turn.
        #[arg(long, value_name = "MECHANISM")]
        without: Option<String>,
    },
    /// Begin a chapter's exercise: your own copy in exercises/, with the lesson left out.
    Start {
        /// 00, 02, namespaces; without it, the first.
        chapter: Option<String>,
        /// Only from this task on; what comes before it stands as in the reference.
        #[arg(long, value_name = "TASK")]
        task: Option<String>,
    },
    /// The verdict on your exercise, task by task.
    Check {
        /// 00, 02, namespaces; without it, the one that you worked on last. So with all below.
        chapter: Option<String>,
        /// Its name or number: only this one is told, and the exit code is its own.
        task: Option<String>,
        /// For tools.
        #[arg(long)]
        json: bool,
    },
    /// The same, again on every save.
    Watch { chapter: Option<String> },
    /// One more hint for a task: three each, from gentle to nearly the answer.
    Hint {
        chapter: Option<String>,
        /// Its name or number; without it, the first that isn't proven.
        task: Option<String>,
    },
    /// The reference's lines, when asked for twice or after passing.
    Solution { chapter: Option<String>, task: Option<String> },
    /// A chapter or a task from the beginning; a copy of yours is kept.
    Reset { chapter: Option<String>, task: Option<String> },
    /// A task's question before the work; with --answer your answer is kept.
    Predict {
        chapter: Option<String>,
        task: Option<String>,
        /// The number of your answer.
        #[arg(long, value_name = "N")]
        answer: Option<usize>,
    },
    /// Two questions from what you have done, settled by running; then what comes next.
    Next,
    /// How far you are, by name.
    Status {
        /// For tools.
        #[arg(long)]
        json: bool,
    },
    /// A short code of what you have proven, to hand in; or what such a code says.
    Score {
        /// A code to read.
        code: Option<String>,
    },
    /// The tour with your own chapters in place of the reference: your container.
    Graduate {
        /// The whole ladder instead of the tour.
        #[arg(long)]
        ladder: bool,
    },
    /// What this machine can do for each chapter, what it can't, and how to mend it.
    Doctor {
        /// For tools.
        #[arg(long, global = true)]
        json: bool,
        #[command(flatten)]
        mending: Mending,
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

/// What the doctor does beside looking.
#[derive(clap::Args)]
struct Mending {
    /// Show what could be mended here, and do it on yes (root's part by sudo).
    #[arg(long, conflicts_with = "json")]
    fix: bool,
    /// Take back what --fix changed, and nothing else.
    #[arg(long, conflicts_with_all = ["fix", "json"])]
    undo: bool,
    /// Write all that the doctor sees into one text file, to send to an instructor (`-`: to the terminal).
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "boxroom-report.txt",
          conflicts_with_all = ["fix", "undo", "json"])]
    report: Option<std::path::PathBuf>,
    /// With --fix or --undo: don't ask (for scripts).
    #[arg(long, conflicts_with_all = ["report", "json"])]
    yes: bool,
}

#[cfg(target_os = "linux")]
impl Mending {
    fn is_asked(&self) -> bool {
        self.fix || self.undo || self.yes || self.report.is_some()
    }
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
    /// What a group adds to a launch, beside the same calls in C: a table.
    #[arg(long, conflicts_with_all = ["json", "all_kernels", "chapters", "shell", "panic", "compare"])]
    launches: bool,
    /// How many containers there are with --panic (3 if not said), how many of each with --compare (5), how many rounds
    /// with --launches (100).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=200))]
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
    let done = match ch05_volumes::mapped::asked() {
        Some(asked) => asked.map(|()| ExitCode::SUCCESS),
        None => linux::run(Line::parse()),
    };
    match done {
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

    use super::{About, Command, Line, Mending, Vm};
    use workshop::exercise::{check, graduate, hint, question, reset, score, start, status, watch};
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
            Some(Command::Ladder { all, json, own, without }) => {
                let without = without.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
                let others = ladder::others(&own, without)?;
                ladder::run(out, &mut progress(), ink, (all || line.all, json), &others)
            }
            Some(Command::Start { chapter, task }) => {
                start::run(out, ink, chapter.as_deref(), task.as_deref())
            }
            Some(Command::Check { chapter, task, json }) => {
                check::run(out, &mut progress(), ink, (chapter.as_deref(), task.as_deref()), json)
            }
            Some(Command::Watch { chapter }) => watch::run(out, &mut progress(), ink, chapter.as_deref()),
            Some(Command::Hint { chapter, task }) => hint::run(out, ink, chapter.as_deref(), task.as_deref()),
            Some(Command::Solution { chapter, task }) => {
                hint::solution(out, ink, chapter.as_deref(), task.as_deref())
            }
            Some(Command::Reset { chapter, task }) => {
                reset::run(out, ink, chapter.as_deref(), task.as_deref())
            }
            Some(Command::Predict { chapter, task, answer }) => {
                question::run(out, ink, (chapter.as_deref(), task.as_deref(), answer))
            }
            Some(Command::Next) => question::next(out, ink),
            Some(Command::Status { json }) => status::run(out, ink, json),
            Some(Command::Score { code }) => score::run(out, code.as_deref()),
            Some(Command::Graduate { ladder }) => graduate::run(out, ink, ladder),
            Some(Command::Doctor { json, mending, about: None }) => mend(out, ink, json, &mending),
            Some(Command::Doctor { mending, about: Some(_), .. }) if mending.is_asked() => {
                anyhow::bail!("doctor errno only explains; ask for --fix, --undo or --report without it")
            }
            Some(Command::Doctor { json, about: Some(About::Errno { name }), .. }) => {
                doctor::errnos::run(out, ink, name.as_deref(), json)
            }
            Some(Command::Clean { dry_run }) => clean::run(out, ink, dry_run),
            Some(Command::Vm(line)) => vm::run(out, &mut progress(), ink, &asked(line)?),
            Some(Command::Attempt { name, ordinary }) => Ok(doctor::attempt::child(out, &name, ordinary)),
        }
    }

    fn mend(out: &mut impl io::Write, ink: Ink, json: bool, asked: &Mending) -> anyhow::Result<ExitCode> {
        let stdin = io::stdin();
        let consent =
            doctor::fix::Consent { terminal: stdin.is_terminal(), input: stdin.lock(), yes: asked.yes };
        match (&asked.report, asked.fix, asked.undo) {
            (Some(file), ..) => doctor::letter::run(out, file),
            (None, true, _) => doctor::fix::run(out, ink, consent),
            (None, _, true) => doctor::fix::undo::run(out, ink, consent),
            (None, ..) if asked.yes => {
                anyhow::bail!("--yes answers the question of --fix or --undo; give one of them")
            }
            (None, ..) => doctor::run(out, ink, json),
        }
    }

    /// What the options of `vm` mean together.
    fn asked(line: Vm) -> anyhow::Result<vm::Asked> {
        if !line.launches && line.count.is_some_and(|count| count > 20) {
            anyhow::bail!("--count: more than 20 machines or containers say nothing more, and take long");
        }
        let what = match line.count.map(usize::from) {
            count if line.panic => vm::What::Panic(count.unwrap_or(3)),
            count if line.compare => vm::What::Compare(count.unwrap_or(5), line.save),
            count if line.launches => vm::What::Launches(count.unwrap_or(100)),
            Some(_) => {
                anyhow::bail!("--count says how many for --panic, --compare or --launches; there is none")
            }
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
