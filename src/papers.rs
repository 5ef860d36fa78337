//! Completions for shells and pages for man(1), made of the command line itself: they can't say anything else than it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ch06_lifecycle::verbs::Io;
use clap::{Command, CommandFactory, Subcommand};
use clap_complete::Shell;

use crate::Cli;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Completions for a shell: boxroom completion bash > /etc/bash_completion.d/boxroom
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages into a folder: boxroom man /usr/local/share/man/man1
    Man {
        /// The folder
        dir: PathBuf,
    },
}

pub(crate) fn run(verb: &Verb, io: &mut Io<'_>) -> Result<u8> {
    match verb {
        Verb::Completion { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "boxroom", &mut text);
            io.out.write_all(&text)?;
        }
        Verb::Man { dir } => {
            fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
            let mut whole = Cli::command();
            whole.build(); // each page gets the name of its whole command: boxroom system df
            pages(&whole, dir)?;
        }
    }
    Ok(0)
}

fn pages(command: &Command, dir: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).replace(' ', "-");
    let path = dir.join(format!("{name}.1"));
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut text)?;
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    let visible = |one: &&Command| !one.is_hide_set() && one.get_name() != "help";
    command.get_subcommands().filter(visible).try_for_each(|one| pages(one, dir))
}
