//! Backup and restore of the whole system: real processes under load, both coordinators, DTM with what it knew and DTM
//! that knows nothing. What the copies are is tested with their crate; here it is what they are good for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amends;
mod cut;
mod provider;
mod refusals;
mod rejoin;
mod site;

/// Tests with a load of their own hold it: the machine is for one of them at a time.
static LOADED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
    let _ = writeln!(std::io::stderr(), "backup: {line}");
}
