//! What the engine does on either coordinator, whichever the test binary names.

mod errands;
mod explain;
pub mod graphs;
mod injected;
mod lanes;
mod own;
mod policies;
mod redrive;
mod steering;
mod told;
pub mod world;

use amends_dtm::plan_mac::PlanMacKey;
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::Cancelled;
use amends_orchestrator::history::{AppendError, Conflict, NewTransaction, Reuse, Row, State, Status};
use amends_orchestrator::plan::{Mode, Plan};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;
use world::{EMBEDDED, TRACE, World, now_us, row};

#[tokio::test]
async fn a_saga_succeeds_and_dtm_agrees() {
    let world = World::start().await;
    let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "action 01, action 02");
    for call in world.branches.calls() {
        assert_eq!((call.gid.as_str(), call.traceparent.as_str()), (gid.as_str(), TRACE));
        let key = PlanMacKey::from_hex(&"11".repeat(32)).unwrap();
        let mac = key.verify(&gid, &call.plan_mac, now_us() / 1_000_000).unwrap();
        assert_eq!(&mac.plan_hash, live.plan.hash());
    }
    world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    let kinds = world.kinds(&gid).await;
    let mut expected = vec!["started"];
    expected.extend((!EMBEDDED).then_some("registered"));
    expected.extend([
        "attempt_started",
        "attempt_succeeded",
        "attempt_started",
        "attempt_succeeded",
        "finished",
    ]);
    assert_eq!(kinds, expected);
    if !EMBEDDED {
        let registered = world.engine.history().reader.page(&gid, 2, 1).await.unwrap();
        let relay = live.coordinator().relay();
        assert!(relay.starts_with("127.0.0.1:") && registered[0].reason == relay, "{registered:?}");
    }
}

