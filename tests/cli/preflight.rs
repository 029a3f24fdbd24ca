//! `amends preflight`: no system runs; exit codes, JSON, and a refusal that names the step.
use crate::verbs::{Ended, amends_at};
use serde_json::{Value, json};

/// Nobody is to be called.
const NOBODY: &str = "127.0.0.1:1";

fn preflight(words: &[&str], stdin: &str) -> Ended {
    amends_at(NOBODY, &[&["preflight"], words].concat(), stdin)
}

fn steps(action: &str) -> String {
    let step = json!({
        "name": "bonus", "participant": "points", "action": action,
        "compensate": "pay.points.v1.PointsService/RevokeEarn",
        "retry": {"max_attempts": 5, "jitter_percent": 0}, "safe_to_give_up": true,
    });
    json!({"steps": [step], "timeout_ms": 60_000}).to_string()
}

const OWN: [&str; 6] = ["--mode", "saga", "--input", "-", "--output", "json"];

#[test]
fn all_definitions_pass() {
    let ended = preflight(&["--output", "json"], "");
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let told = ended.json();
    assert_eq!((&told["refusals"], &told["warnings"]), (&json!(0), &json!(0)));
    let checked = told["checked"].as_array().unwrap();
    let names =
        |it: &Value| format!("{} {}", it["definition"].as_str().unwrap(), it["mode"].as_str().unwrap());
    let names: Vec<String> = checked.iter().map(names).collect();
    assert_eq!(names, ["checkout saga", "checkout tcc", "bench saga", "bench tcc"]);
    let text = preflight(&[], "");
    assert!(text.code == 0 && text.stdout.starts_with("checkout saga  7 steps  ok\n"), "{}", text.stdout);
}

#[test]
fn steps_of_ones_own_are_checked_from_the_file_that_starts_them() {
    let sound = preflight(&OWN, &steps("pay.points.v1.PointsService/Earn"));
    assert_eq!(sound.code, 0, "{}{}", sound.stdout, sound.stderr);
    let refused = preflight(&OWN, &steps("pay.points.v1.PointsService/Earnn"));
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    let finding = &refused.json()["checked"][0]["findings"][0];
    assert_eq!((&finding["weight"], &finding["kind"]), (&json!("refusal"), &json!("method")));
    assert_eq!(finding["step"], "01 (`bonus`) pay.points.v1.PointsService/Earnn");
    let allowed = [&OWN, ["--participant", "bank"].as_slice()].concat();
    let refused = preflight(&allowed, &steps("pay.points.v1.PointsService/Earn"));
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert_eq!(refused.json()["checked"][0]["findings"][0]["kind"], "participant");
}

/// The page's example is a request, and nobody here has described its services.
#[test]
fn the_example_of_the_papers_is_sound() {
    let page = include_str!("../../docs/policies.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let ended = preflight(&OWN, example);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let told = ended.json();
    assert_eq!((&told["refusals"], &told["warnings"]), (&json!(0), &json!(2)), "{told}");
}

#[test]
fn what_is_no_input_is_an_error() {
    assert_eq!(preflight(&["--input", "-"], "").code, 2, "without a mode");
    let misspelt = preflight(&OWN, r#"{"stps": []}"#);
    assert!(misspelt.code == 1 && misspelt.stderr.contains("stps"), "{}", misspelt.stderr);
    let file = preflight(&["--descriptors", "/nowhere/x.binpb"], "");
    assert!(file.code == 1 && file.stderr.contains("/nowhere/x.binpb"), "{}", file.stderr);
}
