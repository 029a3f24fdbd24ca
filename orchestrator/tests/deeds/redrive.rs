//! Another run from where one failed: what was done is not done again, limits count anew, and a restart forgets neither.

use super::steering::waits;
use super::world::{PATIENCE, World};
use amends_dtm::{Gid, Op};
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::{ActError, Denied, Live, Seen};
use amends_orchestrator::errands::{Deed, Errands};
use amends_orchestrator::history::{
    Act, Deadlines, Errand, ErrandItem, Held, PENDING, Standing, State, Status,
};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use amends_proto::amends::v1::{RetryPolicy, StepPolicy};
use std::sync::Arc;
use tokio::time::{Instant, timeout};
use tonic::Code;

/// Longer than any test waits: whatever goes on earlier was woken.
const NEVER_MS: i32 = 600_000;

impl World {
    async fn redrive(&self, live: &Arc<Live>, seen: Seen) -> Result<(), ActError> {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.redrive(&live, seen, &Act::of("ann", "repaired")).await }).await
    }

    async fn denied(&self, live: &Arc<Live>) -> &'static str {
        match self.redrive(live, 0).await {
            Err(ActError::Denied(why)) => why.reason(),
            other => panic!("{other:?}"),
        }
    }

    /// The second step waits for ever between its attempts, and has this policy.
    fn stubborn(
        &self,
        mode: Mode,
        (steps, pivot): (usize, Option<usize>),
        change: impl FnOnce(&mut StepPolicy),
    ) -> Plan {
        let mut body = self.plan(mode, steps, pivot, 0).body().clone();
        let policy = body.steps[1].policy.as_mut().unwrap();
        (policy.initial_interval_ms, policy.max_interval_ms) = (NEVER_MS, NEVER_MS);
        change(policy);
        Plan::new(body).unwrap()
    }

    /// What the second step's op answers the next times.
    fn fails(&self, plan: &Plan, op: &str, times: usize) {
        self.branches.answers_of(plan.gid().as_str(), times, (op, "02"), Code::Unavailable, "GONE|x");
    }
}

fn second(op: Op) -> OpRef {
    OpRef { step: 1, op }
}

async fn until(live: &Live, what: &str, wanted: impl Fn(&State) -> bool) -> Arc<State> {
    timeout(PATIENCE, live.until(wanted)).await.unwrap_or_else(|_| panic!("{what}: {:?}", live.state()))
}

fn called_for(cause: &str) -> impl Fn(&State) -> bool {
    move |state| state.attention.iter().any(|open| open.cause == cause)
}

/// It waits for its next attempt, so many of which were made.
fn failed(at: OpRef, attempts: u32) -> impl Fn(&State) -> bool {
    move |state| state.op(at).attempts == attempts && state.op(at).standing == Standing::Waiting
}

#[tokio::test]
async fn an_exhausted_step_goes_on_in_another_run_and_what_was_done_is_not_done_again() {
    let world = World::start().await;
    for (mode, op, order) in [
        (Mode::Saga, Op::Action, "action 01, action 02, action 02, action 03"),
        (Mode::Tcc, Op::Try, "try 01, try 02, try 02, try 03, confirm 03, confirm 02, confirm 01"),
    ] {
        let plan = world.stubborn(mode, (3, None), |policy| policy.max_attempts = 1);
        world.fails(&plan, op.as_str(), 1);
        let live = world.go(plan).await;
        let gid = live.base().gid.clone();
        let stuck = until(&live, "exhausted", called_for("retries_exhausted")).await;
        let late = world.redrive(&live, stuck.last_seq - 1).await.unwrap_err();
        assert!(matches!(late, ActError::Denied(Denied::Changed { .. })), "{late:?}");
        world.redrive(&live, stuck.last_seq).await.unwrap();
        let state = live.state();
        assert!(!called_for("retries_exhausted")(&state), "the need for a person is over");
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        assert_eq!(world.branches.order_of(&gid), order);
        let redrive = live.state().redrive.clone().unwrap();
        assert_eq!(
            (redrive.run, redrive.from, redrive.act.reason.as_str()),
            (2, vec![second(op)], "repaired")
        );
        let kinds = world.kinds(&gid).await;
        let place = kinds.iter().position(|kind| kind == "operator_redriven").unwrap();
        assert_eq!(kinds[place + 1], "attention_closed", "{kinds:?}");
        assert_eq!(world.denied(&live).await, "ENDED");
        world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    }
}

