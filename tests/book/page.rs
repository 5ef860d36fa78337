//! A page of the book: its console blocks, its code, its links.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use checks::need::Need;

/// A page, read.
pub(crate) struct Page {
    pub(crate) name: String,
    path: PathBuf,
    pub(crate) blocks: Vec<Block>,
    code: Vec<(usize, String, Vec<String>)>,
    prose: Vec<(usize, String)>,
}

/// A console block: commands, each with what it prints.
pub(crate) struct Block {
    pub(crate) line: usize,
    needs: Vec<String>,
    pub(crate) commands: Vec<(String, Vec<String>)>,
}

impl Page {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut page = Self { name, path: path.into(), blocks: vec![], code: vec![], prose: vec![] };
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            let Some(fence) = line.trim_start().strip_prefix("```") else {
                page.prose.push((n + 1, line.into()));
                continue;
            };
            let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let body: Vec<String> = body.map(str::to_string).collect();
            let mut words = fence.split(',').map(str::trim);
            match words.next() {
                Some("console") => {
                    let needs = words.map(str::to_string).collect();
                    page.blocks.push(Block { line: n + 1, needs, commands: commands(&body) });
                }
                _ => page.code.push((n + 1, fence.into(), body)),
            }
        }
        Ok(page)
    }

    /// Rust that is copied rather than taken in, and links that lead nowhere.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (line, fence, body) in &self.code {
            if fence.starts_with("rust") && !body.iter().all(|line| line.trim().starts_with("{{#include ")) {
                wrong.push(format!(
                    "{}.md:{line}: Rust is taken in by an anchor, so that it compiles",
                    self.name
                ));
            }
        }
        for block in self.blocks.iter().filter(|block| block.commands.is_empty()) {
            wrong.push(format!(
                "{}.md:{}: a console block without a command (`$ ...`)",
                self.name, block.line
            ));
        }
        for (line, text) in &self.prose {
            for target in text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split(')').next()) {
                if let Err(why) = self.follow(target) {
                    wrong.push(format!("{}.md:{line}: {target}: {why}", self.name));
                }
            }
        }
        wrong
    }

    fn follow(&self, target: &str) -> Result<(), String> {
        if target.contains("://") || target.starts_with("mailto:") {
            return Ok(()); // no test of ours depends on somebody else's server
        }
        let (file, id) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { self.path.clone() } else { self.path.with_file_name("").join(file) };
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let headings = text.lines().filter(|line| line.starts_with('#')).map(id_of);
        if id.is_empty() || headings.into_iter().any(|heading| heading == id) {
            return Ok(());
        }
        Err("there is no such heading".into())
    }
}

impl Block {
    /// What this machine lacks for it: its name in `BOXROOM_REQUIRE`, and the sentence.
    pub(crate) fn missing(&self) -> Option<(String, String)> {
        let said = |need: Need| need.missing().map(|why| (need.name().to_string(), why.to_string()));
        let named = self.needs.iter().find_map(|need| match need.as_str() {
            "root" => said(Need::Root),
            "user" => said(Need::User),
            "userns" => said(Need::UserNamespace),
            "subuid" => said(Need::Range),
            "cgroup" => said(Need::Cgroup),
            "cgroup1" => said(Need::Cgroup1),
            "cgroup2" => said(Need::Cgroup2),
            "nsdelegate" => (!delegates()).then(|| {
                (
                    need.clone(),
                    "cgroup version 2 is mounted without nsdelegate here; systemd mounts it so".into(),
                )
            }),
            "loose" => delegates().then(|| {
                (
                    need.clone(),
                    "cgroup version 2 is mounted with nsdelegate here; cargo workshop vm has one without"
                        .into(),
                )
            }),
            tool => (!in_path(tool))
                .then(|| (tool.into(), format!("there is no {tool} on this machine; install it"))),
        });
        named.or_else(|| self.takes_a_user_namespace().then(|| said(Need::UserNamespace)).flatten())
    }

    /// From chapter 01 on an ordinary user's command is in a user namespace; root's where it asks for one.
    fn takes_a_user_namespace(&self) -> bool {
        let takes = |command: &str| {
            let enters = [
                "ch01-chroot run",
                "ch02-namespaces run",
                "ch03-cgroups run",
                "ch04-images run",
                "ch05-volumes run",
            ]
            .iter()
            .any(|run| command.contains(run));
            enters && (Need::User.missing().is_none() || command.contains("user"))
        };
        self.commands.iter().any(|(command, _)| takes(command))
    }
}

fn commands(body: &[String]) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in body {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.into(), vec![])),
            (None, Some((command, output))) if output.is_empty() && command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line.strip_prefix("> ").unwrap_or(line));
            }
            (None, Some((_, output))) => output.push(line.clone()),
            (None, None) => {
                commands.push((String::from("false"), vec![format!("no command before: {line}")]))
            }
        }
    }
    commands
}

/// Whether whoever has a cgroup namespace may write no limit of its top: an option of the mount of version 2.
fn delegates() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let options = mounts.lines().find_map(|line| line.split_once(" - cgroup2 "));
    options.is_some_and(|(_, rest)| rest.split([' ', ',']).any(|word| word == "nsdelegate"))
}

/// The id that mdBook gives to a heading.
fn id_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn in_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}
