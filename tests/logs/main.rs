//! What the logs of a whole system say while checkouts fail: one JSON object on each line, with the names that people look
//! for; one line for each event of a history; one error for each failed call; and nothing of what callers entrusted to us.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use amends_stack::Role;
use amends_testkit::{Coordinator, Mode, Shop, Status, Story, World, WorldConfig};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every line of ours that there can be but those of single frames, and of libraries what went wrong.
const LEVELS: &str = "warn,amends=debug";
/// Everybody who writes a log of ours.
const ROLES: [Role; 7] =
    [Role::Orchestrator, Role::Order, Role::Account, Role::Inventory, Role::Points, Role::Gateway, Role::Psp];
/// A number as cards have it, with a right check digit; nobody's.
const CARD: &str = "4111111111111111";

#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_a_line_and_nothing_entrusted_is_in_any() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder.path(), Coordinator::Dtm);
    for role in ROLES {
        let variables = [("AMENDS_LOG_FORMAT", "json"), ("AMENDS_LOG", LEVELS)];
        config = config.env(role, variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let world = World::start(&config).await;
    let shop = world.shop().await;
    let declined = shop.checkout(Mode::Saga).card("tok_decline").start().await;
    declined.ends(Status::Failed).await;
    let undone = shop.checkout(Mode::Tcc).card("tok_decline").start().await;
    undone.ends(Status::Failed).await;
    let broken = on_a_broken_store(&world, &shop).await;
    let mut refused = shop.checkout(Mode::Saga);
    refused.input.merchant_id = CARD.to_owned();
    refused.try_start().await.map(|_| ()).expect_err("a card number is nobody's name");

    let logs: BTreeMap<Role, Vec<Value>> =
        ROLES.into_iter().map(|role| (role, lines(&world, role))).collect();
    for story in [&declined, &undone, &broken] {
        every_event_has_its_line(story, &logs[&Role::Orchestrator]).await;
    }
    each_failed_call_has_one_error(&world, &broken, &logs[&Role::Inventory]);
    let key = std::fs::read_to_string(world.stack().key_file()).unwrap();
    let entrusted = [CARD, "tok_decline", "tok_ok", &format!("fp-{}", shop.user), &shop.user, key.trim()];
    for role in ROLES {
        let text = std::fs::read_to_string(world.stack().log(role)).unwrap();
        for word in entrusted {
            assert!(!text.contains(word), "{role} tells {word}: {}", line_with(&text, word));
        }
    }
    world.stop().await;
}

/// A checkout whose inventory has lost a table for a while.
async fn on_a_broken_store<'s, 'w>(world: &World, shop: &'s Shop<'w>) -> Story<'s, 'w> {
    let path = world.stack().data_dir().join(format!("{}.db", Role::Inventory));
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
    options.max_connections(1).sqlx_logging(false);
    let store = Database::connect(options).await.unwrap();
    store.execute_unprepared("ALTER TABLE stock RENAME TO mislaid").await.unwrap();
    let story = shop.checkout(Mode::Saga).start().await;
    story.becomes("the inventory fails", |seen| seen.steps[1].ops.iter().any(|op| op.attempts > 1)).await;
    store.execute_unprepared("ALTER TABLE mislaid RENAME TO stock").await.unwrap();
    story.ends(Status::Succeeded).await;
    story
}

/// All that a process has written, each line read as one JSON object that has what all must have.
fn lines(world: &World, role: Role) -> Vec<Value> {
    let text = std::fs::read_to_string(world.stack().log(role)).unwrap();
    let read = |line: &str| {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{role}: {error}: {line}"));
        for name in ["timestamp", "level", "target", "message"] {
            assert!(line[name].is_string(), "{role} lacks {name}: {line}");
        }
        line
    };
    let lines: Vec<Value> = text.lines().map(read).collect();
    assert!(!lines.is_empty(), "{role} says nothing at all");
    lines
}

fn line_with<'t>(text: &'t str, word: &str) -> &'t str {
    text.lines().find(|line| line.contains(word)).unwrap_or_default()
}

/// In the order of the history, with branch and op where the event has them.
async fn every_event_has_its_line(story: &Story<'_, '_>, log: &[Value]) {
    let told = |line: &&Value| line["gid"] == story.gid.as_str() && line["seq"].is_i64();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let read = |line: &Value| {
        let seq = line["seq"].as_i64().unwrap();
        (seq, text(line, "message"), text(line, "branch_id"), text(line, "op"))
    };
    let told: Vec<_> = log.iter().filter(told).map(read).collect();
    let events = story.events().await;
    let recorded: Vec<_> =
        events.into_iter().map(|event| (event.seq, event.kind, event.branch_id, event.op)).collect();
    assert_eq!(told, recorded, "{}", story.gid);
}

/// As many errors as calls that the participant answered with its own failure, each of them with the call that it is of.
fn each_failed_call_has_one_error(world: &World, story: &Story<'_, '_>, log: &[Value]) {
    let errors: Vec<&Value> = log.iter().filter(|line| line["level"] == "ERROR").collect();
    assert!(errors.len() > 1, "{log:?}");
    for error in &errors {
        let about = ["gid", "branch_id", "op"].map(|name| error[name].as_str().unwrap_or_default());
        assert_eq!(about, [story.gid.as_str(), "02", "action"], "{error}");
    }
    let calls = world.script().journal().of(&story.order_id);
    let failed =
        calls.iter().flat_map(|entry| &entry.replies).filter(|reply| reply.reason() == "STORAGE_UNAVAILABLE");
    assert_eq!(errors.len(), failed.count(), "{errors:?}");
}
