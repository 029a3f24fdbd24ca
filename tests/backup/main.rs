//! Backup and restore of the whole system: real processes under load, both coordinators, DTM with what it knew and DTM
//! that knows nothing. What the copies are is tested with their crate; here it is what they are good for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amends;
mod cut;
#[path = "../recovery/draw.rs"]
mod draw;
#[path = "../recovery/load.rs"]
mod load;
#[path = "../recovery/market.rs"]
mod market;
mod provider;
mod refusals;
mod rejoin;
mod site;
#[path = "../recovery/witness.rs"]
mod witness;

/// Tests with a load of their own hold it: the machine is for one of them at a time.
static LOADED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "backup: {line}");
}
