//! What the tour says about each stage, and the command that it runs on it to show it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// One stage in the tour's words. What it contains is not said here: the ladder says it, from runs.
pub struct Scene {
    /// Its chapter.
    pub stage: &'static str,
    /// Its picture.
    pub picture: &'static str,
    /// What it adds.
    pub adds: &'static str,
}

/// The scenes, from the ground up.
pub const SCENES: [Scene; 7] = [
    Scene {
        stage: "00-process",
        picture: "a gymnasium",
        adds: "A process, and nothing around it: it walks about in one hall with all the others.",
    },
    Scene {
        stage: "01-chroot",
        picture: "a curtain",
        adds: "Another root directory: the same paths lead to other files. It hangs there, it isn't nailed down.",
    },
    Scene {
        stage: "02-namespaces",
        picture: "a room",
        adds: "Its own mounts, process numbers, host name, network and users; the old root is gone.",
    },
    Scene {
        stage: "03-cgroups",
        picture: "a meter at the door",
        adds: "So much memory, so many processes, so much of the processors, and no more.",
    },
    Scene {
        stage: "04-images",
        picture: "a mould",
        adds: "One image, many containers: what one of them writes is its own, and the mould stays as it was.",
    },
    Scene {
        stage: "05-volumes",
        picture: "an external drive",
        adds: "What outlives the container: a folder that is plugged in, and into the next one.",
    },
    Scene {
        stage: "06-lifecycle",
        picture: "a dog that works, and retires",
        adds: "It goes on when nobody sits beside it, is asked to stop, started again, and thrown away.",
    },
];

/// What is run on every stage, so that the answers can be compared.
pub const LOOK: &str = "echo process $$ on $(hostname), / holds $(ls / | wc -l) things";

/// The words between `run` and the command: from chapter 04 on a container is of an image, and from 06 on it stays unless
/// it is said that it shall not.
#[must_use]
pub fn image(stage: &str) -> &'static [&'static str] {
    match stage {
        _ if stage < "04" => &[],
        _ if stage < "06" => &["base"],
        _ => &["--rm", "base"],
    }
}

/// Runs [`LOOK`] on the stage's binary and gives its one line of output.
///
/// # Errors
/// The stage failed: its own message.
pub fn look(binary: &Path, stage: &str) -> Result<String> {
    let said = Command::new(binary)
        .arg("run")
        .args(image(stage))
        .args(["sh", "-c", LOOK])
        .stdin(Stdio::null())
        .output()
        .with_context(|| binary.display().to_string())?;
    if !said.status.success() {
        bail!("{}", String::from_utf8_lossy(&said.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim().into())
}

/// What to do after the tour.
pub const NEXT: [(&str, &str); 7] = [
    ("the rooms that this machine has already", "cargo run -q -p ch00-process -- gym"),
    ("go in yourself (exit leads out)", "cargo run -q -p ch02-namespaces -- run sh"),
    ("see each system call, and why", "cargo run -q -p ch02-namespaces -- run --explain true"),
    ("stop between the moments, look round", "cargo run -q -p ch02-namespaces -- run --step true"),
    ("a loud neighbour, and a limit for it", "cargo run -q -p ch03-cgroups -- neighbours"),
    ("every way out that was tried", "cargo workshop ladder --all"),
    ("read on, from the first room", "book/src/ch00-process.md"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_scene() {
        assert_eq!(SCENES.map(|scene| scene.stage), checks::stage::STAGES);
    }
}
