//! Each verb once for each way in which it can end.
use amends_proto::pay::inventory::v1::RestockRequest;
use amends_proto::pay::inventory::v1::inventory_service_client::InventoryServiceClient;
use amends_stack::{Role, Stack, StackConfig};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// One system for all tests of this file, on a runtime of its own. It ends with the test process, because its
/// processes watch their standard input.
static SYSTEM: LazyLock<System> = LazyLock::new(System::start);

struct System {
    target: String,
    _stack: Stack,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl System {
    fn start() -> System {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stack = runtime.block_on(stocked(folder.path()));
        let target = stack.address(Role::Orchestrator);
        System { target, _stack: stack, _runtime: runtime, _folder: folder }
    }
}

/// A running system that has tea to sell.
pub async fn stocked(folder: &Path) -> Stack {
    let stack = Stack::start(StackConfig::new(env!("CARGO_BIN_EXE_amends"), folder)).await.unwrap();
    let address = format!("http://{}", stack.address(Role::Inventory));
    let mut inventory = InventoryServiceClient::connect(address).await.unwrap();
    let tea = RestockRequest { sku: "tea".into(), quantity: 100, idempotency_key: "seed-tea".into() };
    inventory.restock(tea).await.unwrap();
    stack
}

/// How a run of the command ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.stdout, self.stderr))
    }

    pub fn error(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|_| panic!("{}", self.stderr));
        document["error"].clone()
    }
}

/// Where the one system of this file is.
pub fn target() -> String {
    SYSTEM.target.clone()
}

/// Runs the command against the one system of this file.
pub fn amends(words: &[&str], stdin: &str) -> Ended {
    amends_at(&SYSTEM.target, words, stdin)
}

