//! Holds of participants and definitions: whoever looks at what they keep waiting is told of them, by every verb.
use crate::verbs::{Ended, amends, amends_at, order, start, stocked};
use amends_stack::{Role, Stack};
use amends_testkit::until;
use serde_json::{Value, json};
use std::path::Path;

/// A system whose gateway is held, and a checkout that waits for it.
struct Site {
    stack: Stack,
    target: String,
    gid: String,
}

impl Site {
    async fn held(folder: &Path) -> Site {
        let stack = stocked(folder).await;
        let site = Site { target: stack.address(Role::Orchestrator), stack, gid: String::new() };
        let words = ["pause", "--participant", "gateway", "--reason", "maintenance", "--caller", "ann"];
        assert_eq!(site.text(&words).code, 0);
        let words = ["start", "checkout", "--mode", "saga", "--input", "-", "--output", "json"];
        let started = amends_at(&site.target, &words, &order("held", "tok_ok"));
        let gid = started.json()["gid"].as_str().unwrap().to_owned();
        let site = Site { gid, ..site };
        until("it waits for the hold's end", async || {
            (site.json(&["explain", &site.gid]).json()["situation"] == "paused").then_some(())
        })
        .await;
        site
    }

    fn text(&self, words: &[&str]) -> Ended {
        amends_at(&self.target, words, "")
    }

    fn json(&self, words: &[&str]) -> Ended {
        self.text(&[words, &["--output", "json"]].concat())
    }

    /// The hold is lifted, and the checkout comes to its end.
    fn resumed(&self) {
        assert_eq!(self.text(&["resume", "--participant", "gateway"]).code, 0);
        let ended = self.json(&["wait", &self.gid]);
        assert_eq!((ended.code, &ended.json()["holds"]), (0, &json!([])), "{}", ended.stdout);
    }
}

/// Whether these are the one hold.
#[track_caller]
fn is_the_hold(holds: &Value) {
    let told = holds.as_array().unwrap();
    assert_eq!(told.len(), 1, "{holds}");
    assert_eq!(told[0]["scope"]["participant"], "gateway");
    assert_eq!((&told[0]["subject"], &told[0]["reason"]), (&json!("ann"), &json!("maintenance")));
}

#[test]
fn a_definition_that_nobody_has_is_not_paused() {
    let reason = ["--reason", "a look", "--output", "json"];
    let act = |words: &[&str]| amends(&[words, &reason].concat(), "");
    let refused = act(&["pause", "--definition", "chekout"]);
    let error = refused.error();
    assert_eq!((refused.code, &error["code"]), (1, &json!("INVALID_ARGUMENT")), "{}", refused.stderr);
    assert_eq!(error["reason"], "UNKNOWN_DEFINITION");
    let known = "there is no definition `chekout`; known are: checkout, own";
    assert!(error["message"].as_str().unwrap().contains(known), "{error}");
    let harmless = act(&["resume", "--definition", "chekout"]);
    assert_eq!((harmless.code, harmless.json().get("hold")), (0, None), "{}", harmless.stdout);
    let refused = act(&["pause", "--participant", "gatway"]);
    assert!(refused.error()["message"].as_str().unwrap().contains("gateway, "), "{}", refused.stderr);
}

/// Whoever pauses it by another rule is told that theirs is not kept; by the same rule it is paused already.
fn another_rule_is_refused(site: &Site) {
    let again = |rule: &str| site.json(&["pause", "--participant", "gateway", "--deadlines", rule]);
    let refused = again("run").error();
    assert_eq!(
        (&refused["code"], &refused["reason"]),
        (&json!("FAILED_PRECONDITION"), &json!("PAUSED_OTHERWISE"))
    );
    let why = "participant gateway: it is paused already, and deadlines stand still";
    assert!(refused["message"].as_str().unwrap().contains(why), "{refused}");
    assert_eq!(again("stop").json()["hold"]["subject"], "ann", "the first one's");
}

fn a_retry_says_that_it_waits(site: &Site) {
    for more in [&[][..], &["--step", "03", "--op", "action"]] {
        let words = [&["retry", &site.gid], more].concat();
        let told = site.text(&words);
        assert_eq!(told.code, 4, "{}", told.stderr);
        let first = told.stdout.lines().next();
        assert_eq!(first, Some("the attempt waits until participant gateway is resumed"), "{}", told.stdout);
        let told = site.json(&words).json();
        assert_eq!(told["waits_for"], json!(["participant gateway"]));
        is_the_hold(&told["holds"]);
    }
}

