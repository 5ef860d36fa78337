//! `exec`: a command more in a running container. Its words over what the container was made with.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ch00_process::exec::Command;
use ch00_process::failure::Failure;
use ch00_process::kernel_file;
use ch00_process::launch::Launch;
use ch00_process::mechanism::Chain;
use ch00_process::mechanism::SameRoot;
use ch02_namespaces::seal::{Seal, User};
use ch04_images::change::set_variable;
use ch04_images::passwd;

use crate::config::Config;
use crate::containers::Container;
use crate::join::{Join, Target, not_running};
use crate::pty::{Console, Master};
use crate::silence::Silence;
use crate::stand::Stand;
use crate::state::Move;

/// What is to be run, and what of it isn't as the container's own command has it.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// `KEY=VALUE`, or `KEY` for the caller's.
    pub env: Vec<String>,
    /// Files of such lines.
    pub env_files: Vec<PathBuf>,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u`: `USER[:GROUP]`, by name or number.
    pub user: Option<String>,
    /// It has a terminal, of this size where that is known.
    pub tty: Option<Option<(u16, u16)>>,
    /// The caller's standard input is its own.
    pub input: bool,
    /// The caller's output is its own.
    pub output: bool,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// The launch into the container, not begun yet; and where its terminal's master arrives.
///
/// # Errors
/// It isn't running; a user that it doesn't have; a working directory that isn't absolute.
pub fn launch(
    container: &Container,
    wish: &Wish,
) -> Result<(Launch<impl Chain + use<>, SameRoot>, Option<Master>)> {
    let target = target(container)?;
    let config = &container.config;
    let Someone { user, groups, home } = someone(&target, config, wish)?;
    let command = Command::with_env(wish.command.clone(), environment(config, wish, home)?)?;
    let path = match wish.workdir.as_deref().or(config.workdir.as_deref()).unwrap_or("/") {
        path if path.starts_with('/') => path.to_string(),
        path => bail!(
            Failure::said(
                format!("--workdir {path:?}"),
                "a working directory begins with /",
                "an absolute path"
            )
            .code(126)
        ),
    };
    let has_groups = !has_one_id(&target);
    let groups = groups.into_iter().filter(|gid| is_mapped(&target, *gid)).collect();
    let (console, master) = wish.tty.map(|size| Console::new(user.uid, size)).transpose()?.unzip();
    let silent = console.is_none() && !(wish.input && wish.output);
    // ANCHOR: launch
    let launch = Launch::new(command)
        .with(silent.then_some(Silence { all: !wish.output }))
        .with(Join::new(target))
        .with(Stand { path })
        .with(console)
        .with(Seal { user, groups, has_groups });
    // ANCHOR_END: launch
    Ok((launch, master))
}

/// The container's first process, where the state allows an exec.
///
/// # Errors
/// It isn't running, or is paused: Docker's words, code 1.
pub fn target(container: &Container) -> Result<Target> {
    let state = container.state();
    state.status.after(Move::Exec, container.name())?;
    let init = state.process.ok_or_else(|| not_running(container.name()))?;
    Ok(Target { name: container.name().into(), init })
}

/// Who the command is.
struct Someone {
    user: User,
    groups: Vec<u32>,
    /// Where that user is at home, if it is another one than the container's.
    home: Option<String>,
}

/// Who the command is, and where that user is at home. Looked up in the files of the *running* container, beneath its root
/// and without a symlink: root inside may have put anything there.
fn someone(target: &Target, config: &Config, wish: &Wish) -> Result<Someone> {
    let Some(user) = &wish.user else {
        let user = User { uid: config.uid, gid: config.gid };
        return Ok(Someone { user, groups: config.groups.clone(), home: None });
    };
    let root = PathBuf::from(format!("/proc/{}/root", target.pid()));
    let found = passwd::find(&[root], user).map_err(|error| {
        let hint = "--user by number, or a user of the container's /etc/passwd";
        Failure::said(format!("exec {}: {error:#}", target.name), "", hint).code(126)
    })?;
    let home = Some(found.home.unwrap_or_else(|| "/".into()));
    Ok(Someone { user: User { uid: found.uid, gid: found.gid }, groups: found.groups, home })
}

/// The container's variables; over them those of the files; over them those of the command line. As Docker has it.
fn environment(config: &Config, wish: &Wish, home: Option<String>) -> Result<Vec<OsString>> {
    let mut env: Vec<String> = config.env.clone();
    if let Some(home) = home {
        set_variable(&mut env, &format!("HOME={home}"));
    }
    if wish.tty.is_some() {
        set_variable(&mut env, "TERM=xterm");
    }
    for file in &wish.env_files {
        for pair in lines_of(file)? {
            set_variable(&mut env, &pair);
        }
    }
    for pair in &wish.env {
        if pair.is_empty() || pair.starts_with('=') {
            bail!(Failure::said(
                format!("--env {pair:?}"),
                "the variable has no name",
                "write KEY=VALUE, or KEY alone"
            ));
        }
        set_or_take_over(&mut env, pair)?;
    }
    Ok(env.into_iter().map(OsString::from).collect())
}

/// What an `--env-file` sets, `KEY=VALUE`: for `run` and `exec` alike. `KEY` alone takes over the caller's; where there is
/// none, the line says nothing, as Docker has it.
///
/// # Errors
/// It can't be read, or a line has no name.
pub fn lines_of(file: &Path) -> Result<Vec<String>> {
    let what = || format!("--env-file {}", file.display());
    let text = fs::read_to_string(file).with_context(what)?;
    let mut found = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() || name.contains(char::is_whitespace) {
            bail!("{}, line {}: {name:?} is no name of a variable", what(), number + 1);
        }
        if line.contains('=') {
            found.push(line.to_string());
        } else {
            found.extend(callers(line)?.map(|value| format!("{line}={value}")));
        }
    }
    Ok(found)
}

/// `KEY=VALUE` sets; `KEY` alone takes over the caller's, and takes it away where the caller has none.
///
/// # Errors
/// The caller's is no UTF-8.
pub fn set_or_take_over(env: &mut Vec<String>, pair: &str) -> Result<()> {
    if pair.contains('=') {
        set_variable(env, pair);
        return Ok(());
    }
    match callers(pair)? {
        Some(value) => set_variable(env, &format!("{pair}={value}")),
        None => env.retain(|other| other.split_once('=').is_none_or(|(key, _)| key != pair)),
    }
    Ok(())
}

/// The caller's variable of this name.
fn callers(key: &str) -> Result<Option<String>> {
    let value = std::env::var_os(key).map(OsString::into_string).transpose();
    value.map_err(|value| anyhow::anyhow!("{key}: {value:?} is no UTF-8, and config.json can't hold it"))
}

/// A group that the container's map doesn't have is refused (EINVAL): the command doesn't get it, as the container didn't.
fn is_mapped(target: &Target, gid: u32) -> bool {
    let map = fs::read_to_string(format!("/proc/{}/gid_map", target.pid())).unwrap_or_default();
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if gid >= first && gid - first < count)
    })
}

/// In a user namespace of one id nobody may give up groups; the kernel has said so when it was made.
fn has_one_id(target: &Target) -> bool {
    let denied = kernel_file::text(Path::new(&format!("/proc/{}/setgroups", target.pid())));
    denied.is_ok_and(|text| text.trim() == "deny")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_a_variable_is_there_once() {
        let mut env = vec!["A=1".to_string(), "AB=2".into(), "SURELY_NOT_SET_ANYWHERE=4".into()];
        set_or_take_over(&mut env, "A=3").unwrap();
        set_or_take_over(&mut env, "SURELY_NOT_SET_ANYWHERE").unwrap();
        assert_eq!(env, ["A=3", "AB=2"], "what the caller lacks is taken away");
    }

    #[test]
    fn ch06_an_env_file_is_read_as_dockers() {
        let file = std::env::temp_dir().join(format!("boxroom-ch06-env-{}", std::process::id()));
        fs::write(&file, "\u{feff}D=\n# comment\n\nA=1 2\n  B=x=y\nSURELY_NOT_SET_ANYWHERE\n").unwrap();
        let good = lines_of(&file).unwrap();
        fs::write(&file, "A B=1\n").unwrap();
        let bad = lines_of(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(good, ["D=", "A=1 2", "B=x=y"]);
        assert!(format!("{:#}", bad.unwrap_err()).contains("line 1"));
    }
}
