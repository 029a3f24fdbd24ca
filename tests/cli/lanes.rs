//! `amends lanes`: shown, set, set back, and errors that say what may be.
use crate::verbs::amends;
use serde_json::json;

#[test]
fn lanes_are_shown_set_and_set_back() {
    let all = amends(&["lanes", "--output", "json"], "");
    assert_eq!(all.code, 0, "{}", all.stderr);
    let names: Vec<String> = all.json()["lanes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lane| lane["participant"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["account", "gateway", "inventory", "order", "points"]);
    let set =
        amends(&["lanes", "set", "points", "--concurrency", "8", "--rate", "50", "--output", "json"], "");
    let lane = &set.json()["lanes"][0];
    assert_eq!((&lane["settings"]["concurrency"], &lane["settings"]["rate"]), (&json!(8), &json!(50)));
    assert_eq!((&lane["width"], &lane["is_set"]), (&json!(8), &json!(true)));
    assert_eq!(lane["breaker"]["state"], "closed");
    let text = amends(&["lanes", "points"], "").stdout;
    assert!(text.lines().count() == 2 && text.contains("0/8") && text.contains("50/s"), "{text}");
    let reset = amends(&["lanes", "reset", "points", "--output", "json"], "");
    assert_eq!(reset.json()["lanes"][0]["settings"]["concurrency"], 128);
    assert_eq!(reset.json()["lanes"][0]["is_set"], false);
}

#[test]
fn what_cannot_be_set_is_told_and_changes_nothing() {
    let before = amends(&["lanes", "order", "--output", "json"], "").json()["lanes"][0]["settings"].clone();
    for (words, told) in [
        (vec!["lanes", "set", "hotel", "--rate", "1"], "no participant is called `hotel`"),
        (vec!["lanes", "hotel"], "no participant is called `hotel`"),
        (
            vec!["lanes", "set", "order", "--rate", "1", "--concurrency", "0"],
            "concurrency must be 1 to 10000",
        ),
        (vec!["lanes", "set", "order", "--open-ms", "9000"], "open_ms must not be above open_max_ms"),
    ] {
        let refused = amends(&words, "");
        assert_eq!(refused.code, 1, "{words:?}");
        assert!(refused.stderr.contains(told), "{words:?}: {}", refused.stderr);
    }
    assert_eq!(amends(&["lanes", "set", "order"], "").code, 2);
    let after = amends(&["lanes", "order", "--output", "json"], "").json()["lanes"][0]["settings"].clone();
    assert_eq!(before, after);
}
