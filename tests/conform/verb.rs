//! The verb itself: its report, its exit codes, and what it says of a call that makes no sense.
use crate::{payloads, started};
use amends_stack::Role;
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

const PAGE: &str = include_str!("../../docs/conform.md");

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
    let broken =
        amends(&[&common[..], &saga[..4], &["--rule", "success", "--rule", "duplicate"]].concat()).await;
    let told = String::from_utf8_lossy(&broken.stdout);
    assert_eq!(broken.status.code(), Some(1), "{told}");
    assert!(told.contains("it begins with a successful action, and this one is answered"), "{told}");
    let unknown = amends(&[&common[..], &["--action", "Transfer", "--compensate", "Undo"]].concat()).await;
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(unknown.status.code() == Some(2) && said.contains("ReverseTransfer"), "{said}");
    std::sync::Arc::into_inner(stack).unwrap().stop().await;
}

/// A system as the page has it, with its addresses.
async fn dev(folder: &Path) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amends"))
        .args(["dev", "--free-ports", "--coordinator", "embedded", "--output", "json", "--data-dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdout = child.stdout.as_mut().unwrap();
    let mut told = Vec::new();
    loop {
        assert_ne!(stdout.read_buf(&mut told).await.unwrap(), 0, "dev ended without a word");
        if let Ok(document) = serde_json::from_slice(&told) {
            return (child, document);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_page_pass_on_a_new_dev() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, document) = dev(folder.path()).await;
    let process = |role: &str| {
        let all = document["processes"].as_array().unwrap();
        all.iter().find(|process| process["role"] == role).unwrap()["address"].as_str().unwrap().to_owned()
    };
    let (_, payload) = PAGE.split_once("```json\n").unwrap();
    let (payload, _) = payload.split_once("```").unwrap();
    let file = folder.path().join("place.json");
    std::fs::write(&file, payload).unwrap();
    let examples: Vec<&str> = PAGE.lines().filter(|line| line.contains("--target 127.0.0.1:7411")).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let line = example
            .replace("127.0.0.1:7411", &process("order"))
            .replace("place.json", &file.display().to_string())
            .replace(".amends/", &format!("{}/", folder.path().display()));
        let words: Vec<&str> = line.strip_prefix("amends conform ").unwrap().split_whitespace().collect();
        let told = amends(&words).await;
        let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert_eq!(told.status.code(), Some(0), "{line}\n{out}\n{err}");
    }
    child.kill().await.unwrap();
}