#[tokio::test]
async fn a_refused_saga_is_undone_in_reverse_and_dtm_agrees() {
    let world = World::start().await;
    world.branches.answer("action", "03", Code::Aborted, "OUT_OF_IT|no more");
    let live = world.go(world.plan(Mode::Saga, 4, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert_eq!(world.branches.order(), "action 01, action 02, action 03, compensate 02, compensate 01");
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    assert_eq!(live.state().cause().unwrap().text(), "OUT_OF_IT|no more");
}

#[tokio::test]
async fn unknown_and_unfinished_answers_are_asked_again_not_taken_for_refusals() {
    let world = World::start().await;
    world.branches.answer("action", "01", Code::Unavailable, "GONE|x");
    world.branches.answer("action", "02", Code::FailedPrecondition, "IN_PROGRESS|x");
    let began = Instant::now();
    let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "action 01, action 01, action 02, action 02");
    assert!(began.elapsed() < Duration::from_secs(5), "nothing waited for DTM's poll");
}

#[tokio::test]
async fn an_unknown_pivot_is_undone_first_and_with_what_came_before() {
    let world = World::start().await;
    for _ in 0..1 {
        world.branches.answer("action", "02", Code::FailedPrecondition, "PAYMENT_UNKNOWN|x");
    }
    world.branches.answer("compensate", "02", Code::FailedPrecondition, "UNDO_IN_PROGRESS|x");
    let mut plan = world.plan(Mode::Saga, 3, Some(1), 1).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 1;
    let live = world.go(Plan::new(plan).unwrap()).await;
    let gid = live.base().gid.clone();
    let undoing = live.until(State::undoing).await;
    assert_eq!(undoing.attention[0].cause, "payment_in_doubt");
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert!(
        world.branches.order().ends_with("compensate 02, compensate 02, compensate 01"),
        "{}",
        world.branches.order()
    );
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_tcc_is_confirmed_in_reverse_and_dtm_agrees() {
    let world = World::start().await;
    let live = world.go(world.plan(Mode::Tcc, 2, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order(), "try 01, try 02, confirm 02, confirm 01");
    world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
}

#[tokio::test]
async fn a_refused_try_cancels_what_was_tried() {
    let world = World::start().await;
    world.branches.answer("try", "02", Code::Aborted, "OUT_OF_IT|x");
    let live = world.go(world.plan(Mode::Tcc, 3, None, 0)).await;
    let gid = live.base().gid.clone();
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert_eq!(world.branches.order(), "try 01, try 02, cancel 01");
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
}

#[tokio::test]
async fn a_cancel_before_the_pivot_undoes_everything() {
    let world = World::start().await;
    for mode in [Mode::Saga, Mode::Tcc] {
        let op = if mode == Mode::Tcc { "try" } else { "action" };
        // Busy for so long that the cancel meets it parked.
        let mut plan = world.plan(mode, 3, None, 0).body().clone();
        plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
        plan.steps[1].policy.as_mut().unwrap().max_interval_ms = 60_000;
        world.branches.answer(op, "02", Code::FailedPrecondition, "IN_PROGRESS|x");
        let live = world.go(Plan::new(plan).unwrap()).await;
        let gid = live.base().gid.clone();
        live.until(|state| state.steps[1].forward.last_code == "FAILED_PRECONDITION").await;
        let began = Instant::now();
        assert_eq!(world.cancel(&live).await, Cancelled::Decided);
        assert_eq!(world.cancel(&live).await, Cancelled::Already);
        assert_eq!(world.end(&gid).await, Status::Cancelled);
        assert!(began.elapsed() < Duration::from_secs(8), "the cancel woke whoever waited");
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_passed_pivot_cannot_be_cancelled() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 3, Some(0), 0);
    world.branches.answer("action", "02", Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    live.until(|state| state.steps[0].forward.ended_us > 0).await;
    assert_eq!(world.cancel(&live).await, Cancelled::PastPivot);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn a_restarted_orchestrator_takes_up_what_is_open() {
    let mut world = World::start().await;
    let mut plan = world.plan(Mode::Saga, 3, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
    world.branches.answer("action", "02", Code::Unavailable, "GONE|x");
    let saga = world.go(Plan::new(plan).unwrap()).await;
    saga.until(|state| state.steps[1].forward.last_code == "UNAVAILABLE").await;
    let mut plan = world.plan(Mode::Tcc, 2, None, 0).body().clone();
    plan.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
    world.branches.answer("try", "02", Code::Unavailable, "GONE|x");
    let tcc = world.go(Plan::new(plan).unwrap()).await;
    tcc.until(|state| state.steps[1].forward.last_code == "UNAVAILABLE").await;
    world.restart_orchestrator().await;
    assert_eq!(world.end(&saga.base().gid).await, Status::Succeeded);
    assert_eq!(world.end(&tcc.base().gid).await, Status::Failed, "tries under way at a crash are aborted");
}

#[tokio::test]
async fn one_request_and_one_business_key_start_once() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 1, None, 0);
    let live = world.go(plan.clone()).await;
    let again = |request_id: &str, key: &str| {
        let plan = world.plan(Mode::Saga, 1, None, 0);
        let row = Row { request_id: request_id.into(), business_key: key.into(), ..row(&plan) };
        let new = NewTransaction { plan: plan.encode(), reuse: Reuse::AfterFailed };
        let engine = Arc::clone(&world.engine);
        async move { engine.start(row, plan, new).await }
    };
    let first = &live.base().gid;
    let conflict = |error| match error {
        Err(AppendError::Conflict(conflict)) => *conflict,
        other => panic!("{other:?}"),
    };
    let same_request = conflict(again(first, "other key").await.map(|_| ()));
    assert!(matches!(same_request, Conflict::Request(row) if row.gid == *first));
    let same_key = conflict(again("other request", first).await.map(|_| ()));
    assert!(matches!(same_key, Conflict::BusinessKey(row) if row.gid == *first));
    assert!(again("a third request", "a third key").await.is_ok());
}
