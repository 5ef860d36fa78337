//! The guide: tour, doctor, ladder, clean.
fn main() {}
