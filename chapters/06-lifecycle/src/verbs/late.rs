//! Words that are looked at only when their verb is the one that was asked for.
//!
//! clap makes all of a program's words before it reads the first: some two hundred flags, for a `ps` that has five. That was
//! half of what this program does for itself at a start.

use std::ops::Deref;

use clap::builder::Resettable;
use clap::error::Error;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

/// The words of one verb. For who runs it, they are `T`; clap asks `T` for them when it builds this verb.
#[derive(Debug)]
pub struct Late<T>(pub Box<T>);

impl<T> Deref for Late<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Late<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(|words| Self(Box::new(words)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Late<T> {
    fn augment_args(verb: Command) -> Command {
        verb.defer(|verb| about_kept(verb, T::augment_args))
    }

    fn augment_args_for_update(verb: Command) -> Command {
        verb.defer(|verb| about_kept(verb, T::augment_args_for_update))
    }
}

/// For a verb that has verbs of its own: `system df`.
impl<T: Subcommand> Subcommand for Late<T> {
    fn augment_subcommands(verb: Command) -> Command {
        verb.defer(|verb| about_kept(verb, T::augment_subcommands))
    }

    fn augment_subcommands_for_update(verb: Command) -> Command {
        verb.defer(|verb| about_kept(verb, T::augment_subcommands_for_update))
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

/// What the verb does has been said of the verb; the words of the structure that holds its flags are no help to anybody.
fn about_kept(verb: Command, augment: fn(Command) -> Command) -> Command {
    let (about, long) = (verb.get_about().cloned(), verb.get_long_about().cloned());
    augment(verb).about(Resettable::from(about)).long_about(Resettable::from(long))
}
