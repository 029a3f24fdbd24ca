//! What must hold when processes die: kill -9 under load, kill -9 at chosen moments, and proof that the checkers which
//! judge all of it can fail. Real processes and the real DTM server; deaths are chosen by a seed that is printed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod draw;
mod gateway;
mod kill;
mod load;
mod market;
mod moments;
mod planted;
mod store;
mod undecided;
mod witness;

/// The command under test, which is every process of the system but DTM.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "recovery: {line}");
}
