//! What waits for people: a payment in doubt that grows old, books that disagree, a store that cannot be read. Time is
//! not waited for: rows are made older where they are kept.
use crate::prometheus::Prometheus;
use crate::site::Site;
use crate::tell;
use amends_proto::amends::v1::GlobalTransaction;
use amends_stack::Role;
use amends_testkit::{Mode, Shop, Status, Story, until};

/// Older than any rule lets anything become, in microseconds.
const FIVE_HOURS_US: i64 = 5 * 3_600 * 1_000_000;

/// A payment that the provider kept and does not tell of.
pub async fn doubtful<'s, 'w>(shop: &'s Shop<'w>) -> Story<'s, 'w> {
    let checkout = shop.checkout(Mode::Saga).psp("sale", "charge_then_timeout").await;
    let checkout = checkout.psp("query", "query_unknown(100000)").await.psp("close", "5xx_before").await;
    let story = checkout.start().await;
    let in_doubt =
        |seen: &GlobalTransaction| seen.all_attention.iter().any(|need| need.cause == "payment_in_doubt");
    story.becomes("the payment is in doubt", in_doubt).await;
    story
}

/// At first somebody is needed for it, and the receiver of notices is away; later all of that has lasted for too long.
pub async fn payment(story: &Story<'_, '_>, site: &Site, prometheus: &Prometheus) {
    prometheus.fires("AttentionOpen", &[("cause", "payment_in_doubt")]).await;
    until("a notice was sent in vain", async || {
        let attempts = prometheus.value("max(amends_notices_most_attempts)").await;
        attempts.is_some_and(|attempts| attempts > 0.0).then_some(())
    })
    .await;
    let gid = &story.gid;
    for (role, table, column) in [
        (Role::Orchestrator, "global_transaction", "created_at_us"),
        (Role::Orchestrator, "attention", "since_us"),
        (Role::Orchestrator, "notice", "time_us"),
        (Role::Gateway, "in_doubt_item", "opened_at_us"),
    ] {
        let older = format!("UPDATE {table} SET {column} = {column} - {FIVE_HOURS_US} WHERE gid = '{gid}'");
        assert!(site.change(role, &older).await > 0, "{table} knows nothing of it");
    }
    tell("the payment has been in doubt for five hours");
    for (name, labels) in [
        ("PaymentInDoubt", [("kind", "payment_unknown")].as_slice()),
        ("AttentionOld", &[("cause", "payment_in_doubt")]),
        ("OpenTooLong", &[]),
        ("NoticesStuck", &[]),
    ] {
        prometheus.fires(name, labels).await;
    }
}

/// A checkout that has ended well.
pub async fn bought<'s, 'w>(shop: &'s Shop<'w>) -> Story<'s, 'w> {
    let story = shop.checkout(Mode::Saga).start().await;
    story.ends(Status::Succeeded).await;
    story
}

/// A participant's memory of what it did in it is changed behind its back.
pub async fn books(story: &Story<'_, '_>, site: &Site, prometheus: &Prometheus) {
    let row = format!("gid = '{}' AND branch_id = '01' AND op = 'action'", story.gid);
    let wrong = format!("UPDATE branch_op SET status = 'refused' WHERE {row}");
    assert_eq!(site.change(Role::Order, &wrong).await, 1);
    prometheus.fires("Disagreement", &[]).await;
    assert_eq!(
        site.change(Role::Order, &format!("UPDATE branch_op SET status = 'done' WHERE {row}")).await,
        1
    );
    prometheus.ends("Disagreement").await;
}

/// The table behind the gateway's figures is not there for a while.
pub async fn unreadable(site: &Site, prometheus: &Prometheus) {
    site.change(Role::Gateway, "ALTER TABLE in_doubt_item RENAME TO mislaid").await;
    prometheus.fires("StoreUnreadable", &[("role", "gateway")]).await;
    site.change(Role::Gateway, "ALTER TABLE mislaid RENAME TO in_doubt_item").await;
    prometheus.ends("StoreUnreadable").await;
}
