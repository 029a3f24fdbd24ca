//! What each fuzz target does with its bytes. A body panics where something is wrong: `fuzz/` runs them under libFuzzer,
//! and a test over a corpus and some thousand mutations keeps them alive on stable Rust. Knows no fuzzer.
mod decoders;
mod handlers;
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
pub const TARGETS: [Target; 13] = [
    target("filter", texts::filter),
    target("words", texts::words),
    target("plan_mac", texts::plan_mac),
    target("settings", texts::settings),
    target("fields", texts::fields),
    target("plan", decoders::plan),
    target("dtm_json", decoders::dtm_json),
    target("archive", decoders::archive),
    target("manifest", decoders::manifest),
    target("order", handlers::order),
    target("account", handlers::account),
    target("inventory", handlers::inventory),
    target("points", handlers::points),
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
