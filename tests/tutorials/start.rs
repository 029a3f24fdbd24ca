//! "Start a global transaction from Python, Go or Java": all three are run, on a real system.
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

/// Runs the commands of one language, where all that they need is there, and looks at what they told of the checkout.
async fn a_checkout_is_started_in(
    page: &Page,
    language: &str,
    needs: &[(&str, &str)],
    settings: &[(&str, &str)],
) {
    if !needs.iter().all(|(what, probe)| is_there(what, probe)) {
        return;
    }
    let told = run(&page.commands(&format!("{language}\n")), settings).await;
    // `finished` is the last event of every history.
    assert!(told.contains("STATUS_SUCCEEDED") && told.contains(" finished"), "{language}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_is_started_from_other_languages() {
    let page = Page::read("start.md");
    page.shows(&["start/start.py", "start/go/main.go", "start/java/src/main/java/tutorial/Start.java"]);
    assert!(folder().join("start/go/go.sum").exists(), "what Go downloads is pinned");
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(StackConfig::new(env!("CARGO_BIN_EXE_amends"), data.path())).await.unwrap();
    let (target, inventory) = (stack.address(Role::Orchestrator), stack.address(Role::Inventory));
    let made = data.path().join("made");
    std::fs::create_dir(&made).unwrap();
    let settings =
        [("AMENDS_TARGET", target.as_str()), ("INVENTORY", &inventory), ("TMPDIR", made.to_str().unwrap())];
    let protoc = ("protoc", "command -v protoc");
    let grpcio = "command -v grpc_python_plugin && /usr/bin/python3 -c 'import grpc, google.protobuf'";
    let python = [protoc, ("gRPC for Python", grpcio)];
    let go = [protoc, ("Go", "command -v go")];
    let java = [("Java 17 and Maven", "javac --release 17 -version && command -v mvn")];
    tokio::join!(
        a_checkout_is_started_in(&page, "Python", &python, &settings),
        a_checkout_is_started_in(&page, "Go", &go, &settings),
        a_checkout_is_started_in(&page, "Java", &java, &settings),
    );
    stack.stop().await;
}
