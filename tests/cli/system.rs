//! Processes come up, are kept up, and never outlive their owner.
use crate::terminal::Terminal;
use amends_stack::{PortChoice, Role, Stack, StackConfig, StackError};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

fn config(folder: &Path) -> StackConfig {
    StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder)
}

/// A zombie is dead: only its parent has not asked yet.
fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `amends dev` and reads the one JSON document with which it says that it is up.
fn dev(folder: &Path) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amends"))
        .args(["dev", "--free-ports", "--output", "json", "--data-dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let document = lines.map_while(Result::ok).find_map(|line| {
        text.push_str(&line);
        serde_json::from_str(&text).ok()
    });
    match document {
        Some(document) => (child, document),
        None => panic!("dev ended with {:?} and without a word: {text}", child.wait()),
    }
}

fn pids(document: &Value) -> Vec<u64> {
    let processes = document["processes"].as_array().unwrap();
    processes.iter().map(|process| process["pid"].as_u64().unwrap()).collect()
}

#[test]
fn nothing_outlives_a_dev_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, document) = dev(folder.path());
    let pids = pids(&document);
    assert_eq!(pids.len(), Role::ALL.len());
    assert!(pids.iter().all(|pid| alive(*pid)));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("all processes are gone", || !pids.iter().any(|pid| alive(*pid)));
}

#[test]
fn dev_drains_at_sigterm_and_keeps_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, first) = dev(folder.path());
    let signalled = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(signalled.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest.trim(), "", "one document and nothing else");
    assert!(!pids(&first).into_iter().any(alive));
    let (mut child, second) = dev(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let addresses = |document: &Value| {
        let processes = document["processes"].as_array().unwrap().iter();
        processes.map(|process| process["address"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(addresses(&first), addresses(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_that_is_killed_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(config(folder.path())).await.unwrap();
    for role in Role::ALL {
        let before = stack.pid(role).unwrap();
        stack.kill9(role).await.unwrap();
        stack.returned(role).await.unwrap();
        assert_ne!(stack.pid(role), Some(before), "{role}");
    }
    // DTM words its own.
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Dtm) {
        let log = std::fs::read_to_string(stack.log(role)).unwrap();
        assert!(log.contains(" INFO ") && !log.contains('\u{1b}'), "a file gets no colours: {log}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_system_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Stack::start(config(folder.path())).await.unwrap();
    let second = Stack::start(config(folder.path()).ports(PortChoice::Default)).await;
    assert!(matches!(second, Err(StackError::InUse { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_start_is_named_with_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let broken = config(folder.path()).args(Role::Points, ["--no-such-flag"]);
    let Err(error) = Stack::start(broken).await else { panic!("it started") };
    let text = error.to_string();
    assert!(text.starts_with("points ended with exit status: 2"), "{text}");
    assert!(text.contains("--no-such-flag"), "{text}");
}

#[tokio::test]
async fn a_log_is_coloured_on_a_terminal_unless_that_is_unwanted() {
    for (settings, coloured) in [([].as_slice(), true), (&[("NO_COLOR", "1")], false)] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().display().to_string();
        let words = ["serve", "psp", "--listen", "127.0.0.1:0", "--data-dir", &data_dir];
        let mut psp = Terminal::start("", &words, settings);
        psp.shows("that it listens", |text| text.contains("psp listens")).await;
        psp.press("\u{3}");
        let (code, written) = psp.end();
        assert_eq!((code, written.contains("\u{1b}[32m INFO")), (0, coloured), "{written:?}");
        assert_eq!(written.contains('\u{1b}'), coloured, "{written:?}");
    }
}
