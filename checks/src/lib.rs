//! What every chapter's checks share: stages, roll call, canaries, verdicts, the ladder.
//!
//! A check drives a binary from outside and looks at effects, never at printed claims.
//!
//! # Layout
//! - [`profile`]: as whom the checks run
//! - [`arena`]: a host of its own for a test, so that root harms nobody
//! - [`stage`]: a chapter's binary, and the root file system that it gets
//! - [`canary`]: what is put on that host to be attacked
//! - [`mould`]: the base as an image
//! - [`roll_call`]: who is there, seen from the host
//! - [`attempt`]: one probe on one stage, from the canary to the verdict
//! - [`judge`]: what counts as an escape
//! - [`ladder`]: all stages times all probes
//! - [`drive`]: a stage run to its end, or visited
//! - [`program`]: the checks on any program; [`learner`]: on a learner's exercise; [`limit`]: and an end to those that have none;
//!   [`leftover`]: what it forgets
//! - [`finding`], [`need`], [`table`]: a chapter's checks, their three outcomes
//! - [`words`]: where the words of a failed check stand; [`diagnosis`]: the order of calls that explains it

pub mod arena;
pub mod attempt;
pub mod canary;
pub mod diagnosis;
pub mod drive;
pub mod finding;
pub mod judge;
pub mod ladder;
pub mod learner;
pub mod leftover;
pub mod limit;
pub mod mould;
pub mod need;
pub mod profile;
pub mod program;
pub mod roll_call;
pub mod stage;
pub mod table;
pub mod words;

/// Thirty-two letters and digits that nobody can guess.
///
/// # Errors
/// /dev/urandom can't be read.
pub fn secret() -> anyhow::Result<String> {
    use std::fmt::Write;
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::with_capacity(32);
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
