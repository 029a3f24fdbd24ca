//! What a source file of this house may hold. The compiler and clippy judge the rest: see `[workspace.lints]`.
use crate::none;
use crate::sources::{self, Source};

/// Longest file outside tests. A longer one has more than one noun.
const MAX_LINES: usize = 450;
/// Files that are longer for a reason, with the length that they may not outgrow.
const LONGER: &[(&str, usize)] = &[];
/// Half of all files, tests too, stay below this.
const MAX_MEDIAN_LINES: usize = 150;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["common", "utils", "util", "helpers", "helper", "misc", "core", "manager", "types"];

/// Decided by values alone: no clock, no database, no runtime, nobody called.
const PURE: &[&str] = &[
    "crates/card-number/src/lib.rs",
    "crates/checkers/src/atomicity.rs",
    "crates/checkers/src/books.rs",
    "crates/checkers/src/disagreements.rs",
    "crates/checkers/src/effect_sums.rs",
    "crates/checkers/src/effects.rs",
    "crates/checkers/src/holds.rs",
    "crates/checkers/src/money.rs",
    "crates/checkers/src/orders.rs",
    "crates/checkers/src/psp.rs",
    "crates/checkers/src/stock.rs",
    "crates/dtm/src/outcome.rs",
    "crates/participant/src/verdict.rs",
    "orchestrator/src/attention/needs.rs",
    "orchestrator/src/attention/next.rs",
    "orchestrator/src/console/bars.rs",
    "orchestrator/src/console/picture.rs",
    "orchestrator/src/console/remedy.rs",
    "orchestrator/src/console/timeline.rs",
    "orchestrator/src/console/words.rs",
    "orchestrator/src/engine/auditor/branches.rs",
    "orchestrator/src/engine/auditor/coordinator_book.rs",
    "orchestrator/src/engine/auditor/difference.rs",
    "orchestrator/src/engine/decide.rs",
    "orchestrator/src/engine/lanes/breaker.rs",
    "orchestrator/src/engine/lanes/budget.rs",
    "orchestrator/src/engine/lanes/gate.rs",
    "orchestrator/src/engine/lanes/queue.rs",
    "orchestrator/src/engine/lanes/rate.rs",
    "orchestrator/src/engine/lanes/settings.rs",
    "orchestrator/src/engine/lanes/slow_start.rs",
    "orchestrator/src/engine/op/policy.rs",
    "orchestrator/src/engine/steer.rs",
    "orchestrator/src/engine/steer/redrive.rs",
    "orchestrator/src/explain/mod.rs",
    "orchestrator/src/explain/op.rs",
    "orchestrator/src/explain/words.rs",
    "orchestrator/src/filter/error.rs",
    "orchestrator/src/filter/fields.rs",
    "orchestrator/src/filter/parse.rs",
    "orchestrator/src/filter/print.rs",
    "orchestrator/src/filter/subject.rs",
    "orchestrator/src/filter/times.rs",
    "orchestrator/src/filter/tree.rs",
    "orchestrator/src/filter/words.rs",
    "orchestrator/src/history/event.rs",
    "orchestrator/src/history/fold.rs",
    "orchestrator/src/history/marks.rs",
    "orchestrator/src/history/op_state.rs",
    "orchestrator/src/history/redrive.rs",
    "orchestrator/src/history/search/anchors.rs",
    "orchestrator/src/plan.rs",
    "orchestrator/src/plan/policy.rs",
    "orchestrator/src/preflight/calls.rs",
    "orchestrator/src/preflight/policies.rs",
    "orchestrator/src/preflight/shape.rs",
    "orchestrator/src/replica/lease.rs",
    "services/account/src/balances.rs",
    "services/account/src/state.rs",
    "services/gateway/src/finding.rs",
    "services/gateway/src/next_step.rs",
    "services/gateway/src/resolution/lease.rs",
    "services/gateway/src/resolution/statement.rs",
    "services/gateway/src/schedule.rs",
    "services/gateway/src/state.rs",
    "services/inventory/src/state.rs",
    "services/order/src/state.rs",
    "services/points/src/purse.rs",
    "services/points/src/state.rs",
    "services/psp/src/behaviour.rs",
    "services/psp/src/profile.rs",
    "services/psp/src/state.rs",
    "src/timeline.rs",
    "src/timeline/lines.rs",
    "src/top/rates.rs",
    "src/top/text.rs",
];
/// What a pure file has no use for.
const IMPURE: &[&str] =
    &["tokio::", "sea_orm", "SystemTime", "Instant", "Utc::now", "async fn", ".await", "std::fs", "std::env"];

