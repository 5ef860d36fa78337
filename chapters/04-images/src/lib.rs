//! Chapter 04: the mould. OCI images, layers, overlayfs, commit.
//!
//! # Layout
//! What an image is:
//! - [`mod@reference`], [`digest`]: what images are called, by people and by their content
//! - [`store`]: the OCI image layout on disk
//! - [`archive`]: tar in and out
//!
//! From an image to a container:
//! - [`apply`]: a layer's entries as files; [`layers`]: each layer unpacked once
//! - [`container`], [`own`]: what a container has of its own, and its part in a launch
//! - [`overlay`]: the stack as the root; [`workdir`]; [`passwd`]: who the image's user is
//! - [`run`]: chapter 03's list with another root
//! - [`mapped`]: an ordinary user's files, by way of the map
//!
//! And back:
//! - [`import`], [`load`], [`save`]: archives and folders
//! - [`view`], [`watch`], [`changes`], [`commit`], [`copy`], [`inside`]: what a container changed, and an image made of it
//! - [`pack`], [`build`], [`change`]: a tree as a layer, a layer as an image, how it is run
//! - [`hostile`]: the readers as the fuzzer meets them
//! - [`show`]: lists and pictures; [`verbs`], [`ends`]: all of it on a command line; [`progress`]: how far long work is

pub mod apply;
pub mod archive;
pub mod build;
pub mod change;
pub mod changes;
pub mod commit;
pub mod container;
pub mod copy;
pub mod digest;
pub mod ends;
pub mod hostile;
pub mod import;
pub mod inside;
pub mod layers;
pub mod load;
pub mod mapped;
pub mod overlay;
pub mod own;
pub mod pack;
pub mod passwd;
pub mod progress;
pub mod reference;
pub mod run;
pub mod save;
pub mod show;
pub mod store;
pub mod verbs;
pub mod view;
pub mod watch;
pub mod workdir;
