//! The exercises, in the guide's words: `cargo test` in `exercises/` is the checker, this is the hand on the shoulder.
//!
//! # Layout
//! - [`progress`]: what a learner has done, kept beside the exercises
//! - [`desk`]: which chapter and task are meant
//! - [`start`], [`reset`]: a copy with blanks; [`readme`]: its tasks as a page
//! - [`check`]: the verdict, task by task; [`watch`]: the same on every save; [`compiler`]: its message, in the learner's lines
//! - [`hint`]: one more hint, or the solution; [`beside`]: two texts side by side
//! - [`question`]: predictions and the quiz, settled by running
//! - [`status`]: how far; [`score`]: a short code to hand in
//! - [`graduate`]: the tour and the ladder with the learner's own chapters

pub mod beside;
pub mod check;
pub mod compiler;
pub mod desk;
pub mod graduate;
pub mod hint;
pub mod progress;
pub mod question;
pub mod readme;
pub mod reset;
pub mod score;
pub mod start;
pub mod status;
pub mod trace;
pub mod watch;
