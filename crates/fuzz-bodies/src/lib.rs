//! What each fuzz target does with its bytes. A body panics where something is wrong: `fuzz/` runs them under libFuzzer,
//! and a test over a corpus and some thousand mutations keeps them alive on stable Rust. Knows no fuzzer.
#[cfg(test)]
mod corpus_tests;
mod decoders;
mod gateway;
mod handlers;
mod host;
mod judge;
mod orchestrator;
mod texts;

/// A target by its name, which is also that of its corpus.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As `cargo fuzz run NAME` has it.
    pub name: &'static str,
    /// Takes any bytes. Panics only where our code is wrong.
    pub body: fn(&[u8]),
}

const fn target(name: &'static str, body: fn(&[u8])) -> Target {
    Target { name, body }
}

/// Every target.
pub const TARGETS: [Target; 18] = [
    target("filter", texts::filter),
    target("words", texts::words),
    target("plan_mac", texts::plan_mac),
    target("settings", texts::settings),
    target("fields", texts::fields),
    target("plan", decoders::plan),
    target("dtm_json", decoders::dtm_json),
    target("archive", decoders::archive),
    target("manifest", decoders::manifest),
    target("order", |data| _ = handlers::order(data)),
    target("account", |data| _ = handlers::account(data)),
    target("inventory", |data| _ = handlers::inventory(data)),
    target("points", |data| _ = handlers::points(data)),
    target("gateway", |data| _ = gateway::gateway(data)),
    target("psp", |data| _ = handlers::psp(data)),
    target("transactions", |data| _ = orchestrator::transactions(data)),
    target("operations", |data| _ = orchestrator::operations(data)),
    target("relay", |data| _ = orchestrator::relay(data)),
];

/// Runs the body of this name.
///
/// # Panics
/// There is none, or it found something.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|target| target.name == name);
    let target = found.unwrap_or_else(|| panic!("there is no target {name}"));
    (target.body)(data);
}
