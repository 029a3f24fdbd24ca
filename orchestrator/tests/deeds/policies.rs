//! Retry policies and times: what is repeated, what is given up, when a person is called, and what a restart remembers.

use super::world::{PATIENCE, World};
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::Live;
use amends_orchestrator::history::{Attention, State, Status};
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::amends::v1::{self as pb, RetryPolicy, StepPolicy};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::Code;

impl World {
    /// A plan with a second step of another policy.
    fn with_policy(
        &self,
        mode: Mode,
        (steps, pivot): (usize, Option<usize>),
        change: impl FnOnce(&mut StepPolicy),
    ) -> Plan {
        let mut body = self.plan(mode, steps, pivot, 0).body().clone();
        change(body.steps[1].policy.as_mut().unwrap());
        Plan::new(body).unwrap()
    }

    /// A plan that has so much time.
    fn with_time(&self, mode: Mode, pivot: Option<usize>, timeout_ms: i32) -> Plan {
        let body = pb::Plan { timeout_ms, ..self.plan(mode, 3, pivot, 0).body().clone() };
        Plan::new(body).unwrap()
    }

    async fn said(&self, gid: &str) -> Vec<(String, String, String)> {
        let rows = self.engine.history().reader.rows(gid, 1).await.unwrap();
        rows.into_iter().map(|row| (row.kind, row.code, row.reason)).collect()
    }
}

async fn attention(live: &Arc<Live>, cause: &str) -> Attention {
    let open = |state: &State| state.attention.iter().any(|open| open.cause == cause);
    let state = timeout(PATIENCE, live.until(open)).await.expect(cause);
    state.attention.iter().find(|open| open.cause == cause).unwrap().clone()
}

fn count(said: &[(String, String, String)], kind: &str, code: &str) -> usize {
    said.iter().filter(|(k, c, _)| k == kind && c == code).count()
}

#[tokio::test]
async fn a_step_that_times_out_three_times_succeeds_with_the_fourth_attempt() {
    let world = World::start().await;
    for (mode, op) in [(Mode::Saga, "action"), (Mode::Tcc, "try")] {
        let gate = world.branches.hold_all(3, op, "02");
        let live = world.go(world.with_policy(mode, (2, None), |it| it.attempt_timeout_ms = 100)).await;
        let gid = live.base().gid.clone();
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        let forward = &live.state().steps[1].forward;
        assert_eq!((forward.attempts, forward.failures), (4, 3));
        // Whose clock is first: the participant, which is told the time, may say CANCELLED.
        let said = world.said(&gid).await;
        let timed_out = ["DEADLINE_EXCEEDED", "CANCELLED"].map(|code| count(&said, "attempt_unknown", code));
        assert_eq!(timed_out.iter().sum::<usize>(), 3, "{said:?}");
        drop(gate);
        world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    }
}

