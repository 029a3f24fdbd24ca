//! Explanations of what really happens, one situation after the other (orchestration.md item 11).

use super::world::{EMBEDDED, PATIENCE, World, now_us};
use amends_orchestrator::api::{explain, payloads};
use amends_orchestrator::engine::{LaneSettings, Live, Seen};
use amends_orchestrator::history::{Act, Deadlines, Status};
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::amends::v1::{ExplainResponse, Situation};
use std::sync::Arc;
use tokio::time::Instant;
use tonic::Code;

const FIRST: (&str, &str) = ("action", "01");

async fn told(world: &World, live: &Live, up_since_us: i64) -> ExplainResponse {
    explain(&world.engine, up_since_us, &live.base().gid).await.unwrap()
}

/// The first explanation that names this situation.
async fn until(world: &World, live: &Live, wanted: Situation) -> ExplainResponse {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = told(world, live, 0).await;
        if told.situation() == wanted {
            return told;
        }
        assert!(Instant::now() < deadline, "{wanted:?} is awaited: {told:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// One step whose waits are so long that nothing happens by itself.
fn slow(world: &World) -> Plan {
    let mut plan = world.plan(Mode::Saga, 1, None, 0).body().clone();
    if let Some(policy) = plan.steps[0].policy.as_mut() {
        (policy.initial_interval_ms, policy.max_interval_ms, policy.max_attempts) = (60_000, 60_000, 7);
    }
    Plan::new(plan).unwrap()
}

fn by_alice(reason: &str) -> Act {
    Act { subject: "alice".to_owned(), reason: reason.to_owned(), ..Act::default() }
}

async fn pause(world: &World, live: &Arc<Live>) {
    let (engine, live) = (Arc::clone(&world.engine), Arc::clone(live));
    let paused = world.within(async move {
        engine.pause(&live, Seen::default(), Deadlines::Stop, &by_alice("maintenance")).await
    });
    paused.await.unwrap();
}

#[tokio::test]
async fn a_retry_is_explained_with_its_answer_its_time_and_what_is_left() {
    let world = World::start().await;
    world.branches.answers(9, FIRST, Code::Unavailable, "GONE|no connection");
    let live = world.go(slow(&world)).await;
    let told = until(&world, &live, Situation::WaitingForRetry).await;
    let op = &told.ops[0];
    assert_eq!((op.branch_id.as_str(), op.attempt, op.max_attempts), ("01", 1, 7));
    assert_eq!((op.last_code.as_str(), op.last_reason.as_str()), ("UNAVAILABLE", "GONE|no connection"));
    let next_s = op.next_at.unwrap().seconds - now_us() / 1_000_000;
    assert!((40..=73).contains(&next_s), "{next_s}");
    assert!(op.rule.contains("from 60000 ms") && told.unblocked_by.iter().any(|way| way.contains("retry")));

    pause(&world, &live).await;
    let told = until(&world, &live, Situation::Paused).await;
    assert!(told.summary.contains("by alice (maintenance)"), "{}", told.summary);
    assert!(told.unblocked_by[0].contains(&format!("amends resume {}", live.base().gid)));
    world.cancel(&live).await;
    assert_eq!(world.end(&live.base().gid).await, Status::Cancelled);
    let told = until(&world, &live, Situation::Finished).await;
    assert!(told.summary.contains("it was cancelled") && told.ops.is_empty(), "{told:?}");
}

#[tokio::test]
async fn a_call_and_a_review_are_told_from_a_retry() {
    let world = World::start().await;
    let gate = world.branches.hold("action", "01");
    let live = world.go(world.plan(Mode::Saga, 1, None, 0)).await;
    let told = until(&world, &live, Situation::Calling).await;
    assert!(told.unblocked_by[0].contains("timeout of 1000 ms"), "{told:?}");
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    world.branches.answers(10_000, FIRST, Code::FailedPrecondition, "UNDER_REVIEW|people decide");
    let reviewed = world.go(world.plan(Mode::Saga, 1, None, 0)).await;
    let told = until(&world, &reviewed, Situation::UnderReview).await;
    assert_eq!(told.attention[0].cause, "under_review");
    assert!(told.ops[0].rule.contains("asked again within 2 s"), "{told:?}");
}

#[tokio::test]
async fn an_open_lane_is_told_with_the_time_of_its_probe() {
    let world = World::start().await;
    let settings =
        LaneSettings { failures: 1, open_ms: 60_000, open_max_ms: 60_000, ..LaneSettings::default() };
    world.set_lane("scripted", settings).await;
    world.branches.answers(10_000, FIRST, Code::Unavailable, "GONE|x");
    let live = world.go(world.plan(Mode::Saga, 1, None, 0)).await;
    let told = until(&world, &live, Situation::LaneOpen).await;
    assert!(told.summary.contains("before the lane of scripted: its breaker is open"), "{}", told.summary);
    assert!(told.ops[0].next_at.unwrap().seconds > now_us() / 1_000_000 + 30, "{told:?}");
    assert_eq!(told.ops[0].last_code, "UNAVAILABLE");
}

#[tokio::test]
async fn a_restart_and_a_coordinator_that_is_away_are_told() {
    let mut world = World::start().await;
    let gate = world.branches.hold_all(10_000, "action", "02");
    let live = world.go(world.plan(Mode::Saga, 2, None, 0)).await;
    world.branches.until("action 01, action 02", PATIENCE).await;
    let gid = live.base().gid.clone();
    if !EMBEDDED {
        world.child.kill().await.unwrap();
    }
    world.restart_orchestrator().await;
    let live = world.engine.find(&gid).await.unwrap().unwrap();
    if EMBEDDED {
        let told = until(&world, &live, Situation::Calling).await;
        assert_eq!((told.coordinator.as_str(), told.ops[0].branch_id.as_str()), ("embedded", "02"));
    } else {
        let told = told(&world, &live, now_us()).await;
        assert_eq!(told.situation(), Situation::CoordinatorAway, "{told:?}");
        assert!(told.unblocked_by[0].contains("DTM is back"), "{told:?}");
        world.restart_dtm().await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = explain(&world.engine, now_us(), &gid).await.unwrap();
            if told.situation() == Situation::Calling {
                break;
            }
            let before = [Situation::CoordinatorAway, Situation::TakingUp, Situation::WaitingForRetry];
            assert!(before.contains(&told.situation()), "{told:?}");
            assert!(Instant::now() < deadline, "{told:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    drop(gate);
    assert_eq!(world.end(&gid).await, Status::Succeeded);
}

#[tokio::test]
async fn a_payload_of_an_unknown_method_is_told_by_size_and_hash_only() {
    let world = World::start().await;
    let live = world.go(world.plan(Mode::Saga, 1, None, 0)).await;
    let shown = payloads(&world.engine, &live.base().gid).await.unwrap().payloads.remove(0);
    assert_eq!((shown.r#type.as_str(), shown.json.as_str(), shown.size), ("", "", 1));
    assert_eq!(shown.sha256, "ca358758f6d27e6cf45272937977a748fd88391db679ceda7dc7bf1f005ee879");
}
