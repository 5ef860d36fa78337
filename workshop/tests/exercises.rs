//! The exercises as a learner meets them: begun, hinted, checked, broken in every way, and never lost.

#[path = "exercises/compiler.rs"]
mod compiler;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use checks::finding::Finding;
use checks::need::Need;
use checks::table::trial;
use lesson::chapter::Chapter;
use lesson::exercise::Exercise;
use lesson::{blank, file};
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

/// Each builds a learner's copy.
const SLOW: &[Need] = &[Need::Exercises];
const SLOW_ROOT: &[Need] = &[Need::Exercises, Need::Root];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        fast("a_copy_is_begun_once_and_stays_the_learners", begun_once),
        fast("a_chapter_can_be_begun_at_any_task", at_any_task),
        fast("what_is_not_there_is_named", not_there),
        fast("hints_come_one_by_one_and_the_solution_when_asked_twice", hints),
        fast("a_reset_keeps_what_was_written", reset),
        fast("predictions_are_kept", predictions),
        fast("a_folder_that_can_not_be_written_is_named", read_only),
        fast("a_progress_that_can_not_be_read_is_left_alone", broken_progress),
    ];
    for name in
        ["00-process", "01-chroot", "02-namespaces", "03-cgroups", "04-images", "05-volumes", "06-lifecycle"]
    {
        trials.push(slow(format!("{name}_the_skeleton_compiles_without_a_warning"), SLOW, move || {
            no_warning(name)
        }));
        trials.push(slow(format!("{name}_every_task_is_not_yet"), SLOW_ROOT, move || all_not_yet(name)));
        trials.push(slow(format!("{name}_the_reference_passes"), SLOW_ROOT, move || reference_passes(name)));
    }
    trials.push(slow("what_does_not_compile_is_told_by_the_compiler".into(), SLOW, compiler::speaks));
    trials.push(slow("the_compiler_names_the_learners_line_and_its_task".into(), SLOW, compiler::counts));
    trials.push(slow("a_wrong_body_fails_its_own_task_alone".into(), SLOW_ROOT, wrong_body));
    trials.push(slow("a_panic_in_the_child_is_a_message".into(), SLOW, child_panics));
    trials.push(slow("an_endless_loop_has_an_end".into(), SLOW, endless));
    trials.push(slow("a_bomb_of_forks_has_an_end".into(), SLOW, bomb));
    trials.push(slow("a_deleted_file_is_named_and_comes_back".into(), SLOW, deleted));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn fast(name: &str, test: fn(&Desk) -> Result<()>) -> Trial {
    trial(name.into(), &[], move || Ok(test(&Desk::new()?)?))
}

fn slow(name: String, needs: &'static [Need], test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    trial(name, needs, move || test().map_err(Finding::from))
}

/// Exercises of a test's own.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::Builder::new().prefix("boxroom-exercises-").tempdir()? })
    }

    /// One with a chapter begun.
    fn with(chapter: &str) -> Result<Self> {
        let desk = Self::new()?;
        desk.says(&["start", chapter])?;
        Ok(desk)
    }

    fn guide(&self, words: &[&str]) -> Result<Output> {
        Command::new(env!("CARGO_BIN_EXE_workshop"))
            .args(words)
            .env("BOXROOM_EXERCISES", self.folder.path())
            .env("NO_COLOR", "1")
            .env_remove("BOXROOM_REQUIRE")
            .stdin(Stdio::null())
            .output()
            .context("the guide")
    }

    /// What it says where it ends well.
    fn says(&self, words: &[&str]) -> Result<String> {
        let output = self.guide(words)?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What it says where it doesn't, and its code.
    fn refuses(&self, words: &[&str]) -> Result<(i32, String)> {
        let output = self.guide(words)?;
        ensure!(!output.status.success(), "{words:?} ended well");
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
    }

    fn file(&self, chapter: &str, path: &str) -> PathBuf {
        self.folder.path().join(format!("ex{chapter}")).join(path)
    }

    /// Puts `body` into a blank.
    fn write(&self, chapter: &str, path: &str, anchor: &str, body: &str) -> Result<()> {
        let path = self.file(chapter, path);
        let text = fs::read_to_string(&path)?;
        file::write(&path, blank::with_body(&text, anchor, body)?.as_bytes())
    }

    /// The states of a chapter's tasks, by `check --json`.
    fn states(&self, chapter: &str) -> Result<Vec<(String, String, String)>> {
        let output = self.guide(&["check", chapter, "--json"])?;
        let json: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let tasks = json["tasks"].as_array().context("no tasks")?;
        Ok(tasks
            .iter()
            .map(|task| {
                let checks = task["checks"].as_array().cloned().unwrap_or_default();
                let texts: Vec<_> =
                    checks.iter().filter_map(|check| check["text"].as_str().map(String::from)).collect();
                let word = |key: &str| task[key].as_str().unwrap_or_default().to_string();
                (word("name"), word("state"), texts.join("\n"))
            })
            .collect())
    }
}

