//! Another root directory, and a base root file system made from this very machine.
fn main() {}