/// Runs the command against an orchestrator.
pub fn amends_at(target: &str, words: &[&str], stdin: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amends"))
        .args(words)
        .env("AMENDS_TARGET", target)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone by now.
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The JSON of an order, with a card that decides how it goes.
pub fn order(number: &str, card_token: &str) -> String {
    let usd = |minor_units: i64| json!({"minor_units": minor_units, "currency": "USD"});
    json!({
        "merchant_id": "cli", "out_trade_no": number, "user_id": "alice",
        "lines": [{"sku": "tea", "quantity": 1, "unit_price": usd(500)}], "total": usd(500),
        "card": {"psp": "sim", "method": "card", "card_token": card_token},
    })
    .to_string()
}

/// `amends start checkout` with JSON output.
pub fn start(mode: &str, input: &str, more: &[&str]) -> Ended {
    let words = ["start", "checkout", "--mode", mode, "--input", "-", "--output", "json"];
    amends(&[&words, more].concat(), input)
}

#[test]
fn a_checkout_that_succeeds_is_told_alike_by_every_verb() {
    for mode in ["saga", "tcc"] {
        let number = format!("good-{mode}");
        let started = start(mode, &order(&number, "tok_ok"), &["--wait", "30"]);
        assert_eq!(started.code, 0, "{}", started.stderr);
        let told = started.json();
        assert_eq!((&told["status"], &told["mode"]), (&json!("succeeded"), &json!(mode)));
        let gid = told["gid"].as_str().unwrap();
        let key = format!("cli/{number}");
        for words in [vec!["get", gid], vec!["get", "--business-key", &key], vec!["wait", gid]] {
            let again = amends(&[&words, ["--output", "json"].as_slice()].concat(), "");
            assert_eq!((again.code, again.json()), (0, told.clone()), "{words:?}");
        }
        let shown = amends(&["show", gid, "--output", "json"], "");
        assert_eq!((shown.code, &shown.json()["transaction"]), (0, &told));
        let events = shown.json()["events"].as_array().unwrap().clone();
        assert_eq!(events.len(), usize::try_from(told["last_seq"].as_u64().unwrap()).unwrap());
        assert_eq!(shown.json()["coordinator"]["known"], true);
        let listed = amends(&["list", "--status", "STATUS_SUCCEEDED", "--output", "json"], "");
        let listed = listed.json()["transactions"].as_array().unwrap().clone();
        assert!(listed.iter().any(|row| row["gid"] == gid));
    }
}

#[test]
fn a_checkout_that_is_refused_ends_with_3_and_its_reason() {
    let refused = start("saga", &order("declined", "tok_decline"), &["--wait", "30"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let told = refused.json();
    assert_eq!((&told["status"], &told["undo_cause"]), (&json!("failed"), &json!("refused")));
    assert!(told["reason"].as_str().unwrap().contains("PSP_DECLINED"), "{told}");
    let text = amends(&["show", told["gid"].as_str().unwrap()], "");
    assert_eq!(text.code, 3);
    assert!(
        text.stdout.contains("gateway.Charge") && text.stdout.contains("PSP_DECLINED"),
        "{}",
        text.stdout
    );
}

#[test]
fn what_still_runs_ends_with_4_and_can_be_waited_for() {
    let running = start("saga", &order("slow", "tok_slow_2s"), &["--wait", "0"]);
    assert_eq!(running.code, 4, "{} {}", running.stdout, running.stderr);
    let gid = running.json()["gid"].as_str().unwrap().to_owned();
    assert_eq!(amends(&["get", &gid], "").code, 4);
    assert_eq!(amends(&["wait", &gid, "--timeout", "0"], "").code, 4);
    let ended = amends(&["wait", &gid, "--timeout", "30", "--output", "json"], "");
    assert_eq!((ended.code, &ended.json()["status"]), (0, &json!("succeeded")));
}

#[test]
fn a_wait_longer_than_any_clock_is_a_wait() {
    let ages = u64::MAX.to_string();
    let started = start("saga", &order("patient", "tok_ok"), &["--wait", &ages]);
    assert_eq!((started.code, &started.json()["status"]), (0, &json!("succeeded")), "{}", started.stderr);
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    let waited = amends(&["wait", &gid, "--timeout", &ages], "");
    assert_eq!(waited.code, 0, "{}", waited.stderr);
}

#[test]
fn what_stands_still_while_it_is_checked_is_named_and_unsound() {
    let started = start("saga", &order("standing", "tok_slow_4500ms"), &[]);
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    let checked = amends(&["check", "--wait", "1", "--output", "json"], "");
    assert_eq!((checked.code, &checked.json()["ok"]), (1, &json!(false)), "{}", checked.stderr);
    let stuck = checked.json()["stuck"].as_array().unwrap().clone();
    assert!(stuck.contains(&json!(gid)), "{stuck:?}");
    let ended = amends(&["wait", &gid, "--timeout", "60", "--output", "json"], "");
    assert_eq!(ended.json()["status"], "succeeded", "{}", ended.stderr);
}

#[test]
fn a_cancelled_checkout_ends_with_3() {
    let started = start("tcc", &order("cancelled", "tok_slow_2s"), &[]);
    assert_eq!(started.code, 0, "starting is enough when nobody waits: {}", started.stderr);
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    let cancelled = amends(&["cancel", &gid, "--reason", "changed my mind"], "");
    assert!([3, 4].contains(&cancelled.code), "{} {}", cancelled.code, cancelled.stderr);
    let ended = amends(&["wait", &gid, "--timeout", "30", "--output", "json"], "");
    assert_eq!((ended.code, &ended.json()["status"]), (3, &json!("cancelled")));
}

#[test]
fn a_repeated_start_answers_the_same_gid_and_a_changed_one_is_refused() {
    let first = start("saga", &order("repeated", "tok_ok"), &["--request-id", "r-1"]);
    let second = start("saga", &order("repeated", "tok_ok"), &["--request-id", "r-1"]);
    assert_eq!((first.code, second.code), (0, 0), "{} {}", first.stderr, second.stderr);
    assert_eq!(first.json()["gid"], second.json()["gid"]);
    assert_eq!((&first.json()["existing"], &second.json()["existing"]), (&json!(false), &json!(true)));
    let other = start("saga", &order("repeated-2", "tok_ok"), &["--request-id", "r-1"]);
    assert_eq!((other.code, &other.error()["code"]), (1, &json!("ALREADY_EXISTS")));
}

#[test]
fn errors_are_one_line_or_one_object() {
    let unknown = "018f0000-0000-7000-8000-000000000000";
    let object = amends(&["get", unknown, "--output", "json"], "");
    assert_eq!((object.code, &object.error()["code"]), (1, &json!("NOT_FOUND")));
    let line = amends(&["get", unknown], "");
    assert_eq!((line.code, line.stderr.trim_end().lines().count()), (1, 1), "{}", line.stderr);
    let bad = start("saga", r#"{"merchant": "cli"}"#, &[]);
    assert_eq!(bad.code, 1);
    assert!(bad.error()["message"].as_str().unwrap().contains("merchant"), "{}", bad.stderr);
    assert_eq!(amends(&["start"], "").code, 2);
    let ages = u64::MAX.to_string();
    let endless = amends(&["serve", "orchestrator", "--plan-mac-key-file", "x", "--try-phase-ms", &ages], "");
    assert_eq!(endless.code, 2, "no clock counts so far: {}", endless.stderr);
}

#[test]
fn lists_page_through_everything_once() {
    for number in ["page-1", "page-2", "page-3"] {
        assert_eq!(start("saga", &order(number, "tok_ok"), &["--wait", "30"]).code, 0);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = amends(&["list", "--limit", "2", "--page-token", &token, "--output", "json"], "").json();
        let rows = page["transactions"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| row["gid"].as_str().unwrap().to_owned()));
        page["next_page_token"].as_str().unwrap().clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    let unique: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len());
    assert!(seen.len() >= 3);
}

#[test]
fn completions_know_the_verbs() {
    let script = amends(&["completions", "bash"], "");
    assert_eq!(script.code, 0);
    assert!(script.stdout.contains("checkout") && script.stdout.contains("--business-key"));
}

#[test]
fn an_error_says_once_what_it_is_about_and_what_was_tried() {
    let nobody = "018f0000-0000-7000-8000-000000000000";
    let why = ["--reason", "x"].as_slice();
    let op = ["--step", "05", "--op", "action", "--outcome", "refused", "--evidence", "x"].as_slice();
    let tried: [(&str, &[&str]); 10] = [
        ("get", &[]),
        ("show", &[]),
        ("explain", &[]),
        ("wait", &[]),
        ("watch", &[]),
        ("cancel", why),
        ("retry", &["--step", "05", "--op", "action", "--reason", "x"]),
        ("redrive", why),
        ("resolve", op),
        ("ack", &["--cause", "disagreement", "--owner", "ann"]),
    ];
    for (verb, more) in tried {
        let ended = amends(&[&[verb, nobody], more].concat(), "");
        let wanted =
            format!("error: {verb}: there is no global transaction {nobody} (NOT_FOUND GID_NOT_FOUND)\n");
        assert_eq!((ended.code, ended.stderr), (1, wanted));
    }
    let bulk = amends(&["bulk", "show", nobody], "");
    assert_eq!(bulk.stderr.matches(nobody).count(), 1, "{}", bulk.stderr);
    let stated = ["--outcome", "not-charged", "--evidence", "x"].as_slice();
    for (act, more) in [("claim", [].as_slice()), ("propose", stated), ("approve", &[])] {
        let ended = amends(&[&["in-doubt", act, nobody, "--caller", "ann"], more].concat(), "");
        assert!(
            ended.stderr.starts_with(&format!("error: {act}: no item in doubt has this id")),
            "{}",
            ended.stderr
        );
    }
}