/// It calls for a person by its own limit, goes on, and needs nobody when it is done.
#[tokio::test]
async fn a_compensation_that_fails_twenty_times_is_done_by_the_next() {
    let world = World::start().await;
    for (mode, op, refused) in [(Mode::Saga, "compensate", "action"), (Mode::Tcc, "cancel", "try")] {
        world.branches.answer(refused, "03", Code::Aborted, "OUT_OF_IT|no more");
        world.branches.answers(20, (op, "02"), Code::Unavailable, "GONE|x");
        let undo = RetryPolicy {
            initial_interval_ms: 5,
            max_interval_ms: 20,
            max_attempts: 10,
            ..RetryPolicy::default()
        };
        let live = world.go(world.with_policy(mode, (3, None), |it| it.undo = Some(undo))).await;
        let gid = live.base().gid.clone();
        let called = attention(&live, "retries_exhausted").await;
        assert_eq!(called.text, "10 attempts failed: UNAVAILABLE GONE|x");
        assert_eq!(world.end(&gid).await, Status::Failed);
        assert_eq!(live.state().steps[1].undo.attempts, 21);
        assert_eq!(live.state().cause().unwrap().text(), "OUT_OF_IT|no more", "it stays the reason");
        let said = world.said(&gid).await;
        let of = |kind: &str| count(&said, kind, "retries_exhausted");
        assert_eq!((of("attention_opened"), of("attention_closed")), (1, 1));
        assert_eq!(world.branches.order().matches(&format!("{op} 01")).count(), 1, "behind it, once");
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_step_that_is_safe_to_give_up_is_undone_when_its_attempts_are_used_up() {
    let world = World::start().await;
    for (mode, op, undo) in [(Mode::Saga, "action", "compensate"), (Mode::Tcc, "try", "cancel")] {
        let earlier = world.branches.calls().len();
        world.branches.answers(3, (op, "02"), Code::Unavailable, "GONE|x");
        let plan = world.with_policy(mode, (3, None), |it| {
            (it.max_attempts, it.safe_to_give_up) = (3, true);
            // Whoever waited for another attempt would be late.
            (it.initial_interval_ms, it.max_interval_ms, it.factor_percent) = (20, 60_000, 1_000);
        });
        let live = world.go(plan).await;
        let gid = live.base().gid.clone();
        assert_eq!(world.end(&gid).await, Status::Failed);
        let cause = live.state().cause().unwrap().clone();
        assert_eq!(
            (cause.name(), cause.text()),
            ("given_up", "step 02: 3 attempts failed, the last with UNAVAILABLE")
        );
        let calls = &world.branches.calls()[earlier..];
        let order: Vec<String> = calls.iter().map(|call| format!("{} {}", call.op, call.branch_id)).collect();
        let expected = [(op, "01"), (op, "02"), (op, "02"), (op, "02"), (undo, "02"), (undo, "01")];
        assert_eq!(order, expected.map(|(op, branch_id)| format!("{op} {branch_id}")));
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

#[tokio::test]
async fn a_step_that_is_exhausted_calls_a_person_and_goes_on() {
    let world = World::start().await;
    world.branches.answers(6, ("action", "02"), Code::Unavailable, "GONE|x");
    let live = world.go(world.with_policy(Mode::Saga, (2, None), |it| it.max_attempts = 4)).await;
    let called = attention(&live, "retries_exhausted").await;
    assert_eq!(called.text, "4 attempts failed: UNAVAILABLE GONE|x");
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    assert_eq!(live.state().steps[1].forward.attempts, 7);
}

/// The time counts while nothing is attempted, too.
#[tokio::test]
async fn a_step_that_waits_for_too_long_calls_a_person_before_its_next_attempt() {
    let world = World::start().await;
    world.branches.answer("action", "02", Code::FailedPrecondition, "IN_PROGRESS|x");
    let live = world
        .go(world.with_policy(Mode::Saga, (2, None), |it| {
            (it.initial_interval_ms, it.attention_after_ms, it.jitter_percent) = (1_500, 100, Some(0));
        }))
        .await;
    let called = attention(&live, "in_progress_too_long").await;
    assert_eq!(called.text, "no outcome within 100 ms: FAILED_PRECONDITION IN_PROGRESS|x");
    assert_eq!(live.state().steps[1].forward.attempts, 1);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    assert!(live.state().finished_us - called.since_us > 1_000_000, "the interval stays what it was");
}

#[tokio::test]
async fn a_restart_neither_gives_new_attempts_nor_new_time() {
    let mut world = World::start().await;
    world.branches.answers(5, ("action", "02"), Code::Unavailable, "GONE|x");
    let plan = world.with_policy(Mode::Saga, (2, None), |it| {
        (it.max_attempts, it.safe_to_give_up) = (3, true);
        (it.initial_interval_ms, it.factor_percent, it.max_interval_ms) = (20, 1_000, 60_000);
        it.jitter_percent = Some(0);
    });
    let mut body = plan.body().clone();
    body.steps[1].policy.as_mut().unwrap().initial_interval_ms = 5_000;
    let live = world.go(Plan::new(body).unwrap()).await;
    let gid = live.base().gid.clone();
    timeout(PATIENCE, live.until(|state| state.steps[1].forward.failures == 1)).await.unwrap();
    // Each start makes an attempt at once.
    world.restart_orchestrator().await;
    let live = world.engine.find(&gid).await.unwrap().unwrap();
    timeout(PATIENCE, live.until(|state| state.steps[1].forward.failures == 2)).await.unwrap();
    world.restart_orchestrator().await;
    assert_eq!(world.end(&gid).await, Status::Failed);
    let made = world.branches.order().matches("action 02").count();
    assert_eq!(made, 3, "{}", world.branches.order());
}

#[tokio::test]
async fn a_poke_ends_the_wait_for_the_next_attempt() {
    let world = World::start().await;
    world.branches.answer("action", "02", Code::Unavailable, "GONE|x");
    let plan = world.with_policy(Mode::Saga, (2, None), |it| {
        (it.initial_interval_ms, it.max_interval_ms) = (60_000, 60_000);
    });
    let live = world.go(plan).await;
    timeout(PATIENCE, live.until(|state| state.steps[1].forward.failures == 1)).await.unwrap();
    live.poke();
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn time_that_is_over_before_the_pivot_undoes_everything() {
    let world = World::start().await;
    for (mode, op) in [(Mode::Saga, "action"), (Mode::Tcc, "try")] {
        let pivot = (mode == Mode::Saga).then_some(2);
        let mut body = world.with_time(mode, pivot, 300).body().clone();
        body.steps[1].policy.as_mut().unwrap().initial_interval_ms = 60_000;
        world.branches.answer(op, "02", Code::Unavailable, "GONE|x");
        let began = Instant::now();
        let live = world.go(Plan::new(body).unwrap()).await;
        let gid = live.base().gid.clone();
        assert_eq!(world.end(&gid).await, Status::Failed);
        assert!((300..8_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let cause = live.state().cause().unwrap().clone();
        assert_eq!((cause.name(), cause.text()), ("deadline", "the time of 300 ms was over"));
        assert!(world.branches.order().ends_with("02, compensate 01") || mode == Mode::Tcc);
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

#[tokio::test]
async fn time_that_is_over_behind_the_pivot_calls_a_person_and_it_goes_forward() {
    let world = World::start().await;
    for (mode, op) in [(Mode::Saga, "action"), (Mode::Tcc, "confirm")] {
        let pivot = (mode == Mode::Saga).then_some(0);
        let gate = world.branches.hold_all(30, op, "02");
        let mut body = world.with_time(mode, pivot, 500).body().clone();
        body.steps[1].policy.as_mut().unwrap().attempt_timeout_ms = 100;
        let live = world.go(Plan::new(body).unwrap()).await;
        let called = attention(&live, "deadline_behind_pivot").await;
        assert_eq!((called.at, called.text.as_str()), (None, "the time of 500 ms was over"));
        drop(gate);
        assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
    }
}

#[tokio::test]
async fn a_steps_deadline_behind_the_pivot_calls_a_person_and_it_goes_forward() {
    let world = World::start().await;
    world.branches.answers(8, ("action", "02"), Code::Unavailable, "GONE|x");
    let live = world.go(world.with_policy(Mode::Saga, (2, Some(0)), |it| it.step_timeout_ms = 50)).await;
    let called = attention(&live, "deadline_behind_pivot").await;
    assert!(called.text.starts_with("no outcome by its deadline of 50 ms: UNAVAILABLE"), "{}", called.text);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

/// The caller's own patience is never the transaction's.
#[tokio::test]
async fn a_caller_that_does_not_wait_changes_nothing() {
    let world = World::start().await;
    let gate = world.branches.hold("action", "01");
    let plan = world.plan(Mode::Saga, 1, None, 0);
    let live = world.go(plan).await;
    assert!(timeout(Duration::from_millis(50), world.end(&live.base().gid)).await.is_err());
    drop(gate);
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}
