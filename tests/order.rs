//! Eight steps of a launch in the right order, and in wrong ones: each is run, and each shows its damage. Never the real host's.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use checks::need::Need;
use checks::profile::Profile;
use checks::stage::{Stage, base, folder};
use checks::table::trial;
use libtest_mimic::Arguments;

/// An order, and what is said about it.
type Case = (&'static str, &'static [&'static str]);

/// As root and as an ordinary user alike.
const WRONG: [Case; 10] = [
    (
        "CHGDAFBE",
        &["appeared on the host, at /", "refused: step G, EINVAL at call 8", "shared with the host"],
    ),
    ("ECHGDAFB", &["of the host's mounts are private now"]),
    ("FCEHGDAB", &["damage:  the host is called \"box\" now"]),
    ("CHAEGDFB", &["appeared on the host, at /proc", "there is no proc inside"]),
    ("CEHDGAFB", &["refused: step D, EINVAL at call 6: there is no old root here yet"]),
    ("CEHGBDAF", &["refused: step D, EPERM at call 12", "the old root was still there"]),
    ("CEHGDABF", &["refused: step F, EPERM at call 17: step B gave root's rights away"]),
    ("BCEHGDAF", &["refused: step C, EPERM at call 3"]),
    ("CEHAGDFB", &["damage:  there is no proc inside"]),
    (
        "AHCEGDFB",
        &["refused: step A: there is no proc yet", "H  make a new proc, attached nowhere yet: never reached"],
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let able: &[Need] = if Profile::here() == Profile::Root { &[Need::Root] } else { &[Need::Range] };
    let trials = vec![
        trial("ch02_the_right_order_holds".into(), able, || Ok(right()?)),
        trial("ch02_a_wrong_order_shows_its_damage".into(), able, || Ok(wrong()?)),
        trial("ch02_a_proc_of_the_host_is_seen_inside".into(), &[Need::Root], || {
            Ok(case(&("HCEGDAFB", &["ps inside shows the host's processes"]))?)
        }),
        trial("ch02_a_pivot_of_the_host_moves_everybody".into(), &[Need::Root], || {
            Ok(case(&("EHGDACFB", &["the host itself stands in the container's root"]))?)
        }),
        trial("ch02_the_steps_are_asked_for".into(), &[], || Ok(asked()?)),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Code, what is said, and what is said to be wrong.
fn order(letters: &[&str]) -> Result<(Option<i32>, String, String)> {
    let stage = Stage::of("02-namespaces")?;
    let mut command = std::process::Command::new(stage.binary().context("no binary")?);
    command.arg("order").arg("--rootfs").arg(base()?).args(letters).env("BOXROOM_RUN", folder()?.join("run"));
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

fn right() -> Result<()> {
    // The user namespace may make a proc as long as the old root's is there: more than one order holds.
    for (letters, said) in [("CEHGDAFB", "this is the order."), ("cefhgadb", "this order holds too")] {
        let (code, out, err) = order(&[letters])?;
        ensure!(code == Some(0) && out.contains(said), "{letters}: {code:?}\n{out}{err}");
    }
    Ok(())
}

fn wrong() -> Result<()> {
    WRONG.iter().try_for_each(case)
}

fn case((letters, said): &Case) -> Result<()> {
    let host = || -> Result<_> {
        Ok((
            std::fs::read_to_string("/proc/sys/kernel/hostname")?,
            std::fs::read_to_string("/proc/self/mountinfo")?,
        ))
    };
    let before = host()?;
    let (code, out, err) = order(&[letters])?;
    ensure!(host()? == before, "{letters}: the real host is not as before");
    ensure!(code == Some(1), "{letters}: {code:?}\n{out}{err}");
    for words in *said {
        ensure!(out.contains(words), "{letters} should say {words:?}\n{out}{err}");
    }
    Ok(())
}

fn asked() -> Result<()> {
    let (code, out, _) = order(&[])?;
    ensure!(
        code == Some(0) && out.contains("  A  attach the new proc") && out.contains("eight letters"),
        "{out}"
    );
    for (wrong, said) in
        [("ABC", "missing: DEFGH"), ("AABCDEFG", "A stands twice"), ("ABCDEFGZ", "'Z' is none of them")]
    {
        let (code, _, err) = order(&[wrong])?;
        ensure!(code == Some(125) && err.contains(said), "{wrong}: {code:?} {err}");
    }
    Ok(())
}
