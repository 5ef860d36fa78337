//! What a learner reads and writes: one `exercise.toml` a chapter, and the blanks in the chapter's source.
//!
//! A chapter's lesson is code, and stays so: the reference is what runs, what the book includes, and what a
//! skeleton is cut from. What a learner reads beside it (tasks, hints, predictions, what a failed check says) stands
//! in `chapters/NN-name/exercise.toml` alone, so that an edition in another language can stand beside it.
//!
//! # Layout
//! - [`exercise`]: the form of `exercise.toml`
//! - [`words`]: what a failed check says, filled in with what was seen
//! - [`blank`]: the marked bodies in a source: cut out, recognised, filled

pub mod blank;
pub mod exercise;
pub mod words;
