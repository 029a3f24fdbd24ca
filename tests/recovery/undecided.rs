//! The orchestrator dies while DTM is away, before DTM heard of a global transaction or of the decision about it.
use crate::{AMENDS, tell};
use amends_stack::Role;
use amends_testkit::{Coordinator, Fault, Gate, MODES, Mode, On, Status, Story, World, WorldConfig, until};

async fn world(folder: &tempfile::TempDir) -> World {
    World::start(&WorldConfig::new(AMENDS, folder.path(), Coordinator::Dtm)).await
}

async fn kinds(story: &Story<'_, '_>) -> Vec<String> {
    story.events().await.into_iter().map(|event| event.kind).collect()
}

/// Waits until history has this event.
async fn recorded(story: &Story<'_, '_>, kind: &str) {
    until(kind, async || kinds(story).await.iter().any(|seen| seen == kind).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_without_dtm_survives_and_is_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(&folder).await;
    world.stack().kill9(Role::Dtm).await.unwrap();
    let shop = world.shop().await;
    let (saga, tcc) = (shop.checkout(MODES[0]).start().await, shop.checkout(MODES[1]).start().await);
    for story in [&saga, &tcc] {
        assert_eq!(
            (story.get().await.status(), kinds(story).await),
            (Status::Accepted, vec!["started".into()])
        );
    }
    world.stack().kill9(Role::Orchestrator).await.unwrap();
    world.stack().restart(Role::Orchestrator).await.unwrap();
    for story in [&saga, &tcc] {
        assert_eq!(story.get().await.status(), Status::Accepted);
    }
    world.stack().restart(Role::Dtm).await.unwrap();
    for story in [&saga, &tcc] {
        story.ends(Status::Succeeded).await;
        story.dtm_says("succeed").await;
    }
    shop.holds_after(2).await;
    world.check().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_dtm_never_heard_of_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(&folder).await;
    let shop = world.shop().await;
    let gate = Gate::default();
    let checkout = shop.checkout(Mode::Tcc);
    world.script().set(On::each("TryPay", checkout.order_id()), Fault::HoldReply(gate.clone()));
    let story = checkout.start().await;
    gate.reached().await;
    world.stack().kill9(Role::Dtm).await.unwrap();
    gate.open();
    recorded(&story, "submit_decided").await;
    world.stack().kill9(Role::Orchestrator).await.unwrap();
    world.stack().restart(Role::Dtm).await.unwrap();
    world.stack().restart(Role::Orchestrator).await.unwrap();
    let end = story.ends(Status::Failed).await;
    assert_eq!(end.undo_cause, "timeout");
    assert_eq!(story.decisions().await, "submit_decided abort_decided");
    story.dtm_says("failed").await;
    shop.holds_after(0).await;
    world.check().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_dtm_may_have_heard_of_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(&folder).await;
    let shop = world.shop().await;
    let gate = Gate::default();
    let checkout = shop.checkout(Mode::Tcc);
    world.script().set(On::each("TryPay", checkout.order_id()), Fault::HoldReply(gate.clone()));
    let story = checkout.start().await;
    gate.reached().await;
    // The submit waits in DTM's socket: whether DTM takes it once its sender is dead is up to DTM.
    world.stack().sigstop(Role::Dtm).unwrap();
    gate.open();
    recorded(&story, "submit_decided").await;
    world.stack().kill9(Role::Orchestrator).await.unwrap();
    world.stack().sigcont(Role::Dtm).unwrap();
    world.stack().restart(Role::Orchestrator).await.unwrap();
    let end = story.end().await;
    let (decisions, status, dtm, paid) = match story.decisions().await.contains("committed") {
        true => ("submit_decided committed", Status::Succeeded, "succeed", 1),
        false => ("submit_decided abort_decided", Status::Failed, "failed", 0),
    };
    assert_eq!((story.decisions().await.as_str(), end.status()), (decisions, status));
    tell(&format!("what DTM may have heard of: {dtm}"));
    story.dtm_says(dtm).await;
    shop.holds_after(paid).await;
    world.check().await;
    world.stop().await;
}
