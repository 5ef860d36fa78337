//! The manifests of a learner's workspace, made from the house's own: the same crates, versions, profiles and lints,
//! so that nothing is downloaded and little is built again.

use std::path::Path;

use crate::chapter::Chapter;

/// What a crate is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// The learner's: package `exNN-name`, with the checks beside it.
    Exercise,
    /// The learner's with what is still blank lent from the reference: package `lentNN-name`, no tests.
    Lent,
}

impl Copy {
    /// `exNN-name` or `lentNN-name`.
    #[must_use]
    pub fn package(self, chapter: &Chapter) -> String {
        let kind = match self {
            Self::Exercise => "ex",
            Self::Lent => "lent",
        };
        format!("{kind}{}", chapter.name)
    }
}

/// The workspace's `Cargo.toml`: what the house's root manifest says for all crates, with `up` before its paths: the way
/// from there to the top, `../` or the whole path. What a skeleton leaves unused is no fault of the learner's. Without
/// `images` the profiles of single crates are left out, for cargo warns of one whose crate isn't there.
#[must_use]
pub fn workspace(root: &str, up: &str, images: bool) -> String {
    let mut out =
        String::from("# Made by cargo workshop from the Cargo.toml at the top. A workspace of its own.\n");
    out.push_str("[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n");
    for (head, body) in sections(root) {
        let kept = ["[workspace.package]", "[workspace.dependencies]", "[workspace.lints.", "[profile."];
        let of_one = head.starts_with("[profile.") && head.contains(".package.") && !head.contains('*');
        if of_one && !images || !kept.iter().any(|start| head.starts_with(start)) {
            continue;
        }
        out.push_str(&format!("\n{head}\n"));
        out.push_str(&body.replace("path = \"", &format!("path = \"{up}")));
        if head == "[workspace.lints.rust]" {
            for lint in ["unused_imports", "dead_code", "unreachable_code"] {
                out.push_str(&format!("{lint} = \"allow\"\n"));
            }
        }
    }
    out
}

/// A chapter's own manifest for a copy of it: another package name, the same library.
#[must_use]
pub fn package(chapter: &Chapter, manifest: &str, copy: Copy) -> String {
    let name = copy.package(chapter);
    let mut out = String::new();
    for (head, body) in sections(manifest) {
        let of_tests = ["[[test]]", "[dev-dependencies]"].contains(&head);
        if copy == Copy::Lent && of_tests || head.is_empty() {
            continue;
        }
        out.push_str(&format!(
            "{head}\n{}\n",
            body.trim_end().replace(&format!("name = \"ch{}\"", chapter.name), &format!("name = \"{name}\""))
        ));
        out.push('\n');
        if head == "[package]" {
            // The reference's unit tests came along in its files. On a body that is still a todo! they panic, and then
            // `cargo test` would end before the checks, which alone know what isn't written yet.
            let only_checks = "test = false\ndoctest = false\n";
            out.push_str(&format!("[lib]\nname = \"{}\"\n{only_checks}\n", chapter.library()));
            out.push_str(&format!("[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\ntest = false\n\n"));
        }
    }
    out
}

/// cargo's configuration for the learner's workspace: never online, and `cargo workshop` from anywhere in it. An alias is
/// words between spaces, so a checkout whose path holds one goes without. `target`: where it isn't found by looking upwards.
#[must_use]
pub fn configuration(top: &Path, target: Option<&Path>) -> String {
    let manifest = top.join("Cargo.toml").display().to_string();
    let mut text = String::from("# Made by cargo workshop.\n[net]\noffline = true\n");
    if !manifest.contains(char::is_whitespace) {
        let alias = format!("run --quiet --manifest-path {manifest} --package workshop --");
        text.push_str(&format!("\n[alias]\nworkshop = {alias:?}\n"));
    }
    if let Some(target) = target {
        text.push_str(&format!("\n[build]\ntarget-dir = {:?}\n", target.display().to_string()));
    }
    text
}

/// A manifest's sections: the line of the head, and all up to the next. What stands before the first has no head.
fn sections(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = vec![("", String::new())];
    for line in text.lines() {
        if line.starts_with('[') {
            found.push((line.trim(), String::new()));
        } else if let Some((_, body)) = found.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\nmembers = [\"a\"]\n\n[workspace.dependencies]\nch00-process = { path = \"chapters/00-process\" }\nnix = \"0.31\"\n\n[workspace.lints.rust]\nunsafe_code = \"deny\"\n\n[package]\nname = \"boxroom\"\n";

    #[test]
    fn lesson_a_workspace_takes_over_what_is_for_all() {
        let made = workspace(ROOT, "../", false);
        assert!(made.contains("ch00-process = { path = \"../chapters/00-process\" }"), "{made}");
        assert!(made.contains("dead_code = \"allow\""), "{made}");
        assert!(!made.contains("boxroom\"\n") && !made.contains("members = [\"a\"]"), "{made}");
    }

    #[test]
    fn lesson_a_copy_has_another_name_and_the_same_library() {
        let chapter = Chapter { name: "02-namespaces".into(), top: "/".into() };
        let manifest =
            "[package]\nname = \"ch02-namespaces\"\n\n[dev-dependencies]\nchecks.workspace = true\n";
        let made = package(&chapter, manifest, Copy::Lent);
        assert!(
            made.contains("name = \"lent02-namespaces\"") && made.contains("name = \"ch02_namespaces\""),
            "{made}"
        );
        assert!(!made.contains("checks"), "{made}");
        let made = package(&chapter, manifest, Copy::Exercise);
        assert!(made.contains("checks") && made.matches("\ntest = false\n").count() == 2, "{made}");
    }
}
