//! The verb itself: its report, its exit codes, and what it says of a call that makes no sense.
use crate::{payloads, started};
use amends_stack::Role;
use serde_json::Value;
use std::process::Output;
use tokio::process::Command;

async fn amends(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amends")).arg("conform").args(words).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verb_reports_and_its_exit_code_says_how_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let stack = started(folder.path()).await;
    let payload = folder.path().join("transfer.json");
    let transfer = payloads::DEEDS.iter().find(|deed| deed.methods[0] == "Transfer").unwrap();
    std::fs::write(&payload, transfer.payload).unwrap();
    let (target, key, file) =
        (stack.address(Role::Account), stack.key_file().display().to_string(), payload.display().to_string());
    let service = transfer.service();
    let common = ["--target", &target, "--service", &service, "--payload", &file, "--output", "json"];
    let saga = ["--action", "Transfer", "--compensate", "ReverseTransfer", "--plan-mac-key", &key];
    let kept = amends(
        &[&common[..], &saga, &["--probe-command", "echo nothing", "--set", "amount.minor_units=4"]].concat(),
    )
    .await;
    let report: Value = serde_json::from_slice(&kept.stdout).unwrap();
    assert_eq!(kept.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["target"], &report["methods"][1]),
        (&target.as_str().into(), &"ReverseTransfer".into())
    );
    assert_eq!(
        (&report["rules"][0]["id"], &report["rules"][0]["verdict"]),
        (&"success".into(), &"pass".into())
    );
    assert!(report["seed"].is_u64() && report["rules"][1]["evidence"][0].is_string(), "{report:#}");
    // Without the key nothing succeeds; without a method of that name nothing can be called.
    let broken = amends(&[&common[..], &saga[..4], &["--rule", "success"]].concat()).await;
    assert_eq!(broken.status.code(), Some(1), "{}", String::from_utf8_lossy(&broken.stdout));
    let unknown = amends(&[&common[..], &["--action", "Transfer", "--compensate", "Undo"]].concat()).await;
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(unknown.status.code() == Some(2) && said.contains("ReverseTransfer"), "{said}");
    std::sync::Arc::into_inner(stack).unwrap().stop().await;
}
