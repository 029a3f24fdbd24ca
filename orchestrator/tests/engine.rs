//! The engine and its relay against the real DTM server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "engine/away.rs"]
mod away;
mod deeds;

use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::history::Status;
use amends_orchestrator::plan::{Mode, Plan};
use deeds::world::{PATIENCE, World};
use tonic::Code;

#[tokio::test]
async fn dtm_may_be_away_at_the_start_and_in_the_middle() {
    let mut world = World::start().await;
    world.child.kill().await.unwrap();
    let saga = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    let tcc = world.go(world.plan(Mode::Tcc, 2, None, 0)).await;
    assert_eq!(saga.state().status(), Status::Accepted);
    world.restart_dtm().await;
    assert_eq!(world.end(&saga.base().gid).await, Status::Succeeded);
    assert_eq!(world.end(&tcc.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn what_dtm_lost_is_driven_to_its_end() {
    let mut world = World::start().await;
    world.branches.answer("confirm", "02", Code::Unavailable, "GONE|x");
    let mut plan = world.plan(Mode::Tcc, 2, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 1_500;
    let live = world.go(Plan::new(plan).unwrap()).await;
    live.until(|state| state.steps[1].confirm.last_code == "UNAVAILABLE").await;
    world.child.kill().await.unwrap();
    std::fs::remove_file(world.folder.path().join("dtm/dtm.bolt")).unwrap();
    world.restart_dtm().await;
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

/// Whoever dies between an end and telling DTM of it leaves nobody who knows: the next one tells it, long before DTM's poll.
#[tokio::test]
async fn what_ended_shortly_before_a_crash_is_told_to_dtm() {
    let mut world = World::start().await;
    let forward = world.plan(Mode::Saga, 2, None, 0);
    let undone = world.plan(Mode::Saga, 2, None, 0);
    let confirmed = world.plan(Mode::Tcc, 2, None, 0);
    world.branches.answer_of(undone.gid().as_str(), ("action", "02"), Code::Aborted, "NO|x");
    let cases = [
        (forward, ("action", "02"), Status::Succeeded, CoordinatorStatus::Succeed),
        (undone, ("compensate", "01"), Status::Failed, CoordinatorStatus::Failed),
        (confirmed, ("confirm", "01"), Status::Succeeded, CoordinatorStatus::Succeed),
    ];
    let mut gates = Vec::new();
    for (plan, last, ..) in &cases {
        let gid = plan.gid().as_str().to_owned();
        gates.push(world.branches.hold_of(&gid, *last));
        world.go(plan.clone()).await;
        world.branches.until_of(&gid, &format!("{} {}", last.0, last.1), PATIENCE).await;
    }
    world.child.kill().await.unwrap();
    drop(gates);
    for (plan, _, ends, _) in &cases {
        assert_eq!(world.end(plan.gid().as_str()).await, *ends);
    }
    world.restart_orchestrator().await;
    world.restart_dtm().await;
    for (plan, .., says) in &cases {
        world.dtm_says(plan.gid().as_str(), *says).await;
    }
}

/// What runs here already is no reason not to remind DTM of what could run beside it.
#[tokio::test]
async fn dtm_that_was_away_goes_on_beside_a_slow_sibling() {
    let mut world = World::start().await;
    let slow = world.branches.hold("action", "02");
    let gate = world.branches.hold("action", "03");
    let live = world.go(world.graph(Mode::Saga, &[&[], &[0], &[0], &[2]])).await;
    world.branches.until_all(&["action 02", "action 03"], PATIENCE).await;
    world.child.kill().await.unwrap();
    drop(gate);
    world.restart_dtm().await;
    world.branches.until_all(&["action 04"], PATIENCE).await;
    drop(slow);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}
