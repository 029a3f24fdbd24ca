//! Which coordinator a whole system runs on: without DTM and without Go, with `CI=true`, and beside a DTM that an earlier
//! run has used. The real program, in a place from which it finds no build of DTM.
use amends_stack::{Coordinator, CoordinatorChoice, Role, Stack, StackConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the program outside of every target folder, and folders with nothing in them: the machine of somebody who
/// has neither Go nor DTM.
struct BareMachine {
    folder: tempfile::TempDir,
}

impl BareMachine {
    fn new() -> BareMachine {
        let folder = tempfile::tempdir().unwrap();
        let machine = BareMachine { folder };
        std::fs::copy(env!("CARGO_BIN_EXE_amends"), machine.program()).unwrap();
        for empty in ["bin", "target"] {
            std::fs::create_dir(machine.folder.path().join(empty)).unwrap();
        }
        machine
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("amends")
    }

    fn amends(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(words).env_remove("AMENDS_DTM_BIN").env_remove("CI");
        command.env("PATH", self.folder.path().join("bin"));
        command.env("CARGO_TARGET_DIR", self.folder.path().join("target"));
        command
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn document(output: &Output) -> Value {
    let told = || format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", told()))
}

#[test]
fn the_demo_needs_neither_dtm_nor_go() {
    let machine = BareMachine::new();
    let played = machine.amends(&["demo", "--output", "json"]).output().unwrap();
    assert!(played.status.success(), "{}\n{}", text(&played.stdout), text(&played.stderr));
    let notice = text(&played.stderr);
    assert!(notice.starts_with("notice: running on the embedded coordinator: no DTM server"), "{notice}");
    assert!(notice.contains("install Go"), "it says how to get one: {notice}");
    let told = document(&played);
    assert_eq!(told["not_as_told"], serde_json::json!([]));
    assert_eq!(told["stories"].as_array().unwrap().len(), 5);
    let system = &told["system"];
    assert_eq!((&system["coordinator"], &system["dtm_version"]), (&"embedded".into(), &Value::Null));
    let roles =
        system["processes"].as_array().unwrap().iter().map(|process| process["role"].as_str().unwrap());
    assert!(roles.clone().count() == Role::ALL.len() - 1 && !roles.clone().any(|role| role == "dtm"));
}

#[test]
fn where_tests_run_a_missing_dtm_is_an_error() {
    let machine = BareMachine::new();
    let asked: [(&[&str], Option<&str>); 2] =
        [(&["demo"], Some("true")), (&["demo", "--coordinator", "dtm"], None)];
    for (words, ci) in asked {
        let refused = machine.amends(words).envs(ci.map(|ci| ("CI", ci))).output().unwrap();
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{words:?}: {error}");
        assert!(error.contains("no DTM server") && error.contains("AMENDS_DTM_BIN"), "{words:?}: {error}");
    }
}

#[test]
fn a_program_that_is_named_and_is_no_dtm_is_an_error() {
    let machine = BareMachine::new();
    let lie = machine.amends(&["demo"]).env("AMENDS_DTM_BIN", machine.program()).output().unwrap();
    assert_eq!(lie.status.code(), Some(1));
    assert!(text(&lie.stderr).contains("is not a DTM server"), "{}", text(&lie.stderr));
}

/// Where Go or DTM is, DTM is used.
#[test]
fn the_demo_uses_dtm_where_it_can_be_had() {
    let played =
        Command::new(env!("CARGO_BIN_EXE_amends")).args(["demo", "--output", "json"]).output().unwrap();
    assert!(played.status.success(), "{}", text(&played.stderr));
    let system = &document(&played)["system"];
    assert_eq!((&system["coordinator"], &system["notice"]), (&"dtm".into(), &Value::Null));
}

async fn stack(folder: &Path, coordinator: CoordinatorChoice) -> Stack {
    let config = StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder).coordinator(coordinator);
    Stack::start(config).await.unwrap()
}

/// What began on DTM stays there, so DTM comes up beside the embedded coordinator; on a new folder it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_dtm_has_used_keeps_its_dtm() {
    let folder = tempfile::tempdir().unwrap();
    let new = stack(folder.path(), CoordinatorChoice::Embedded).await;
    assert_eq!((new.pid(Role::Dtm), new.dtm_version(), new.notice()), (None, None, None));
    new.stop().await;
    let used = stack(folder.path(), CoordinatorChoice::Dtm).await;
    assert_eq!(used.coordinator(), Coordinator::Dtm);
    used.stop().await;
    let both = stack(folder.path(), CoordinatorChoice::Embedded).await;
    assert_eq!(both.coordinator(), Coordinator::Embedded);
    assert!(both.pid(Role::Dtm).is_some() && both.dtm_version().is_some());
    assert!(both.notice().is_some_and(|notice| notice.contains("stays with the coordinator")));
    both.stop().await;
}
