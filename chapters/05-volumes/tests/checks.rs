//! What chapter 05 must show: what is plugged in stays, and nothing else is reached.

fn main() {}
