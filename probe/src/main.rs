//! The instrument: a program that runs inside and reports what it can see and do.
fn main() {}
