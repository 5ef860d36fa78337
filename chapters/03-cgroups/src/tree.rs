//! The control groups of this machine, drawn as they are: each hierarchy a tree, ours marked.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::group::MARK;
use crate::hierarchy::{Hierarchies, Hierarchy, Version, controllers};

/// More brothers and sisters than this are counted, not drawn, but for those that are marked.
const MOST: usize = 8;

/// A group with those in it.
struct Node {
    folder: PathBuf,
    processes: usize,
    below: Vec<Node>,
}

/// Draws every hierarchy that has groups; those that have none share a line.
///
/// # Errors
/// The writer is gone.
pub fn draw(out: &mut impl Write) -> io::Result<()> {
    let hierarchies = Hierarchies::read();
    if hierarchies.0.is_empty() {
        return writeln!(out, "no cgroup file system is mounted here");
    }
    let mut flat = Vec::new();
    // Version 1 has a tree for each controller, and most of them look alike: those are drawn once.
    let mut drawn: Vec<(Vec<String>, Vec<u8>)> = Vec::new();
    for hierarchy in &hierarchies.0 {
        let top = Node::read(&hierarchy.point);
        if top.below.is_empty() {
            flat.push(title(hierarchy));
            continue;
        }
        let title = format!("{} at {}", title(hierarchy), hierarchy.point.display());
        let mut picture = Vec::new();
        writeln!(picture, "{}", format!("/  {}", top.label(hierarchy)).trim_end())?;
        top.draw(&mut picture, "", hierarchy)?;
        match drawn.iter_mut().find(|(_, other)| *other == picture) {
            Some((titles, _)) => titles.push(title),
            None => drawn.push((vec![title], picture)),
        }
    }
    for (titles, picture) in drawn {
        for title in titles {
            writeln!(out, "{title}")?;
        }
        out.write_all(&picture)?;
        writeln!(out)?;
    }
    if !flat.is_empty() {
        writeln!(out, "no group but the topmost: {}", flat.join("; "))?;
    }
    Ok(())
}

fn title(hierarchy: &Hierarchy) -> String {
    match hierarchy.version {
        Version::V2 => {
            let has = controllers(&hierarchy.point);
            format!("version 2 ({})", if has.is_empty() { "no controllers".into() } else { has.join(" ") })
        }
        Version::V1 => format!("version 1 ({})", hierarchy.controllers.join(" ")),
    }
}

impl Node {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let folders = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut below: Vec<Self> = folders.map(|entry| Self::read(&entry.path())).collect();
        below.sort_by(|a, b| a.folder.cmp(&b.folder));
        Self { folder: folder.into(), processes: text.lines().count(), below }
    }

    fn name(&self) -> String {
        self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn is_ours(&self) -> bool {
        self.name().starts_with(MARK)
    }

    /// Whether it, or one in it, is to be seen in any case.
    fn matters(&self, own: &Path) -> bool {
        self.is_ours() || own.starts_with(&self.folder) || self.below.iter().any(|node| node.matters(own))
    }

    fn label(&self, hierarchy: &Hierarchy) -> String {
        let count = match self.processes {
            0 => String::new(),
            1 => "1 process".into(),
            n => format!("{n} processes"),
        };
        let mark = if self.is_ours() {
            "  <- a container of ours"
        } else if self.folder == hierarchy.own {
            "  <- this program is here"
        } else {
            ""
        };
        format!("{count}{mark}")
    }

    fn draw(&self, out: &mut impl Write, indent: &str, hierarchy: &Hierarchy) -> io::Result<()> {
        let few = self.below.len() <= MOST;
        let shown: Vec<&Self> = self
            .below
            .iter()
            .enumerate()
            .filter(|(n, node)| few || *n < MOST - 2 || node.matters(&hierarchy.own))
            .map(|(_, node)| node)
            .collect();
        let hidden = self.below.len() - shown.len();
        for (n, node) in shown.iter().enumerate() {
            let last = n + 1 == shown.len() && hidden == 0;
            let (branch, trunk) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            let line = format!("{indent}{branch}{}  {}", node.name(), node.label(hierarchy));
            writeln!(out, "{}", line.trim_end())?;
            node.draw(out, &format!("{indent}{trunk}"), hierarchy)?;
        }
        if hidden > 0 {
            writeln!(out, "{indent}└── ... and {hidden} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch03_a_tree_of_groups_is_drawn() {
        let node = |path: &str, processes, below| Node { folder: path.into(), processes, below };
        let many = (0..12).map(|n| node(&format!("/cg/slice/s{n:02}"), 1, vec![])).collect();
        let top = node("/cg", 0, vec![node("/cg/boxroom-web", 2, vec![]), node("/cg/slice", 0, many)]);
        let here = Hierarchy {
            version: Version::V2,
            controllers: vec![],
            point: "/cg".into(),
            own: "/cg/slice/s10".into(),
        };
        let mut out = Vec::new();
        top.draw(&mut out, "", &here).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("├── boxroom-web  2 processes  <- a container of ours\n└── slice\n"),
            "{text}"
        );
        assert!(
            text.contains("    ├── s10  1 process  <- this program is here\n    └── ... and 5 more\n"),
            "{text}"
        );
    }
}
