//! Lanes in the engine: a participant that hangs or is away holds up its own calls and nobody else's.

use super::world::{PATIENCE, World};
use amends_dtm::Op;
use amends_orchestrator::engine::{LaneSettings, LaneView, Live, Phase, Why};
use amends_orchestrator::history::{State, Status};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

/// Orchestration item 12: without lanes, DTM takes 104 s.
const QUICK: Duration = Duration::from_secs(5);

fn steered(world: &World, participant: &str, definition: &str) -> Plan {
    let mut plan = world.plan(Mode::Saga, 1, None, 0).body().clone();
    plan.definition = definition.to_owned();
    plan.steps[0].participant = participant.to_owned();
    Plan::new(plan).unwrap()
}

fn lane(world: &World, participant: &str) -> LaneView {
    world.engine.lanes().views().into_iter().find(|lane| lane.name == participant).unwrap()
}

/// Waits until the lane is as wanted.
async fn until_lane(world: &World, participant: &str, wanted: impl Fn(&LaneView) -> bool) -> LaneView {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = lane(world, participant);
        if wanted(&view) {
            return view;
        }
        assert!(Instant::now() < deadline, "{view:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn go_all(world: &World, count: usize, participant: &str) -> Vec<Arc<Live>> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(world.go(steered(world, participant, "test")).await);
    }
    all
}

async fn end_all(world: &World, all: &[Arc<Live>]) {
    for live in all {
        assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    }
}

#[tokio::test]
async fn forty_that_hang_do_not_delay_a_retry_at_another_participant() {
    let world = World::start().await;
    let gate = world.branches.hold_all(10_000, "action", "01");
    let hanging = go_all(&world, 40, "scripted").await;
    world.other.answer("action", "01", Code::Unavailable, "GONE|x");
    let began = Instant::now();
    let quick = world.go(steered(&world, "other", "test")).await;
    assert_eq!(world.end(&quick.base().gid).await, Status::Succeeded);
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    assert_eq!(world.other.order(), "action 01, action 01");
    assert!(hanging.iter().all(|live| live.state().end.is_none()), "they do hang");
    drop(gate);
    end_all(&world, &hanging).await;
}

#[tokio::test]
async fn a_participant_that_is_away_is_left_alone_until_it_is_back() {
    let world = World::start().await;
    let settings = "failures=5,open_ms=200,open_max_ms=400,slow_start_ms=500";
    world.set_lane("scripted", settings.parse().unwrap()).await;
    world.branches.answers(10_000, ("action", "01"), Code::Unavailable, "AWAY|x");
    let all = go_all(&world, 30, "scripted").await;
    let shut = |lane: &LaneView| lane.figures.phase.0 != Phase::Closed;
    let view = until_lane(&world, "scripted", |lane| shut(lane) && lane.figures.waiting == waiting(30)).await;
    assert!(view.ago(view.figures.phase.1) < PATIENCE);
    let (calls, seqs) = (world.branches.calls().len(), last_seqs(&all));
    // Whole rounds of waiting, in which only probes are made and only whoever makes one has anything to record.
    let rounds = Instant::now() + Duration::from_millis(1_200);
    until_lane(&world, "scripted", |_| Instant::now() > rounds).await;
    let probes = world.branches.calls().len() - calls;
    assert!((1..=8).contains(&probes), "{probes} calls of a participant that is away");
    let moved = last_seqs(&all).iter().zip(&seqs).filter(|(now, then)| now > then).count();
    // One may have been under way when they were counted.
    assert!(moved <= probes + 1, "{moved} histories grew by {probes} probes");
    world.branches.answers(0, ("action", "01"), Code::Ok, "");
    end_all(&world, &all).await;
    let view = until_lane(&world, "scripted", |lane| lane.figures.slow_start_ends.is_none()).await;
    assert_eq!((view.figures.phase.0, view.figures.in_flight, view.figures.width), (Phase::Closed, 0, 128));
}

fn waiting(count: usize) -> Vec<(String, usize)> {
    vec![("test".to_owned(), count)]
}

fn last_seqs(all: &[Arc<Live>]) -> Vec<i64> {
    all.iter().map(|live| live.state().last_seq).collect()
}

#[tokio::test]
async fn in_progress_never_shuts_a_lane() {
    let world = World::start().await;
    world.set_lane("scripted", "failures=1".parse().unwrap()).await;
    world.branches.answers(60, ("action", "01"), Code::FailedPrecondition, "IN_PROGRESS|x");
    let all = go_all(&world, 5, "scripted").await;
    end_all(&world, &all).await;
    let figures = lane(&world, "scripted").figures;
    assert_eq!((figures.calls, figures.repeats), (65, 0), "asked again, and no repeat");
}

#[tokio::test]
async fn a_lane_keeps_its_rate_and_its_definitions_take_turns() {
    let world = World::start().await;
    let settings: LaneSettings = "rate=20,concurrency=4".parse().unwrap();
    world.set_lane("scripted", settings).await;
    let (mut all, began) = (Vec::new(), Instant::now().into_std());
    for _ in 0..30 {
        all.push(world.go(steered(&world, "scripted", "big")).await);
    }
    let small = world.go(steered(&world, "scripted", "small")).await;
    assert_eq!(world.end(&small.base().gid).await, Status::Succeeded);
    let open = all.iter().filter(|live| live.state().end.is_none()).count();
    assert!(open > 10, "it went past a backlog of which {open} were left");
    end_all(&world, &all).await;
    for (before, call) in world.branches.calls().iter().enumerate() {
        // Counted from the start: a busy machine may see calls late, and then close together, but none too early.
        let allowed = 2.0 + 20.0 * (call.at - began).as_secs_f64();
        assert!(before as f64 <= allowed, "{before} calls before this one, {allowed:.1} were allowed");
    }
}

/// A cancel is for whoever waits, too: the lane need not open for it.
#[tokio::test]
async fn what_waits_for_a_shut_lane_can_be_cancelled() {
    let world = World::start().await;
    world.set_lane("scripted", "failures=1,open_ms=60000,open_max_ms=60000".parse().unwrap()).await;
    world.branches.answers(10_000, ("action", "01"), Code::Unavailable, "AWAY|x");
    let all = go_all(&world, 2, "scripted").await;
    until_lane(&world, "scripted", |lane| lane.figures.waiting == waiting(2)).await;
    let cancelled = &all[0];
    world.cancel(cancelled).await;
    // Nobody knows for certain that it did nothing, so its undo waits for the lane now.
    let undo = OpRef { step: 0, op: Op::Compensate };
    cancelled.until(State::undoing).await;
    let began = Instant::now();
    while !cancelled.waits().all().iter().any(|(at, wait)| *at == undo && wait.why == Why::BreakerOpen) {
        assert!(began.elapsed() < PATIENCE, "{:?}", cancelled.waits().all());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(lane(&world, "scripted").figures.waiting, waiting(2));
    world.branches.answers(0, ("action", "01"), Code::Ok, "");
    world.set_lane("scripted", "failures=0".parse().unwrap()).await;
    assert_eq!(world.end(&cancelled.base().gid).await, Status::Cancelled);
}
