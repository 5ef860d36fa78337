//! A command as it is shown and run: by root itself, or by sudo.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// One command, and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What it reads; nothing: it reads nothing.
    pub stdin: Option<String>,
    /// Whether the rest goes on where it fails.
    pub may_fail: bool,
}

/// The command of these words.
#[must_use]
pub fn order<const N: usize>(words: [&str; N]) -> Order {
    Order { words: words.map(String::from).into(), stdin: None, may_fail: false }
}

impl Order {
    /// The same, reading `text`.
    #[must_use]
    pub fn with(mut self, text: String) -> Self {
        self.stdin = Some(text);
        self
    }

    /// The same, and a failure of it ends nothing.
    #[must_use]
    pub fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// As one types it.
    #[must_use]
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }

    /// Runs it as root; what it says goes to the terminal.
    ///
    /// # Errors
    /// It isn't there, sudo refused, or it failed.
    pub fn run(&self, hand: Hand) -> Result<()> {
        let mut words = self.words.iter();
        let program = words.next().context("an empty command")?;
        let mut command = match hand {
            Hand::Root => Command::new(crate::doctor::users::in_path(program).unwrap_or(program.into())),
            Hand::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.arg("--").arg(program);
                sudo
            }
        };
        // tee would repeat what it is given; sudo asks for a password on the terminal, not here.
        command.args(words).stdout(Stdio::null());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().with_context(|| format!("could not start {program}"))?;
        if let (Some(text), Some(mut pipe)) = (&self.stdin, child.stdin.take()) {
            // Where the command has ended without reading, its own failure says more than a broken pipe.
            let _ended_early = pipe.write_all(text.as_bytes());
        }
        let status = child.wait().with_context(|| format!("could not wait for {program}"))?;
        if !status.success() {
            bail!("{} failed ({status})", self.shown());
        }
        Ok(())
    }
}

/// Who runs a command that needs root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// This process is root.
    Root,
    /// sudo(8), for each command.
    Sudo,
}

impl Hand {
    /// What stands before each command.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Sudo => "sudo ",
        }
    }
}

/// The name beside `path` under which a new text is written first. Programs that read such folders pass over
/// names that begin with a dot.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.boxroom"))
}

/// Writes `text` beside `path` and renames it: a reader sees the old text or the new one, never a part.
#[must_use]
pub fn put(path: &Path, text: &str) -> Vec<Order> {
    let (new, path) = (beside(path).to_string_lossy().into_owned(), path.to_string_lossy().into_owned());
    vec![
        order(["install", "-m", "644", "/dev/stdin", &new]).with(text.into()),
        order(["sync", &new]),
        order(["mv", "-f", "-T", &new, &path]),
    ]
}

/// Removes one file.
#[must_use]
pub fn remove(path: &Path) -> Order {
    order(["rm", "-f", "--", &path.to_string_lossy()])
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@+,%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_can_be_typed() {
        assert_eq!(order(["rm", "-f", "/a b/it's"]).shown(), r"rm -f '/a b/it'\''s'");
    }

    #[test]
    fn a_text_is_written_beside_and_renamed() {
        let shown: Vec<_> = put(Path::new("/etc/subuid"), "x\n").iter().map(Order::shown).collect();
        assert_eq!(shown[0], "install -m 644 /dev/stdin /etc/.subuid.boxroom");
        assert_eq!(shown[2], "mv -f -T /etc/.subuid.boxroom /etc/subuid");
    }
}