/// Parts of the orchestrator that must run any deed of any service.
const WITHOUT_SERVICES: &[&str] = &[
    "attention/",
    "engine/",
    "history/",
    "coordinator/",
    "api/",
    "console/",
    "plan.rs",
    "relay.rs",
    "run.rs",
];
/// The queue of payments in doubt is the gateway's, and people look at it where they look at everything else: these
/// pages ask it, and no other part may.
const ASK_THE_GATEWAY: &[&str] =
    &["orchestrator/src/console/in_doubt.rs", "orchestrator/src/console/resolution.rs"];
/// Parts that a definition may use, and that therefore know none.
const WITHOUT_DEFINITIONS: &[&str] =
    &["attention/", "engine/", "history/", "coordinator/", "plan.rs", "relay.rs"];

fn breaches(files: &[Source], judge: impl Fn(&Source) -> Option<String>) -> Vec<String> {
    files.iter().filter_map(|file| Some(format!("{}: {}", file.path, judge(file)?))).collect()
}

fn lines(file: &Source) -> usize {
    file.text.lines().count()
}

/// What is wrong with the length of a file.
fn length(file: &Source) -> Option<String> {
    let exception = LONGER.iter().find(|(path, _)| *path == file.path);
    let limit = exception.map_or(MAX_LINES, |(_, limit)| *limit);
    (!file.is_test() && lines(file) > limit).then(|| format!("{} lines, {limit} are allowed", lines(file)))
}

fn name(file: &Source) -> Option<String> {
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    parts.find(|part| EMPTY_NAMES.contains(part)).map(|part| format!("`{part}` names no noun"))
}

fn opening(file: &Source) -> Option<String> {
    let says = file
        .text
        .strip_prefix("//! ")
        .is_some_and(|rest| rest.lines().next().is_some_and(|line| line.len() > 10));
    (!says).then(|| "does not open with `//!` and what it owns".to_owned())
}