fn a_check_names_what_holds_back(site: &Site) {
    let held = "participant gateway is paused since ";
    let told = site.json(&["check", "--wait", "1"]);
    assert_eq!(told.code, 1, "{}", told.stderr);
    let cause = told.json()["held"][&site.gid].as_str().unwrap().to_owned();
    assert!(cause.contains(held) && cause.contains(" by ann (maintenance)"), "{cause}");
    let told = site.text(&["check", "--wait", "1"]).stdout;
    let line = told.lines().find(|line| line.trim().starts_with(&site.gid)).unwrap();
    assert!(line.contains(&cause) && line.ends_with(&format!("see amends show {}", site.gid)), "{told}");
}

#[test]
fn an_empty_list_names_what_nobody_is_called() {
    for (filter, line) in [
        ("participant = gatway", "warning: no participant is called `gatway`; known are: account, gateway, "),
        ("definition = chekout", "warning: no definition is called `chekout`; known are: checkout, own"),
    ] {
        let told = amends(&["list", "--filter", filter], "");
        assert_eq!(told.code, 0);
        assert!(told.stderr.starts_with(line) && told.stderr.lines().count() == 1, "{}", told.stderr);
        let told = amends(&["list", "--filter", filter, "--output", "json"], "");
        let warning: Value = serde_json::from_str(&told.stderr).unwrap();
        let message = warning["warning"]["message"].as_str().unwrap();
        assert!(format!("warning: {message}").starts_with(line), "{message}");
        assert_eq!((told.code, &told.json()["transactions"]), (0, &json!([])));
    }
    let told = amends(&["list", "--filter", "participant = gateway and age > 365d"], "");
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
}

/// What has ended is not cancelled nor resumed, and whoever asks for it is told so; the exit code is that of its end.
#[test]
fn an_act_on_what_has_ended_says_that_it_came_too_late() {
    for (number, card, code, status, verbs) in [
        ("late-declined", "tok_decline", 3, "failed", &["cancel", "resume"][..]),
        ("late-paid", "tok_ok", 0, "succeeded", &["resume"]),
    ] {
        let started = start("saga", &order(number, card), &["--wait", "30"]).json();
        let (gid, at) = (started["gid"].as_str().unwrap(), started["finished_at"].as_str().unwrap());
        for verb in verbs {
            let words = [verb, gid, "--reason", "changed my mind"];
            let told = amends(&words, "");
            let late = format!("it had ended already: {status} at {at}; nothing was changed");
            assert_eq!(
                (told.code, told.stdout.lines().next()),
                (code, Some(late.as_str())),
                "{}",
                told.stderr
            );
            let told = amends(&[&words[..], &["--output", "json"]].concat(), "");
            assert_eq!((told.code, &told.json()["had_ended"]), (code, &json!(true)), "{}", told.stdout);
            assert_eq!(
                (&told.json()["last_seq"], &told.json()["status"]),
                (&started["last_seq"], &json!(status))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_told_wherever_it_stands_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::held(folder.path()).await;
    let gid = site.gid.as_str();
    for (words, code) in [
        (vec!["get", gid], 4),
        (vec!["get", "--business-key", "cli/held"], 4),
        (vec!["wait", gid, "--timeout", "0"], 4),
        (vec!["show", gid], 4),
        (vec!["list"], 0),
        (vec!["stats"], 0),
        (vec!["top", "--once"], 0),
    ] {
        let told = site.text(&words);
        assert_eq!(told.code, code, "{words:?}: {}", told.stderr);
        let line = told.stdout.lines().find(|line| line.starts_with("held: participant gateway since "));
        assert!(
            line.is_some_and(|line| line.ends_with(", by ann: maintenance")),
            "{words:?}: {}",
            told.stdout
        );
        let told = site.json(&words).json();
        is_the_hold(if words[0] == "show" { &told["transaction"]["holds"] } else { &told["holds"] });
    }
    another_rule_is_refused(&site);
    a_retry_says_that_it_waits(&site);
    a_check_names_what_holds_back(&site);
    let own = site.json(&["pause", "--definition", "own"]);
    assert_eq!((own.code, &own.json()["hold"]["scope"]["definition"]), (0, &json!("own")), "{}", own.stderr);
    is_the_hold(&site.json(&["get", gid]).json()["holds"]);
    let resumed = site.json(&["resume", gid]).json();
    assert_eq!(resumed["had_ended"], json!(false));
    is_the_hold(&resumed["holds"]);
    assert_eq!(site.text(&["resume", "--definition", "own"]).code, 0);
    site.resumed();
    for words in [vec!["show", gid], vec!["list"], vec!["stats"], vec!["top", "--once"]] {
        assert!(!site.text(&words).stdout.contains("held: "), "{words:?}");
    }
    site.stack.stop().await;
}
