//! Each checker can fail: a row that is wrong in a service's own store is reported as that invariant, and nothing is
//! reported before and after.
use crate::AMENDS;
use crate::store::Store;
use amends_checkers::Invariant::{self, I1, I3, I4, I5, I6, I7, I8, I9};
use amends_stack::Role::{self, Account, Gateway, Inventory, Order, Points, Psp};
use amends_testkit::{Coordinator, MODES, Must as _, World, WorldConfig};
use serde_json::Value;

/// Role, table, what is done to the first row of it that fits, which rows fit, and what must then be reported:
/// exactly these, the first of them meant.
type Case = (Role, &'static str, Edit, &'static str, &'static [Invariant]);

/// What is done to a row.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Set(&'static str),
    Remove,
}
use Edit::{Remove, Set};

const CASES: [Case; 18] = [
    (Account, "account", Set("credits_posted = credits_posted + 1"), "kind = 'user_wallet'", &[I1, I9]),
    (Account, "entry", Set("currency = 'EUR'"), "source = 'branch'", &[I1]),
    (Inventory, "stock", Set("on_hand = on_hand - 1"), "true", &[I3]),
    (Inventory, "stock", Set("reserved = on_hand + 1"), "true", &[I3, I9]),
    (Psp, "request", Set("kept_now = kept_now - 1"), "kept_now > 0", &[I4]),
    (Gateway, "attempt", Remove, "op = 'sale' AND state = 'succeeded'", &[I4]),
    (Psp, "request", Set("kept_now = amount_minor + 1"), "kept_now > 0", &[I5, I4]),
    (Gateway, "payment", Set("captured = captured + 1"), "state = 'captured'", &[I5, I4]),
    (Account, "hold", Set("state = 'held'"), "state = 'released'", &[I6, I1]),
    (Inventory, "reservation", Set("state = 'reserved'"), "state = 'committed'", &[I6, I9]),
    (Points, "points_op", Set("state = 'pending'"), "kind = 'earn' AND state = 'earned'", &[I6, I9]),
    (Order, "branch_op", Remove, "op = 'action' AND branch_id = '01'", &[I7, I9]),
    (Order, "branch_op", Set("status = 'running'"), "op = 'compensate'", &[I7, I9]),
    (Points, "branch_op", Remove, "op = 'confirm'", &[I7, I9]),
    (Order, "orders", Set("state = 'closed'"), "state = 'paid'", &[I8]),
    (Order, "orders", Set("state = 'paid'"), "state = 'closed'", &[I8]),
    (Account, "entry", Remove, "source = 'branch'", &[I9]),
    (Inventory, "reservation", Remove, "state = 'committed'", &[I9]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_breach_is_reported_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(&WorldConfig::new(AMENDS, folder.path(), Coordinator::Dtm)).await;
    furnish(&world).await;
    assert_eq!(check(&world).await, (0, Vec::new()), "before any breach");
    // What the auditor found is no row of any service: its own tests plant that.
    for invariant in Invariant::ALL.into_iter().filter(|invariant| *invariant != Invariant::A1) {
        assert!(CASES.iter().any(|case| case.4[0] == invariant), "no breach of {invariant:?} is planted");
    }
    let mut wrong = Vec::new();
    for (role, table, edit, fits, expected) in CASES {
        let store = Store::open(world.stack(), role).await;
        store.keep(table).await;
        assert_eq!(store.run(&edit.sql(table, fits)).await, 1, "{role}: {table} where {fits}");
        let mut expected: Vec<String> = expected.iter().map(|invariant| invariant.id().to_owned()).collect();
        expected.sort_unstable();
        let seen = check(&world).await;
        if seen != (1, expected) {
            wrong.push(format!("{role}: {edit:?} {table} where {fits}: {seen:?}"));
        }
        store.restore(table).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(check(&world).await, (0, Vec::new()), "after the last was put back");
    world.stop().await;
}

impl Edit {
    fn sql(self, table: &str, fits: &str) -> String {
        let first = format!("rowid = (SELECT min(rowid) FROM {table} WHERE {fits})");
        match self {
            Set(change) => format!("UPDATE {table} SET {change} WHERE {first}"),
            Remove => format!("DELETE FROM {table} WHERE {first}"),
        }
    }
}

/// A paid and a declined order in each mode, the SAGA first.
async fn furnish(world: &World) {
    let shop = world.shop().await;
    for mode in MODES {
        for card in ["tok_ok", "tok_decline"] {
            let story = shop.checkout(mode).card(card).start().await;
            let end = story.end().await;
            story.dtm_says(if card == "tok_ok" { "succeed" } else { "failed" }).await;
            assert_eq!(end.attention, None);
        }
    }
    shop.holds_after(2).await;
}

/// Runs `amends check` as a command: its exit code, and the invariants that it reports.
async fn check(world: &World) -> (i32, Vec<String>) {
    let target = world.stack().address(Role::Orchestrator);
    let command = tokio::process::Command::new(AMENDS)
        .args(["check", "--output", "json", "--target", &target])
        .output()
        .await
        .must("run amends check");
    let report: Value = serde_json::from_slice(&command.stdout).must("one JSON document");
    let code = command.status.code().unwrap();
    assert_eq!(report["ok"], code == 0, "{report}");
    let lines = report["lines"].as_array().unwrap().iter();
    let broken = lines.filter(|line| line["violations"].as_array().is_some_and(|found| !found.is_empty()));
    (code, broken.map(|line| line["checker"].as_str().unwrap().to_owned()).collect())
}
