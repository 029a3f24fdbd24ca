//! `amends watch`: every event once, in order, to the end, whatever becomes of the orchestrator meanwhile.
use crate::verbs::{amends, amends_at, order, start, stocked};
use amends_stack::Role;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// The documents of a watch, one of each line.
fn documents(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn seqs(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["seq"].as_i64().unwrap()).collect()
}

fn spawn(target: &str, gid: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_amends"))
        .args(["watch", gid, "--output", "json", "--target", target])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_watch_tells_every_event_and_ends_as_the_global_transaction_does() {
    for (number, token, code) in [("watched", "tok_slow_2s", 0), ("watched-declined", "tok_decline", 3)] {
        let gid = start("saga", &order(number, token), &[]).json()["gid"].as_str().unwrap().to_owned();
        let watched = amends(&["watch", &gid, "--output", "json"], "");
        assert_eq!(watched.code, code, "{}", watched.stderr);
        let events = documents(&watched.stdout);
        let shown = amends(&["show", &gid, "--output", "json"], "").json();
        assert_eq!(events, *shown["events"].as_array().unwrap());
        assert_eq!(seqs(&events), (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
        let rest = amends(&["watch", &gid, "--output", "json", "--from-seq", "4"], "");
        assert_eq!((rest.code, documents(&rest.stdout)), (code, events[3..].to_vec()));
        let people = amends(&["watch", &gid], "");
        assert_eq!(people.code, code);
        let lines: Vec<&str> = people.stdout.lines().collect();
        assert!(lines[0].starts_with(&gid), "{}", people.stdout);
        assert!(people.stdout.contains("gateway.Charge"), "{}", people.stdout);
        let line = lines.iter().filter(|line| line.starts_with("  +")).count();
        assert_eq!(line, events.len(), "one line for each event: {}", people.stdout);
    }
}

#[test]
fn what_cannot_be_watched_is_told() {
    let unknown = "018f0000-0000-7000-8000-000000000000";
    let refused = amends(&["watch", unknown, "--output", "json"], "");
    assert_eq!((refused.code, &refused.error()["code"]), (1, &json!("NOT_FOUND")));
    let line = amends(&["watch", unknown], "");
    assert_eq!((line.code, line.stderr.trim_end().lines().count(), line.stdout.as_str()), (1, 1, ""));
    let gid = start("saga", &order("ahead", "tok_ok"), &["--wait", "30"]).json()["gid"].clone();
    let ahead = amends(&["watch", gid.as_str().unwrap(), "--from-seq", "9999", "--output", "json"], "");
    assert_eq!((ahead.code, &ahead.error()["reason"]), (1, &json!("AHEAD_OF_HISTORY")));
    assert_eq!(amends(&["watch", unknown, "--from-seq", "0"], "").code, 2);
    let nobody = amends_at("127.0.0.1:1", &["watch", unknown], "");
    assert_eq!(nobody.code, 1, "an orchestrator that was never there is told at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_outlives_the_orchestrator() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stocked(folder.path()).await;
    let target = stack.address(Role::Orchestrator);
    let words = ["start", "checkout", "--mode", "saga", "--input", "-", "--output", "json"];
    let started = amends_at(&target, &words, &order("outlived", "tok_slow_2s"));
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    let mut watching = spawn(&target, &gid);
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut told = String::new();
    let mut tell = |line: String| {
        told.push_str(&line);
        told.push('\n');
        serde_json::from_str::<Value>(&line).unwrap()
    };
    // The charge lasts two seconds: it is under way when the orchestrator dies, and again when it is back.
    let charge = |event: &Value| event["kind"] == "attempt_started" && event["branch_id"] == "03";
    while !charge(&tell(lines.next().expect("the watch ended before the charge").unwrap())) {}
    stack.kill9(Role::Orchestrator).await.unwrap();
    stack.returned(Role::Orchestrator).await.unwrap();
    lines.for_each(|line| drop(tell(line.unwrap())));
    let mut stderr = String::new();
    watching.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(0), "{stderr}");
    let events = documents(&told);
    let shown = amends_at(&target, &["show", &gid, "--output", "json"], "").json();
    assert_eq!(events, *shown["events"].as_array().unwrap());
    assert_eq!(seqs(&events), (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    stack.stop().await;
}