#[tokio::test]
async fn a_restart_keeps_the_counts_of_the_run() {
    let mut world = World::start().await;
    let plan = world.stubborn(Mode::Saga, (3, None), |policy| policy.max_attempts = 2);
    let at = second(Op::Action);
    world.fails(&plan, "action", 4);
    let live = world.go(plan).await;
    let gid = live.base().gid.clone();
    until(&live, "first", failed(at, 1)).await;
    world.retry(&live, 0, Some(at)).await.unwrap();
    until(&live, "exhausted", called_for("retries_exhausted")).await;
    world.redrive(&live, 0).await.unwrap();
    let tried = until(&live, "third", failed(at, 3)).await;
    assert_eq!((tried.op(at).failures, tried.attention.len()), (1, 0), "two more may fail, one has");
    world.restart_orchestrator().await;
    let live = world.engine.find(&gid).await.unwrap().unwrap();
    assert_eq!((live.state().run(), live.state().op(at).renewed), (2, tried.op(at).renewed));
    let stuck = until(&live, "exhausted again", called_for("retries_exhausted")).await;
    assert_eq!((stuck.op(at).attempts, stuck.op(at).failures), (4, 2), "the one before the crash counts");
    world.redrive(&live, 0).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(live.state().run(), 3);
    let order = ["action 01", &["action 02"; 5].join(", "), "action 03"].join(", ");
    assert_eq!(world.branches.order_of(&gid), order);
    let kinds = world.kinds(&gid).await.join(" ");
    for (kind, count) in [("operator_redriven", 2), ("attention_opened", 2), ("attention_closed", 2)] {
        assert_eq!(kinds.matches(kind).count(), count, "{kinds}");
    }
}

/// Said at each place where there is nothing to go on from, and why.
#[tokio::test]
async fn a_run_is_refused_where_nothing_failed_in_a_pause_and_once_it_is_taken_back() {
    let world = World::start().await;
    for (mode, op) in [(Mode::Saga, Op::Action), (Mode::Tcc, Op::Try)] {
        let undo = if mode == Mode::Tcc { "cancel" } else { "compensate" };
        let plan = world.stubborn(mode, (2, None), |_| {});
        let gid = plan.gid().as_str().to_owned();
        world.fails(&plan, op.as_str(), 2);
        world.fails(&plan, undo, 1);
        let gate = world.branches.hold_of(&gid, (op.as_str(), "01"));
        let live = world.go(plan).await;
        world.branches.until_of(&gid, &format!("{} 01", op.as_str()), PATIENCE).await;
        assert_eq!(world.denied(&live).await, "NOTHING_FAILED", "it is being called for the first time");
        drop(gate);
        until(&live, "first", failed(second(op), 1)).await;
        let held = Held::Definition("test".to_owned());
        world.hold_by(held.clone(), Deadlines::Stop).await;
        assert_eq!(world.denied(&live).await, "PAUSED", "what it would go on from is held back");
        world.release(held).await;
        world.pause(&live, Deadlines::Stop).await.unwrap();
        assert_eq!(world.denied(&live).await, "PAUSED");
        world.resume(&live).await.unwrap();
        until(&live, "second", failed(second(op), 2)).await;
        let before = live.state().last_seq;
        world.cancel(&live).await;
        assert_eq!(world.denied(&live).await, "COMPENSATING");
        until(&live, "undo", |state| state.steps[1].undo.standing == Standing::Waiting).await;
        assert_eq!(world.denied(&live).await, "COMPENSATING", "an undo is retried, not redriven");
        assert_eq!(live.state().run(), 1);
        let undo = OpRef { step: 1, op: live.plan.undo_op() };
        world.retry(&live, 0, Some(undo)).await.unwrap();
        assert_eq!(world.end(&gid).await, Status::Cancelled);
        let kinds = world.kinds(&gid).await;
        assert!(live.state().last_seq > before && !kinds.contains(&"operator_redriven".to_owned()));
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
}

/// A refusal behind the pivot is not gone on from: a participant keeps its word, and a person states what became of it.
#[tokio::test]
async fn what_was_refused_behind_the_pivot_is_not_redriven() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 2, Some(0), 0);
    world.branches.answer_of(plan.gid().as_str(), ("action", "02"), Code::Aborted, "NO|x");
    let live = world.go(plan).await;
    until(&live, "refused", called_for("refused_behind_pivot")).await;
    assert_eq!(world.denied(&live).await, "SETTLED");
}

/// Behind the pivot, and after the commit decision, there is only forward: that is redriven too.
#[tokio::test]
async fn what_is_overdue_behind_the_pivot_and_a_confirm_go_on_in_another_run() {
    let world = World::start().await;
    let plan = world.stubborn(Mode::Saga, (2, Some(0)), |policy| policy.step_timeout_ms = 50);
    world.fails(&plan, "action", 1);
    let confirm = RetryPolicy { initial_interval_ms: NEVER_MS, max_attempts: 1, ..RetryPolicy::default() };
    let tcc = world.stubborn(Mode::Tcc, (2, None), |policy| policy.confirm = Some(confirm));
    world.fails(&tcc, "confirm", 1);
    for (plan, cause, at) in
        [(plan, "deadline_behind_pivot", second(Op::Action)), (tcc, "retries_exhausted", second(Op::Confirm))]
    {
        let live = world.go(plan).await;
        let gid = live.base().gid.clone();
        until(&live, cause, called_for(cause)).await;
        // The step's time may be over before its first attempt is.
        until(&live, "failed", |state| !state.op(at).last_code.is_empty()).await;
        world.redrive(&live, 0).await.unwrap();
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        assert_eq!(live.state().redrive.as_ref().unwrap().from, [at]);
        assert!(live.state().attention.is_empty());
        world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    }
}

