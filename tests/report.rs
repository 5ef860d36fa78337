//! What the probe reports from each stage, in the same words on every machine: `tests/snapshots/report-PROFILE.snap`.

use checks::profile::Profile;
use checks::stage::{STAGES, Stage};
use probe::report::{Host, Report};

#[test]
fn the_report_is_the_same_on_every_machine() {
    let facts = serde_json::to_string(&Host::here()).expect("facts are JSON");
    let reports: Vec<Report> = STAGES
        .into_iter()
        .map(|name| {
            let stage = Stage::of(name).expect("the stage is built");
            let program = stage.probe().expect("the probe is built");
            let words = [&*program.to_string_lossy(), "report", "--json", "--facts", &facts];
            let output =
                stage.command(&[], &words).and_then(|mut command| Ok(command.output()?)).expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}\n{said}"))
        })
        .collect();
    let heads: String = STAGES.iter().map(|stage| format!(" {stage:<28}")).collect();
    let mut text = format!("{:<24}{}\n", "", heads.trim_end());
    for (row, first) in reports[0].0.iter().enumerate() {
        // What the starter has differs from machine to machine; that nothing of it is left inside doesn't. With
        // one id the kernel refuses setgroups, so there even that depends on the user.
        let of_the_starter = ["supplementary groups", "descriptors left open"].contains(&first.what.as_str());
        if first.what == "supplementary groups" && Profile::here() == Profile::OneId {
            continue;
        }
        let seen: String = reports
            .iter()
            .enumerate()
            .map(|(stage, report)| {
                let says_nothing = of_the_starter && stage < 2;
                format!(" {:<28}", if says_nothing { "(as the starter)" } else { &report.0[row].seen })
            })
            .collect();
        text += format!("{:<24}{seen}", first.what).trim_end();
        text.push('\n');
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("report-{}", Profile::here().name()), text);
    });
}
