//! House rules as tests: which crate may know which, what a source file may hold, where dependencies come from, and
//! that the papers tell the truth about the code. Reads files, `cargo metadata` and `amends --help`; starts no system.
mod alerts;
mod arrows;
mod compose;
mod crash_points;
mod house;
mod papers;
mod planted;
mod promises;
mod reference;
mod runs;
mod safety;
mod sources;
mod supply;

/// Fails with one line for each breach.
fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} broken:\n{}", breaches.len(), breaches.join("\n"));
}

/// What `cargo metadata` says; `arguments` come on top.
fn metadata(arguments: &[&str]) -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    command
        .current_dir(sources::root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments);
    let output = command.output().expect("cargo runs this test, so there is one");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}