fn chapter(name: &str) -> Result<(Chapter, Exercise)> {
    let chapter = Chapter::find(probe::workspace(), name)?;
    let exercise = Exercise::of(&chapter.reference())?;
    Ok((chapter, exercise))
}

fn begun_once(desk: &Desk) -> Result<()> {
    let said = desk.says(&["start", "02"])?;
    ensure!(said.contains("7 bodies left out"), "{said}");
    for path in [
        "Cargo.toml",
        "README.md",
        "src/uts.rs",
        "tests/checks.rs",
        "../.vscode/settings.json",
        "../AGENTS.md",
    ] {
        ensure!(desk.file("02-namespaces", path).is_file(), "no {path}");
    }
    let mine = desk.file("02-namespaces", "src/uts.rs");
    ensure!(blank::is_blank(&fs::read_to_string(&mine)?, "task-uts"), "task-uts is no blank");
    fs::write(&mine, "// mine\n")?;
    let said = desk.says(&["start", "02"])?;
    ensure!(said.contains("is there already"), "{said}");
    ensure!(fs::read_to_string(&mine)? == "// mine\n", "the learner's file was written over");
    Ok(())
}

fn at_any_task(desk: &Desk) -> Result<()> {
    desk.says(&["start", "02", "--task", "pivot"])?;
    let text = |path: &str| fs::read_to_string(desk.file("02-namespaces", path));
    ensure!(
        !blank::is_blank(&text("src/uts.rs")?, "task-uts"),
        "what comes before stands as in the reference"
    );
    ensure!(blank::is_blank(&text("src/pivot.rs")?, "task-pivot"), "the task itself is a blank");
    Ok(())
}

fn not_there(desk: &Desk) -> Result<()> {
    let (code, said) = desk.refuses(&["start", "17"])?;
    ensure!(
        code == 125 && said.contains("there are 00-process, 01-chroot, 02-namespaces, 03-cgroups"),
        "{said}"
    );
    let (_, said) = desk.refuses(&["check"])?;
    ensure!(said.contains("no chapter was started yet") && said.contains("workshop start"), "{said}");
    let (_, said) = desk.refuses(&["check", "01"])?;
    ensure!(said.contains("was not started yet"), "{said}");
    desk.says(&["start", "01"])?;
    let (_, said) = desk.refuses(&["hint", "01", "pivot"])?;
    ensure!(said.contains("has no task \"pivot\"") && said.contains("escape"), "{said}");
    Ok(())
}

fn hints(desk: &Desk) -> Result<()> {
    desk.says(&["start", "02"])?;
    for n in 1..=3 {
        let said = desk.says(&["hint", "02", "uts"])?;
        ensure!(
            said.contains(&format!("hint {n} of 3")) && !said.contains(&format!("hint {} of 3", n + 1)),
            "{said}"
        );
    }
    let (_, said) = desk.refuses(&["solution", "02", "uts"])?;
    ensure!(!said.contains("sethostname(") && said.contains("isn't proven yet"), "{said}");
    ensure!(desk.says(&["solution", "02", "uts"])?.contains("sethostname(&self.hostname)"), "no solution");
    Ok(())
}

fn reset(desk: &Desk) -> Result<()> {
    desk.says(&["start", "02"])?;
    desk.write("02-namespaces", "src/uts.rs", "task-uts", "        // mine\n        Ok(())\n")?;
    desk.write("02-namespaces", "src/pids.rs", "task-pid", "        // mine too\n        Ok(())\n")?;
    desk.says(&["reset", "02", "uts"])?;
    let text = |path: &str| fs::read_to_string(desk.file("02-namespaces", path));
    ensure!(blank::is_blank(&text("src/uts.rs")?, "task-uts"), "no blank");
    ensure!(text("src/pids.rs")?.contains("mine too"), "another task was reset");
    let kept = desk.folder.path().join("kept/02-namespaces.1/src/uts.rs");
    ensure!(fs::read_to_string(kept)?.contains("// mine"), "nothing was kept");
    fs::remove_file(desk.file("02-namespaces", "src/pivot.rs"))?;
    desk.says(&["reset", "02"])?;
    ensure!(desk.file("02-namespaces", "src/pivot.rs").is_file(), "a deleted file didn't come back");
    ensure!(desk.folder.path().join("kept/02-namespaces.2/src/pids.rs").is_file(), "the second copy");
    Ok(())
}

fn predictions(desk: &Desk) -> Result<()> {
    desk.says(&["start", "02"])?;
    desk.says(&["predict", "02", "uts", "--answer", "2"])?;
    let (_, said) = desk.refuses(&["predict", "02", "uts", "--answer", "9"])?;
    ensure!(said.contains("answers 1 to 3"), "{said}");
    ensure!(desk.says(&["status", "--json"])?.contains("\"predicted\": 2"), "not kept");
    let code = desk.says(&["score"])?;
    ensure!(desk.says(&["score", code.trim()])?.contains("0 of 7"), "{code}");
    Ok(())
}

fn read_only(_: &Desk) -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_workshop"))
        .args(["start", "00"])
        .env("BOXROOM_EXERCISES", "/proc/exercises")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(125) && said.contains("/proc/exercises"), "{said}");
    Ok(())
}

