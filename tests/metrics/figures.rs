//! Figures agree with the histories, with each other across processes, and with the tables of metrics.
use crate::page::{Page, address};
use crate::world;
use amends_serve::metrics::{self, Metric};
use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Status, Story, World, until};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Attempts by participant, op and outcome.
type Attempts = BTreeMap<(String, String, &'static str), f64>;

/// Metrics that are told only under circumstances of their own, as their tables say.
const SOMETIMES: [&str; 10] = [
    "amends_attention_open",
    "amends_attention_unacknowledged",
    "amends_attention_oldest_seconds",
    "amends_notices_pending",
    "amends_notices_oldest_seconds",
    "amends_notices_most_attempts",
    "amends_in_doubt_items",
    "amends_in_doubt_oldest_seconds",
    "amends_dtm_reachable",
    "amends_transactions_open",
];

fn registered() -> Vec<Metric> {
    [metrics::of_every_process(), amends_orchestrator::METRICS.to_vec(), amends_gateway::METRICS.to_vec()]
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_agree_with_the_histories_on_dtm() {
    agree(Coordinator::Dtm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_agree_with_the_histories_on_the_embedded_coordinator() {
    agree(Coordinator::Embedded).await;
}

async fn agree(coordinator: Coordinator) {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), coordinator).await;
    let shop = world.shop().await;
    let mut stories = Vec::new();
    for (mode, card, status) in [
        (Mode::Saga, "tok_ok", Status::Succeeded),
        (Mode::Saga, "tok_ok", Status::Succeeded),
        (Mode::Saga, "tok_decline", Status::Failed),
        (Mode::Tcc, "tok_ok", Status::Succeeded),
        (Mode::Tcc, "tok_decline", Status::Failed),
    ] {
        let story = shop.checkout(mode).card(card).start().await;
        story.ends(status).await;
        stories.push(story);
    }
    // An end is counted behind the answer to whoever waits for it.
    let ends = [
        ("saga", "succeeded", 2.0),
        ("saga", "failed", 1.0),
        ("tcc", "succeeded", 1.0),
        ("tcc", "failed", 1.0),
    ];
    let page = until("all ends are counted, and nothing is open", async || {
        let page = Page::of(world.stack(), Role::Orchestrator).await;
        let ended = |(mode, status, count): &(&str, &str, f64)| {
            let labels = [("definition", "checkout"), ("mode", *mode), ("status", *status)];
            page.one("amends_transactions_ended_total", &labels) == Some(*count)
        };
        let all = ends.iter().all(ended) && page.sum("amends_transactions_open", &[]) == 0.0;
        all.then_some(page)
    })
    .await;
    assert_eq!(page.sum("amends_transactions_started_total", &[("mode", "saga")]), 3.0, "{}", page.text);
    assert_eq!(page.sum("amends_transactions_started_total", &[("mode", "tcc")]), 2.0);
    assert_eq!(page.sum("amends_transactions_ended_total", &[("status", "cancelled")]), 0.0);
    assert_eq!(page.sum("amends_transaction_duration_seconds_count", &[("status", "failed")]), 2.0);
    assert_eq!(page.one("amends_transaction_oldest_open_seconds", &[]), Some(0.0));
    let start = [("service", "amends.v1.Transactions"), ("method", "Start"), ("code", "OK")];
    assert_eq!(page.one("amends_rpc_requests_total", &start), Some(5.0));
    attempts(&page, &recorded(&stories).await);
    history(&page);
    coordinator_of(&page, coordinator);
    others(&world, &page).await;
    tables(&world, &page).await;
    world.stop().await;
}

/// What the histories say was answered for good.
async fn recorded(stories: &[Story<'_, '_>]) -> Attempts {
    let mut attempts = Attempts::new();
    for story in stories {
        let steps = story.get().await.steps;
        for event in story.events().await {
            let outcome = match event.kind.as_str() {
                "attempt_succeeded" => "succeeded",
                "attempt_refused" => "refused",
                _ => continue,
            };
            let step = steps.iter().find(|step| step.branch_id == event.branch_id).unwrap();
            *attempts.entry((step.participant.clone(), event.op, outcome)).or_default() += 1.0;
        }
    }
    attempts
}

fn attempts(page: &Page, recorded: &Attempts) {
    assert!(recorded.len() > 15, "{recorded:?}");
    for ((participant, op, outcome), count) in recorded {
        let labels = [("participant", participant.as_str()), ("op", op.as_str()), ("outcome", *outcome)];
        assert_eq!(page.one("amends_attempts_total", &labels), Some(*count), "{labels:?}\n{}", page.text);
    }
    let answered =
        ["succeeded", "refused"].map(|outcome| page.sum("amends_attempts_total", &[("outcome", outcome)]));
    assert_eq!(answered.iter().sum::<f64>(), recorded.values().sum::<f64>(), "none but those");
    let measured = page.sum("amends_attempt_duration_seconds_count", &[]);
    assert_eq!(measured, page.sum("amends_attempts_total", &[]));
    for participant in ["order", "account", "inventory", "points", "gateway"] {
        let breaker =
            |state| page.one("amends_lane_breaker_state", &[("participant", participant), ("state", state)]);
        assert_eq!(
            [breaker("closed"), breaker("open"), breaker("half_open")],
            [Some(1.0), Some(0.0), Some(0.0)]
        );
        assert_eq!(page.one("amends_lane_in_flight", &[("participant", participant)]), Some(0.0));
        assert_eq!(page.one("amends_lane_waiting", &[("participant", participant)]), Some(0.0));
        assert!(page.one("amends_lane_width", &[("participant", participant)]) > Some(0.0));
    }
}

fn history(page: &Page) {
    let commits = page.sum("amends_history_commit_appends_count", &[]);
    assert!(commits >= 5.0, "{}", page.text);
    assert!(page.sum("amends_history_commit_appends_sum", &[]) >= commits);
    assert!(page.sum("amends_history_commit_duration_seconds_count", &[]) >= 5.0);
    assert_eq!(page.one("amends_history_commit_failures_total", &[]), Some(0.0));
    assert_eq!(page.one("amends_history_readable", &[]), Some(1.0));
}

fn coordinator_of(page: &Page, coordinator: Coordinator) {
    let submitted = page.sum("amends_dtm_calls_total", &[("call", "saga")]);
    let relayed = page.sum("amends_rpc_requests_total", &[("service", "amends.v1.Relay")]);
    match coordinator {
        Coordinator::Dtm => {
            assert_eq!(page.one("amends_dtm_reachable", &[]), Some(1.0));
            assert!(submitted >= 3.0 && relayed > 0.0, "{}", page.text);
            assert_eq!(
                page.sum("amends_dtm_calls_total", &[("call", "submit")]),
                1.0,
                "a TCC is submitted once"
            );
        }
        Coordinator::Embedded => {
            assert_eq!(page.one("amends_dtm_reachable", &[]), None);
            assert_eq!((submitted, relayed), (0.0, 0.0));
        }
    }
}

/// Other processes saw what the orchestrator says it did.
async fn others(world: &World, page: &Page) {
    let order = Page::of(world.stack(), Role::Order).await;
    for (op, methods) in [("action", ["Place", "MarkPaid"]), ("try", ["TryPlace", "TryPlace"])] {
        let did = page
            .sum("amends_attempts_total", &[("participant", "order"), ("op", op), ("outcome", "succeeded")]);
        let calls = |method| [("service", "pay.order.v1.OrderService"), ("method", method), ("code", "OK")];
        let methods = BTreeSet::from(methods).into_iter();
        let answered: f64 =
            methods.map(|method| order.sum("amends_rpc_requests_total", &calls(method))).sum();
        // More where an answer came too late: then it was asked for again.
        assert!(did > 1.0 && answered >= did, "{op}: {did} {answered}\n{}", order.text);
    }
    let gateway = Page::of(world.stack(), Role::Gateway).await;
    let answered = |answer| gateway.sum("amends_psp_calls_total", &[("answer", answer)]);
    assert!(answered("declined") >= 2.0 && answered("success") >= 4.0, "{}", gateway.text);
    assert_eq!(
        gateway.sum("amends_psp_call_duration_seconds_count", &[]),
        gateway.sum("amends_psp_calls_total", &[])
    );
    assert_eq!(gateway.one("amends_psp_requests_open", &[]), Some(0.0));
    assert_eq!(gateway.one("amends_gateway_store_readable", &[]), Some(1.0));
    let psp = Page::of(world.stack(), Role::Psp).await;
    assert!(
        psp.sum("amends_rpc_requests_total", &[("service", "pay.psp.v1.PspService")]) >= 5.0,
        "{}",
        psp.text
    );
    let health = format!("http://{}/healthz", address(world.stack(), Role::Psp));
    assert_eq!(reqwest::get(health).await.unwrap().text().await.unwrap(), "ok\n");
}

/// What is told is in the tables, and what is in the tables is told.
async fn tables(world: &World, page: &Page) {
    let gateway = Page::of(world.stack(), Role::Gateway).await;
    let registered = registered();
    for told in [page, &gateway] {
        assert!(told.strangers(&registered).is_empty(), "{:?}", told.strangers(&registered));
        lint(told);
    }
    let unused = registered.iter().filter(|metric| !page.has(metric) && !gateway.has(metric));
    let unused: Vec<&str> =
        unused.map(|metric| metric.name).filter(|name| !SOMETIMES.contains(name)).collect();
    let dtm = unused.iter().all(|name| name.starts_with("amends_dtm_"));
    assert!(unused.is_empty() || (dtm && page.sum("amends_dtm_calls_total", &[]) == 0.0), "{unused:?}");
}

/// Prometheus' own opinion of a page, where its tool is installed.
fn lint(page: &Page) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let mut tool = match tool {
        Ok(tool) => tool,
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("promtool: {error}"),
        Err(_) => return,
    };
    tool.stdin.take().unwrap().write_all(page.text.as_bytes()).unwrap();
    assert!(tool.wait().unwrap().success(), "promtool has something against:\n{}", page.text);
}
