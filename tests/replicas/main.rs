//! Several orchestrators on one PostgreSQL: kill -9 of each under load, a process that is suspended past its lease, and
//! calls that reach another than the owner. Real processes, a real PostgreSQL and the real DTM server; the
//! participant is the test's own, because it writes down which calls it had at the same time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ended;
mod forwarded;
mod killed;
mod load;
mod notices;
mod pair;
mod participant;
#[path = "../../orchestrator/tests/attention/receiver.rs"]
#[allow(dead_code, reason = "shared with the orchestrator's own tests, which use all of it")]
mod receiver;
mod splitter;
mod suspended;

/// The command under test.
const AMENDS: &str = env!("CARGO_BIN_EXE_amends");

/// Says something even when the test passes.
fn tell(line: &str) {
    use std::io::Write as _;
    // A closed standard error is nobody's loss.
    let _ = writeln!(std::io::stderr(), "replicas: {line}");
}
