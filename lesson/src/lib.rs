//! What a learner reads and writes: one `exercise.toml` a chapter, and the blanks in the chapter's source.
//!
//! A chapter's lesson is code, and stays so: the reference is what runs, what the book includes, and what a
//! skeleton is cut from. What a learner reads beside it (tasks, hints, predictions, what a failed check says) stands
//! in `chapters/NN-name/exercise.toml` alone, so that an edition in another language can stand beside it.
//!
//! # Layout
//! - [`exercise`]: the form of `exercise.toml`
//! - [`words`]: what a failed check says, filled in with what was seen
//! - [`chapter`]: which chapter is meant, and where what belongs to it stands
//! - [`blank`]: the marked bodies in a source: cut out, recognised, filled
//! - [`skeleton`]: the learner's copy of a chapter, and the same with its blanks lent; [`manifest`]: what cargo reads
//! - [`file`]: files that are whole or not there; [`house`]: a copy of all sources;
//!   [`mutant`]: with a mistake in it

pub mod blank;
pub mod chapter;
pub mod exercise;
pub mod file;
pub mod house;
pub mod manifest;
pub mod mutant;
pub mod skeleton;
pub mod words;