#[tokio::test]
async fn the_time_of_a_step_counts_anew() {
    const TOTAL_MS: i64 = 300;
    let world = World::start().await;
    let total_ms = i32::try_from(TOTAL_MS).unwrap();
    let plan = world.stubborn(Mode::Saga, (2, None), |policy| policy.attention_after_ms = total_ms);
    world.fails(&plan, "action", 2);
    let live = world.go(plan).await;
    until(&live, "too long", called_for("retries_exhausted")).await;
    world.redrive(&live, 0).await.unwrap();
    let again = until(&live, "too long again", called_for("retries_exhausted")).await;
    let since_us = again.redrive.as_ref().unwrap().since_us;
    let took_us = again.attention[0].since_us - since_us;
    assert!(took_us >= TOTAL_MS * 1_000, "{took_us} µs of a run that has {TOTAL_MS} ms");
    world.redrive(&live, 0).await.unwrap();
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

/// What a participant is at goes on, and is not called beside it.
#[tokio::test]
async fn an_attempt_that_is_under_way_is_the_first_of_the_run() {
    let world = World::start().await;
    let plan = world.stubborn(Mode::Saga, (2, None), |policy| {
        (policy.max_attempts, policy.attempt_timeout_ms) = (1, 20_000);
    });
    let gid = plan.gid().as_str().to_owned();
    world.fails(&plan, "action", 1);
    let live = world.go(plan).await;
    let at = second(Op::Action);
    until(&live, "exhausted", called_for("retries_exhausted")).await;
    let gate = world.branches.hold_of(&gid, ("action", "02"));
    world.retry(&live, 0, Some(at)).await.unwrap();
    until(&live, "under way", |state| state.op(at).standing == Standing::Attempted).await;
    world.redrive(&live, 0).await.unwrap();
    assert_eq!(world.denied(&live).await, "NOTHING_FAILED", "said again");
    drop(gate);
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order_of(&gid), "action 01, action 02, action 02");
    assert_eq!(live.state().op(at).attempts_in_run(), 1);
}

/// In bulk each is redriven like by hand.
#[tokio::test]
async fn many_are_redriven_at_once() {
    let world = World::start().await;
    let (mut gids, mut lives) = (Vec::new(), Vec::new());
    for fails in [1, 1, 0] {
        let plan = world.stubborn(Mode::Saga, (2, None), |_| {});
        world.fails(&plan, "action", fails);
        gids.push(plan.gid().as_str().to_owned());
        lives.push(world.go(plan).await);
    }
    for live in &lives[..2] {
        until(live, "stuck", waits(second(Op::Action))).await;
    }
    assert_eq!(world.end(&gids[2]).await, Status::Succeeded);
    let errands = Errands::new(Arc::clone(&world.engine));
    let (running, begun) = (errands.clone(), errands.clone());
    let id = Gid::generate().as_str().to_owned();
    let errand = Errand {
        id: id.clone(),
        act: Deed::Redrive.name().to_owned(),
        filter: "code = UNAVAILABLE".to_owned(),
        subject: "ann".to_owned(),
        reason: "the bank is back".to_owned(),
        per_second: 100,
        created_at_us: 1,
    };
    let all = gids.clone();
    world
        .within(async move {
            drop(tokio::spawn(running.run()));
            begun.begin(errand, &all).await
        })
        .await
        .unwrap();
    for gid in &gids {
        assert_eq!(world.end(gid).await, Status::Succeeded);
    }
    let items = settled(&errands, &id).await;
    for item in items {
        let refused = item.gid == gids[2];
        assert_eq!(item.state, if refused { "refused" } else { "done" }, "{item:?}");
        assert_eq!(item.message.starts_with("ENDED|"), refused, "{item:?}");
    }
    for live in &lives[..2] {
        let act = live.state().redrive.clone().unwrap().act;
        assert_eq!((act.subject.as_str(), act.reason.as_str()), ("ann", "the bank is back"));
    }
}

async fn settled(errands: &Errands, id: &str) -> Vec<ErrandItem> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let items = errands.book().items(id, "", 100).await.unwrap();
        if items.iter().all(|item| item.state != PENDING) {
            return items;
        }
        assert!(Instant::now() < deadline, "{items:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