/// Things that no file may hold. Written apart, so that this file does not hold them.
fn forbidden(file: &Source) -> Option<String> {
    let forbidden = [
        concat!("#[", "ignore"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
    ];
    let found = forbidden.iter().find(|text| file.text.contains(**text));
    found.map(|text| format!("holds `{text}`"))
}

fn impurity(file: &Source) -> Option<String> {
    let impure = |line: &str| IMPURE.iter().any(|word| line.contains(word));
    file.code().find(|line| impure(line)).map(|line| format!("is to be pure, but: {}", line.trim()))
}

/// Whether the file belongs to one of these parts of the orchestrator.
fn is_part(file: &Source, parts: &[&str]) -> bool {
    let below = file.path.strip_prefix("orchestrator/src/");
    below.is_some_and(|below| !file.is_test() && parts.iter().any(|part| below.starts_with(part)))
}

fn service(file: &Source) -> Option<String> {
    // The guard's own language is no service: whoever keeps guard rows speaks it.
    let of_all = |line: &&str| line.contains("pay::branch::v1");
    let asks = ASK_THE_GATEWAY.contains(&file.path.as_str());
    let known = |line: &&str| of_all(line) || asks && line.contains("pay::gateway::v1");
    let names = |line: &&str| (line.contains("\"pay.") || line.contains("pay::")) && !known(line);
    file.code().find(names).map(|line| format!("names a service: {}", line.trim()))
}

fn definition(file: &Source) -> Option<String> {
    file.code()
        .find(|line| line.contains("definitions"))
        .map(|line| format!("knows definitions: {}", line.trim()))
}

#[test]
fn files_have_one_noun_and_its_name() {
    let rust = sources::rust();
    none(&[breaches(&rust, length), breaches(&rust, name), breaches(&rust, opening)].concat());
    let mut all: Vec<usize> = rust.iter().map(lines).collect();
    all.sort_unstable();
    let median = all[all.len() / 2];
    assert!(median <= MAX_MEDIAN_LINES, "half of all files are longer than {median} lines");
}

#[test]
fn nothing_is_left_for_later() {
    none(&breaches(&sources::rust(), forbidden));
}

#[test]
fn what_is_pure_stays_pure() {
    let files: Vec<Source> = PURE.iter().map(|path| sources::one(path)).collect();
    none(&breaches(&files, impurity));
}

#[test]
fn only_definitions_know_the_services() {
    let rust = sources::rust();
    let of = |parts: &[&str], judge: fn(&Source) -> Option<String>| {
        let files: Vec<&Source> = rust.iter().filter(|file| is_part(file, parts)).collect();
        assert!(files.len() > 10, "only {} files were found", files.len());
        files
            .into_iter()
            .filter_map(|file| Some(format!("{}: {}", file.path, judge(file)?)))
            .collect::<Vec<_>>()
    };
    none(&[of(WITHOUT_SERVICES, service), of(WITHOUT_DEFINITIONS, definition)].concat());
}

/// A path of the machine where something was written says nothing to who reads it elsewhere.
#[test]
fn no_text_names_a_machine() {
    let machine = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let named =
        |file: &Source| machine.iter().find(|text| file.text.contains(**text)).map(ToString::to_string);
    none(&breaches(&sources::all(), named));
}

#[test]
fn each_rule_can_be_broken() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let long = format!("//! Owns too much.\n{}", "fn f() {}\n".repeat(MAX_LINES));
    assert!(length(&file("src/long.rs", &long)).is_some());
    assert!(length(&file("tests/cli/long.rs", &long)).is_none());
    assert!(name(&file("crates/x/src/utils.rs", "")).is_some());
    assert!(name(&file("crates/common/src/lib.rs", "")).is_some());
    assert!(opening(&file("src/a.rs", "fn f() {}")).is_some());
    assert!(opening(&file("src/a.rs", "//!\nfn f() {}")).is_some());
    assert!(forbidden(&file("src/a.rs", concat!("#[", "ignore = \"slow\"]"))).is_some());
    assert!(impurity(&file("src/a.rs", "//! Pure.\nasync fn f() {}")).is_some());
    assert!(
        impurity(&file("src/a.rs", "//! Pure.\n// no .await here\nfn f() {}\n#[cfg(test)]\nasync fn g() {}"))
            .is_none()
    );
    assert!(
        service(&file("orchestrator/src/run.rs", "const M: &str = \"pay.order.v1.OrderService/Place\";"))
            .is_some()
    );
    assert!(definition(&file("orchestrator/src/plan.rs", "use crate::definitions;")).is_some());
    let order = "use amends_proto::pay::order::v1::Order;";
    assert!(service(&file("orchestrator/src/console/in_doubt.rs", order)).is_some());
    let gateway = "use amends_proto::pay::gateway::v1::InDoubtItem;";
    assert!(service(&file("orchestrator/src/console/list.rs", gateway)).is_some());
    assert!(service(&file("orchestrator/src/console/in_doubt.rs", gateway)).is_none());
    assert!(is_part(&file("orchestrator/src/engine/op/mod.rs", ""), WITHOUT_SERVICES));
    assert!(!is_part(&file("orchestrator/src/definitions/mod.rs", ""), WITHOUT_SERVICES));
}
