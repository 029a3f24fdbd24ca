//! What must hold when stores fail: a disk that is full under load and then is not, and writes, syncs, opens and
//! truncations of which any one fails, once or from then on. Nothing acknowledged is lost, nothing refused has changed
//! anything, and nobody has to be restarted. Real processes; docs/store-faults.md says how it is done.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

// The tables of what participants do, and the wire, are those of the conformance tests.
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../conformance/bodies.rs"]
mod bodies;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../conformance/deeds.rs"]
mod deeds;
#[path = "../conformance/digest.rs"]
mod digest;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../conformance/wire.rs"]
mod wire;

mod calls;
mod disk;
mod full;
mod history;
mod layer;
mod logs;
mod starts;
mod world;

/// Tests with a system of their own hold it: the machine is for one of them at a time.
static LOADED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The command under test, which is every process of the system but DTM.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// Set this to the printed seed to draw the same again.
const SEED: &str = "AMENDS_TEST_SEED";

/// Set this to 1 to let every call fail in every way, and to keep the disk full for 60 s.
const THOROUGH: &str = "AMENDS_TEST_STORE_FAULTS_ALL";

/// The seed of this run: a new one unless it was asked for.
fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")),
        Err(_) => amends_chaos::fresh_seed(),
    }
}

/// Whether everything is to be tried, however long that takes.
fn thorough() -> bool {
    std::env::var(THOROUGH).is_ok_and(|text| text == "1")
}

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "store faults: {line}");
}
