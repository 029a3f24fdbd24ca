//! Each defect of the DTM server that `docs/dtm-safety.md` lists, D1 to D24: provoked on the real server, so that its bad
//! effect is seen, and then through Amends, where history decides and nothing comes of it. One test for each, named after
//! it. What is bad enough to disturb others gets a DTM of its own; what needs the five services shares one system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod polling;
mod requests;
mod server;
mod site;
mod stores;
mod submits;
mod wire;

#[path = "../../orchestrator/tests/deeds/world.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine, which use all of it")]
mod engine;

use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// The command under test, which is every process of the system but DTM.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// What tests share must outlive each of them: the runtime does.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Runs a test on the runtime that all of them share.
fn play(test: impl Future<Output = ()>) {
    RUNTIME.block_on(test);
}

/// Says something even when the test passes: the figures of the paper are read here.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "dtm-safety: {line}");
}
