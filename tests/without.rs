//! Each mechanism carries its own cells of the ladder: taken out of the list, exactly these turn.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use ch02_namespaces::without::Without;
use checks::ladder::column;
use checks::need::Need;
use checks::stage::Stage;
use checks::table::trial;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let turned = trial("ch02_each_mechanism_carries_its_cells".into(), &[Need::Root], || Ok(each()?));
    let unknown = trial("ch02_an_unknown_mechanism_is_named".into(), &[], || Ok(unknown()?));
    libtest_mimic::run(&arguments, vec![turned, unknown]).exit_code()
}

/// What asks how much, and not what can be reached: slow, and no namespace's business.
const HOW_MUCH: [&str; 3] = ["memory-hog", "fork-bomb", "cpu-hog"];

fn each() -> Result<()> {
    let stage = Stage::of("02-namespaces")?;
    let whole = column(&stage, &HOW_MUCH)?;
    let mut text = String::new();
    for (name, _) in Without::ALL {
        let without = column(&stage.always(&["--without", name]), &HOW_MUCH)?;
        let turned: Vec<_> = whole
            .iter()
            .zip(&without)
            .filter(|((_, before), (_, after))| before != after)
            .map(|((probe, _), (_, after))| format!("{probe} {after}"))
            .collect();
        ensure!(!turned.is_empty(), "nothing turns without {name}");
        text.push_str(&format!("without {name}:\n  {}\n", turned.join("\n  ")));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!("without", text));
    }));
    same.map_err(|_| anyhow::anyhow!("other cells turn than the snapshot says"))
}

fn unknown() -> Result<()> {
    let stage = Stage::of("02-namespaces")?;
    let output = stage.command(&["--without", "kernel"], &["true"])?.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(125) && said.contains("there are mnt, pid, uts"), "{said}");
    Ok(())
}
