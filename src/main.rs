//! The engine: a thin command line over the chapters.
fn main() {}
