//! What must hold when processes die: kill -9 under load, kill -9 at chosen moments, a bad network, and proof that the
//! checkers which judge all of it can fail. Real processes, on both coordinators; deaths are chosen by a seed that is printed. The planted
//! breaches are in the participants' stores and run on DTM alone: who drove the checkouts that they are planted in does
//! not matter to them. What dies while DTM is away is about DTM.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacked;
mod auditor;
mod foe;
mod gateway;
mod herd;
mod herd_dtm;
mod kill;
mod moments;
mod network;
mod noop;
mod planted;
mod speed;
mod store;
mod undecided;

/// Tests with a load of their own hold it: the machine is for one of them at a time.
static LOADED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The command under test, which is every process of the system but DTM.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// Set this to the printed seed to draw the same again.
const SEED: &str = "AMENDS_TEST_SEED";

/// The seed of this run: a new one unless it was asked for.
fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")),
        Err(_) => amends_chaos::fresh_seed(),
    }
}

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "recovery: {line}");
}
