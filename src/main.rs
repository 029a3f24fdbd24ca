//! The one command of Amends.
fn main() {}
