//! `amends fuzz` against a whole system of its own: a few seconds of what CI runs for minutes.
use serde_json::Value;
use std::process::Command;

#[test]
fn a_short_attack_finds_nothing() {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_amends"));
    command.args(["fuzz", "--duration", "6s", "--seed", "1", "--workers", "2", "--coordinator", "embedded"]);
    let ended = command.args(["--output", "json", "--out"]).arg(out.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    let report: Value =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert!(ended.status.success(), "{} {} {told}", report["findings"], report["violations"]);
    assert_eq!(report["seed"], 1);
    assert!(report["sent"].as_u64() > Some(30), "{}", report["totals"]);
    assert!(report["totals"]["OK"].as_u64() > Some(0), "{}", report["totals"]);
    let processes: Vec<&Value> = report["processes"].as_array().into_iter().flatten().collect();
    assert_eq!(processes.len(), 7, "{processes:?}");
    let looked = |seen: &&Value| seen["alive"] == true && seen["peak_rss_bytes"].as_u64() > Some(0);
    assert!(processes.iter().all(looked), "{processes:?}");
    assert!(report["good_traffic"]["succeeded"].as_u64() > Some(0), "{}", report["good_traffic"]);
}
