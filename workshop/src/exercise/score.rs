//! `cargo workshop score`: what was proven, as a short code to hand in; and the code read again.
//!
//! A code says which tasks of which chapters were proven when they were checked last. It carries a sum against slips of the
//! pen, and is no seal: who wants to cheat can.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lesson::chapter::Chapter;
use lesson::exercise::Exercise;

use super::progress::Progress;

/// Writes the code of this checkout, or says what the code that is given means.
///
/// # Errors
/// The progress can't be read, or it is no code of ours.
pub fn run(out: &mut impl Write, code: Option<&str>) -> Result<ExitCode> {
    let top = probe::workspace();
    let mut chapters = Vec::new();
    for chapter in Chapter::all(top)? {
        chapters.push((chapter.clone(), Exercise::of(&chapter.reference())?));
    }
    if let Some(code) = code {
        for (digits, bits) in read(code)? {
            let Some((chapter, exercise)) = chapters.iter().find(|(chapter, _)| chapter.digits() == digits)
            else {
                writeln!(out, "{digits}: a chapter that isn't here")?;
                continue;
            };
            let names: Vec<_> = exercise
                .tasks
                .iter()
                .enumerate()
                .filter(|(n, _)| bits >> n & 1 == 1)
                .map(|(_, task)| task.name.as_str())
                .collect();
            writeln!(
                out,
                "{:16} {} of {}: {}",
                chapter.name,
                names.len(),
                exercise.tasks.len(),
                names.join(", ")
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let progress = Progress::read(&lesson::chapter::exercises(top))?;
    let bits = chapters.iter().map(|(chapter, exercise)| {
        let proven = exercise
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| progress.of(&chapter.name, &task.name).proven);
        (chapter.digits().to_string(), proven.fold(0_u32, |bits, (n, _)| bits | 1 << n))
    });
    writeln!(out, "{}", write(bits))?;
    Ok(ExitCode::SUCCESS)
}

/// `box-00f-013-0200-4c`: for each chapter its number and its tasks as bits, then the sum.
fn write(chapters: impl Iterator<Item = (String, u32)>) -> String {
    let parts: Vec<String> = chapters.map(|(digits, bits)| format!("{digits}{bits:x}")).collect();
    let text = parts.join("-");
    format!("box-{text}-{:02x}", sum(&text))
}

fn read(code: &str) -> Result<Vec<(String, u32)>> {
    let form = || format!("{code:?} is no code; cargo workshop score writes one");
    let text = code.trim().strip_prefix("box-").with_context(form)?;
    let (text, check) = text.rsplit_once('-').with_context(form)?;
    if u8::from_str_radix(check, 16).ok() != Some(sum(text)) {
        bail!("{code:?}: a letter of it is wrong, for its sum doesn't fit");
    }
    text.split('-')
        .map(|part| {
            let (digits, bits) = part.split_at_checked(2).with_context(form)?;
            Ok((digits.to_string(), u32::from_str_radix(bits, 16).ok().with_context(form)?))
        })
        .collect()
}

/// A sum in which the places count, so that two letters that change places are noticed.
fn sum(text: &str) -> u8 {
    text.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_and_a_slip_is_noticed() {
        let chapters = vec![("00".to_string(), 0xf), ("02".to_string(), 3)];
        let code = write(chapters.clone().into_iter());
        assert_eq!(read(&code).unwrap(), chapters);
        assert!(read(&code.replace("00f", "00e")).is_err());
        assert!(read("hello").is_err() && read("box-").is_err() && read("box--x").is_err());
    }
}
