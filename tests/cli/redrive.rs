//! `amends redrive`: another run of what has not come to its outcome, told by every verb, and refused with its reason.
use crate::verbs::{amends, order, start};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than the provider takes, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A checkout whose provider takes its time, once its charge has been tried in vain and so can be gone on from.
fn redriven(gid: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let words = ["redrive", gid, "--reason", "asked the provider", "--caller", "ann", "--output", "json"];
        let ended = amends(&words, "");
        if ended.code == 4 {
            return ended.json();
        }
        assert_eq!((ended.code, &ended.error()["reason"]), (1, &json!("NOTHING_FAILED")), "{}", ended.stderr);
        assert!(Instant::now() < deadline, "{}", ended.stderr);
    }
}

#[test]
fn another_run_is_told_by_every_verb() {
    let started = start("saga", &order("redriven", "tok_processing_10s"), &[]);
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    let told = redriven(&gid);
    let run = &told["run"];
    assert_eq!((&run["number"], &run["continues"]), (&json!(2), &json!(1)), "{told}");
    assert_eq!((&run["act"]["subject"], &run["reason"]), (&json!("ann"), &json!("asked the provider")));
    let explained = amends(&["explain", &gid, "--output", "json"], "");
    assert_eq!(&explained.json()["run"], run);
    let ended = amends(&["wait", &gid, "--timeout", "60", "--output", "json"], "");
    assert_eq!((ended.code, &ended.json()["status"]), (0, &json!("succeeded")), "{}", ended.stderr);
    let text = amends(&["show", &gid], "").stdout;
    let from = run["from"][0].as_str().unwrap();
    let head = format!(", continues run 1 from {from}, by ann: asked the provider");
    assert!(text.contains("run 2 since ") && text.contains(&head), "{text}");
    assert!(text.contains(&format!("operator redriven  run 2, continues run 1 from {from}")), "{text}");
    let shown = amends(&["show", &gid, "--output", "json"], "").json();
    let events = shown["events"].as_array().unwrap();
    let begun: Vec<&Value> = events.iter().filter(|event| event["kind"] == "operator_redriven").collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0]["run"]["from"], run["from"]);
    let late = amends(&["redrive", &gid, "--output", "json"], "");
    assert_eq!((late.code, &late.error()["reason"]), (1, &json!("ENDED")), "{}", late.stderr);
    let late = amends(&["redrive", &gid], "");
    assert!(late.stderr.contains("it has ended (FAILED_PRECONDITION ENDED)"), "{}", late.stderr);
}

#[test]
fn a_redrive_names_one_gid() {
    assert_eq!(amends(&["redrive"], "").code, 2);
}
