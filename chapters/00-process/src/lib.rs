//! Chapter 00: a process. How the kernel is asked for one, how it is told what to run, and how it ends.
//!
//! # Layout
//! - [`kernel`]: every system call of a launch, each with the reason for it
//! - [`launch`]: the launch, moment by moment: the host's side
//! - [`gate`]: the same in three parts, for who has other things to do meanwhile than to wait
//! - [`mechanism`]: what a launch is made of
//! - [`child`]: the same launch from the child's side, up to exec
//! - [`channel`]: the socket pair that joins the two
//! - [`wait`]: signals passed on, the end awaited; [`signal`]: what they are called
//! - [`door`]: the child's way into a control group of version 1
//! - [`exec`]: which file a command's name means; [`interpreter`]: what is started in a file's place
//! - [`explain`]: a launch told while it happens; [`script`]: and said again by plain programs
//! - [`keyboard`]: the flags `--explain` and `--step`, and the person at them
//! - [`failure`]: what failed, why, and what to do; [`output`]: what is said arrives, or its loss is told
//! - [`gym`]: the processes of this machine, by the rooms they are in
//! - [`place`], [`record`]: where things are kept, and what will have to be cleaned
//! - [`kernel_file`]: what stands in /proc and among the cgroups

pub mod channel;
pub mod child;
pub mod door;
pub mod exec;
pub mod explain;
pub mod failure;
pub mod gate;
pub mod gym;
pub mod interpreter;
pub mod kernel;
pub mod kernel_file;
pub mod keyboard;
pub mod launch;
pub mod mechanism;
pub mod output;
pub mod place;
pub mod record;
pub mod script;
pub mod signal;
pub mod wait;
