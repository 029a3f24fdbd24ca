//! "Start a global transaction from Python, Go or Java": the first two are run, on a real system.
use crate::page::{Page, folder, run};
use amends_stack::{Role, Stack, StackConfig};
use std::process::Command;

/// Whether a command of the tutorial can be run here; with `CI=true` it must be.
fn is_there(what: &str, probe: &str) -> bool {
    let probed = Command::new("bash").args(["-c", probe]).output().unwrap().status.success();
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(probed || !must, "{what} is not installed, see .ci/run");
    if !probed {
        eprintln!("skipped: {what} is not installed");
    }
    probed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_started_from_other_languages() {
    let page = Page::read("start.md");
    page.shows(&["start/start.py", "start/go/main.go"]);
    assert!(folder().join("start/go/go.sum").exists(), "what Go downloads is pinned");
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(StackConfig::new(env!("CARGO_BIN_EXE_amends"), data.path())).await.unwrap();
    let (target, inventory) = (stack.address(Role::Orchestrator), stack.address(Role::Inventory));
    let made = data.path().join("made");
    std::fs::create_dir(&made).unwrap();
    let settings =
        [("AMENDS_TARGET", target.as_str()), ("INVENTORY", &inventory), ("TMPDIR", made.to_str().unwrap())];
    let protoc = is_there("protoc", "command -v protoc");
    let python = "command -v grpc_python_plugin && /usr/bin/python3 -c 'import grpc, google.protobuf'";
    if protoc && is_there("gRPC for Python", python) {
        let told = run(&page.commands("Python\n"), &settings).await;
        assert!(told.contains("STATUS_SUCCEEDED") && told.contains("finished"), "{told}");
    }
    if protoc && is_there("Go", "command -v go") {
        let told = run(&page.commands("Go\n"), &settings).await;
        assert!(told.contains("STATUS_SUCCEEDED") && told.contains("submit_decided"), "{told}");
    }
    stack.stop().await;
}