fn broken_progress(desk: &Desk) -> Result<()> {
    desk.says(&["start", "02"])?;
    let path = desk.folder.path().join("progress.json");
    fs::write(&path, "{ half")?;
    let (_, said) = desk.refuses(&["status"])?;
    ensure!(said.contains("can't be understood"), "{said}");
    ensure!(fs::read_to_string(&path)? == "{ half", "it was written over");
    Ok(())
}

fn no_warning(name: &str) -> Result<()> {
    let desk = Desk::with(name)?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--tests", "--bins"])
        .current_dir(desk.file(name, ""))
        .env("CARGO_TERM_COLOR", "never")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && !said.contains("warning"), "{said}");
    Ok(())
}

fn all_not_yet(name: &str) -> Result<()> {
    let desk = Desk::with(name)?;
    let states = desk.states(name)?;
    let mut text = String::new();
    for (task, state, told) in &states {
        text.push_str(&format!("{task}: {state}\n"));
        let mut lines: Vec<_> = told.lines().filter(|line| line.starts_with("not yet")).collect();
        lines.dedup();
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    snapshot(&format!("skeleton-{name}"), &text)
}

fn snapshot(name: &str, text: &str) -> Result<()> {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(name.to_string(), text));
    }));
    same.map_err(|_| anyhow::anyhow!("the snapshot {name} says otherwise"))
}

fn reference_passes(name: &str) -> Result<()> {
    let desk = Desk::with(name)?;
    let (chapter, exercise) = chapter(name)?;
    for open in exercise.tasks.iter().flat_map(|task| &task.blanks) {
        let reference = fs::read_to_string(chapter.reference().join(&open.file))?;
        desk.write(name, &open.file, &open.anchor, &blank::body(&reference, &open.anchor)?)?;
    }
    for (task, state, told) in desk.states(name)? {
        ensure!(state == "proven", "{task}: {state}\n{told}");
    }
    let told = desk.says(&["check", name])?;
    ensure!(told.contains("every core task is proven"), "{told}");
    Ok(())
}

fn wrong_body() -> Result<()> {
    let desk = Desk::with("02")?;
    desk.write("02-namespaces", "src/mounts.rs", "task-private", "        let _ = k;\n        Ok(())\n")?;
    let states = desk.states("02")?;
    let state =
        |wanted: &str| states.iter().find(|(name, ..)| name == wanted).map(|(_, state, _)| state.as_str());
    ensure!(state("private") == Some("FAILED") && state("uts") == Some("not yet"), "{states:?}");
    let (_, said) = desk.refuses(&["check", "02"])?;
    for line in ["seen:", "expected:", "meaning:", "look:", "read:"] {
        ensure!(said.contains(line), "no {line} in: {said}");
    }
    // Of one task alone.
    let (_, said) = desk.refuses(&["check", "02", "private"])?;
    ensure!(said.contains("private      FAILED") && !said.contains("uts          not yet"), "{said}");
    let (_, said) = desk.refuses(&["check", "02", "nothing"])?;
    ensure!(said.contains("has no task \"nothing\"") && !said.contains("checks proven"), "{said}");
    Ok(())
}

fn child_panics() -> Result<()> {
    let desk = Desk::with("02")?;
    desk.write(
        "02-namespaces",
        "src/uts.rs",
        "task-uts",
        "        let _ = k;\n        panic!(\"my mistake\")\n",
    )?;
    let (_, said) = desk.refuses(&["check", "02"])?;
    ensure!(said.contains("my mistake") && !said.contains("RUST_BACKTRACE"), "{said}");
    Ok(())
}

fn endless() -> Result<()> {
    let desk = Desk::with("02")?;
    desk.write(
        "02-namespaces",
        "src/uts.rs",
        "task-uts",
        "        let _ = k;\n        loop { std::hint::spin_loop() }\n",
    )?;
    let (_, said) = desk.refuses(&["check", "02"])?;
    ensure!(said.contains("FAILED") && said.contains("an endless loop"), "{said}");
    Ok(())
}

fn bomb() -> Result<()> {
    let desk = Desk::with("02")?;
    desk.write(
        "02-namespaces",
        "src/uts.rs",
        "task-uts",
        "        let _ = k;\n        loop { let _ = std::process::Command::new(\"sleep\").arg(\"100\").spawn(); }\n",
    )?;
    let (_, said) = desk.refuses(&["check", "02"])?;
    ensure!(said.contains("FAILED") && said.contains("it forks without an end"), "{said}");
    Ok(())
}

fn deleted() -> Result<()> {
    let desk = Desk::with("02")?;
    fs::remove_file(desk.file("02-namespaces", "src/uts.rs"))?;
    let (_, said) = desk.refuses(&["check", "02"])?;
    ensure!(said.contains("uts"), "{said}");
    desk.says(&["reset", "02", "uts"])?;
    if !Path::new(&desk.file("02-namespaces", "src/uts.rs")).is_file() {
        bail!("it didn't come back");
    }
    Ok(())
}
