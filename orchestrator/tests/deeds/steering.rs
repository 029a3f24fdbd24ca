//! What people do to a global transaction, on either coordinator: pause, resume, retry, resolve, cancel.

use super::world::{EMBEDDED, PATIENCE, World};
use amends_dtm::Op;
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::{ActError, Approval, Denied, Live, Seen, Statement};
use amends_orchestrator::history::{
    Act, Cause, Deadlines, Held, Hold, Resolution, Standing, State, Status, Verdict,
};
use amends_orchestrator::plan::{Mode, OpRef, Plan};
use amends_proto::amends::v1::StepPolicy;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

/// Where many are played at the same time.
pub const PATIENT: Duration = Duration::from_secs(60);
/// Longer than any test waits: whatever goes on earlier was woken.
const NEVER_MS: i32 = 600_000;

impl World {
    pub async fn pause(&self, live: &Arc<Live>, deadlines: Deadlines) -> Result<(), ActError> {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.pause(&live, 0, deadlines, &Act::of("ann", "look")).await }).await
    }

    pub async fn resume(&self, live: &Arc<Live>) -> Result<(), ActError> {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.resume(&live, 0, &Act::of("bob", "go on")).await }).await
    }

    pub async fn retry(&self, live: &Arc<Live>, seen: Seen, at: Option<OpRef>) -> Result<(), ActError> {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.retry_now(&live, seen, at, &Act::of("ann", "now")).await }).await
    }

    pub async fn resolve(&self, live: &Arc<Live>, at: OpRef, outcome: Resolution) -> Result<bool, ActError> {
        let act = Act { evidence: "the bank says so".into(), ..Act::of("ann", "the bank says so") };
        self.state_it(live, Statement { at, outcome, act, approval: Approval::One }).await
    }

    async fn state_it(&self, live: &Arc<Live>, said: Statement) -> Result<bool, ActError> {
        let (engine, live) = (Arc::clone(&self.engine), Arc::clone(live));
        self.within(async move { engine.resolve(&live, 0, &said).await }).await
    }

    async fn hold(&self, on: Held) {
        self.hold_by(on, Deadlines::Stop).await;
    }

    pub async fn hold_by(&self, on: Held, deadlines: Deadlines) {
        let engine = Arc::clone(&self.engine);
        let act = Act::of("ann", "maintenance");
        let since_us = engine.now_us();
        let hold = Hold { on, since_us, deadlines, act, ended: None };
        assert!(self.within(async move { engine.begin_hold(&hold).await }).await.unwrap());
    }

    pub async fn release(&self, on: Held) {
        let engine = Arc::clone(&self.engine);
        let act = Act::of("bob", "over");
        assert!(self.within(async move { engine.end_hold(&on, &act).await }).await.unwrap());
    }

    /// As [`World::plan`], with this policy in each step.
    fn planned(
        &self,
        mode: Mode,
        steps: usize,
        pivot: Option<usize>,
        change: impl Fn(&mut StepPolicy),
    ) -> Plan {
        let mut body = self.plan(mode, steps, pivot, 0).body().clone();
        for step in &mut body.steps {
            change(step.policy.as_mut().unwrap());
        }
        Plan::new(body).unwrap()
    }

    /// Whatever could have been called by now was called: another global transaction came and went.
    async fn another_passes(&self) {
        let other = self.go(self.plan(Mode::Saga, 2, None, 0)).await;
        assert_eq!(self.end(&other.base().gid).await, Status::Succeeded);
    }
}

fn op(step: usize, op: Op) -> OpRef {
    OpRef { step, op }
}

/// It waits for its next attempt, for ever as far as a test goes.
fn slow(policy: &mut StepPolicy) {
    policy.initial_interval_ms = NEVER_MS;
    policy.max_interval_ms = NEVER_MS;
}

pub fn is_succeeded(at: OpRef) -> impl Fn(&State) -> bool {
    move |state| state.op(at).standing == Standing::Succeeded
}

pub fn waits(at: OpRef) -> impl Fn(&State) -> bool {
    move |state| state.op(at).standing == Standing::Waiting
}

#[tokio::test]
async fn a_pause_makes_no_new_attempt_and_keeps_the_running_one() {
    let mut world = World::start().await;
    for mode in [Mode::Saga, Mode::Tcc] {
        let forward = if mode == Mode::Tcc { Op::Try } else { Op::Action };
        let plan = world.plan(mode, 3, None, 0);
        let gid = plan.gid().as_str().to_owned();
        let gate = world.branches.hold_of(&gid, (forward.as_str(), "02"));
        let live = world.go(plan).await;
        world.branches.until_of(&gid, &format!("{} 02", forward.as_str()), PATIENCE).await;
        world.pause(&live, Deadlines::Stop).await.unwrap();
        world.pause(&live, Deadlines::Stop).await.unwrap();
        let refused = world.pause(&live, Deadlines::Run).await.unwrap_err();
        assert!(matches!(refused, ActError::Denied(Denied::PausedOtherwise { .. })), "{refused:?}");
        drop(gate);
        live.until(|state| state.op(op(1, forward)).standing == Standing::Succeeded).await;
        world.another_passes().await;
        assert!(!world.branches.order_of(&gid).contains("03"), "{}", world.branches.order_of(&gid));
        if mode == Mode::Saga {
            world.restart_orchestrator().await;
            world.another_passes().await;
            assert!(!world.branches.order_of(&gid).contains("03"), "a restart resumes nothing");
        }
        let live = world.engine.find(&gid).await.unwrap().unwrap();
        assert_eq!(live.state().paused.as_ref().unwrap().act.subject, "ann");
        world.resume(&live).await.unwrap();
        world.resume(&live).await.unwrap();
        assert_eq!(world.end(&gid).await, Status::Succeeded);
        let kinds = world.kinds(&gid).await.join(" ");
        assert_eq!(kinds.matches("paused").count(), 1, "{kinds}");
        assert_eq!(kinds.matches("resumed").count(), 1, "{kinds}");
        let refused = world.pause(&live, Deadlines::Stop).await.unwrap_err();
        assert!(matches!(refused, ActError::Denied(Denied::Ended)), "{refused:?}");
        world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    }
}

#[tokio::test]
async fn deadlines_stand_still_in_a_pause_or_run_on_as_it_says() {
    let world = World::start().await;
    let mut lives = Vec::new();
    for deadlines in [Deadlines::Stop, Deadlines::Run] {
        let plan = world.planned(Mode::Saga, 2, None, |policy| {
            slow(policy);
            policy.step_timeout_ms = 700;
        });
        let gid = plan.gid().as_str().to_owned();
        world.branches.answer_of(&gid, ("action", "02"), Code::Unavailable, "GONE|x");
        let live = world.go(plan).await;
        live.until(waits(op(1, Op::Action))).await;
        world.pause(&live, deadlines).await.unwrap();
        lives.push(live);
    }
    let ran = lives[1].until(State::undoing).await;
    assert!(matches!(&ran.verdict, Verdict::Undo(Cause::Deadline(_))), "{:?}", ran.verdict);
    assert!(!lives[0].state().undoing());
    for live in &lives {
        world.resume(live).await.unwrap();
    }
    assert_eq!(world.end(&lives[0].base().gid).await, Status::Succeeded);
    assert_eq!(world.end(&lives[1].base().gid).await, Status::Failed);
}

#[tokio::test]
async fn a_cancel_wakes_what_is_paused_and_a_refusal_does_not() {
    let world = World::start().await;
    for mode in [Mode::Saga, Mode::Tcc] {
        let forward = if mode == Mode::Tcc { "try" } else { "action" };
        let plan = world.planned(mode, 2, None, slow);
        let gid = plan.gid().as_str().to_owned();
        world.branches.answer_of(&gid, (forward, "02"), Code::Unavailable, "GONE|x");
        let live = world.go(plan).await;
        live.until(|state| state.steps[1].forward.standing == Standing::Waiting).await;
        world.pause(&live, Deadlines::Stop).await.unwrap();
        world.cancel(&live).await;
        assert_eq!(world.end(&gid).await, Status::Cancelled);
        world.dtm_says(&gid, CoordinatorStatus::Failed).await;
    }
    let plan = world.plan(Mode::Saga, 2, None, 0);
    let gid = plan.gid().as_str().to_owned();
    let gate = world.branches.hold_of(&gid, ("action", "01"));
    let live = world.go(plan).await;
    world.branches.until_of(&gid, "action 01", PATIENCE).await;
    world.pause(&live, Deadlines::Stop).await.unwrap();
    world.branches.answer_of(&gid, ("compensate", "01"), Code::Unavailable, "GONE|x");
    drop(gate);
    live.until(|state| state.steps[0].forward.standing == Standing::Succeeded).await;
    world.resolve(&live, op(1, Op::Action), Resolution::Refused).await.unwrap();
    world.another_passes().await;
    assert_eq!(world.branches.order_of(&gid), "action 01", "what is refused in a pause is undone behind it");
    world.resume(&live).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Failed);
}

#[tokio::test]
async fn a_hold_stops_all_of_a_definition_or_all_calls_of_a_participant() {
    let mut world = World::start().await;
    let other = |world: &World| {
        let mut body = world.plan(Mode::Saga, 2, None, 0).body().clone();
        body.steps[1].participant = "other".into();
        Plan::new(body).unwrap()
    };
    world.hold(Held::Participant("other".into())).await;
    let live = world.go(other(&world)).await;
    let gid = live.base().gid.clone();
    live.until(|state| state.steps[0].forward.standing == Standing::Succeeded).await;
    world.another_passes().await;
    assert!(world.other.calls().is_empty(), "{}", world.other.order());
    let cancelled = world.go(other(&world)).await;
    cancelled.until(|state| state.steps[0].forward.standing == Standing::Succeeded).await;
    world.cancel(&cancelled).await;
    assert_eq!(world.end(&cancelled.base().gid).await, Status::Cancelled, "a cancel wakes");
    world.restart_orchestrator().await;
    world.another_passes().await;
    let went: Vec<String> = world.other.calls().into_iter().map(|call| call.gid).collect();
    assert!(!went.contains(&gid), "a restart forgets no hold");
    world.release(Held::Participant("other".into())).await;
    assert_eq!(world.end(&gid).await, Status::Succeeded);

    world.hold(Held::Definition("held".into())).await;
    let mut body = world.plan(Mode::Tcc, 2, None, 0).body().clone();
    body.definition = "held".into();
    let plan = Plan::new(body).unwrap();
    let gid = plan.gid().as_str().to_owned();
    world.go(plan).await;
    world.another_passes().await;
    assert_eq!(world.branches.order_of(&gid), "");
    world.release(Held::Definition("held".into())).await;
    let ended = world.end(&gid).await;
    assert!(matches!(ended, Status::Succeeded | Status::Failed), "{ended:?}");
}

/// What waits for its first attempt has had none of its time.
#[tokio::test]
async fn a_hold_before_the_first_attempt_takes_nothing_of_a_steps_time() {
    const STEP_MS: u64 = 400;
    let world = World::start().await;
    let other = Held::Participant("other".into());
    world.hold_by(other.clone(), Deadlines::Run).await;
    let mut body = world.plan(Mode::Saga, 2, None, i32::try_from(STEP_MS).unwrap()).body().clone();
    body.steps[1].participant = "other".into();
    let live = world.go(Plan::new(body).unwrap()).await;
    live.until(|state| state.steps[0].forward.standing == Standing::Succeeded).await;
    tokio::time::sleep(Duration::from_millis(STEP_MS * 3 / 2)).await;
    world.other.answer("action", "02", Code::FailedPrecondition, "IN_PROGRESS|x");
    world.release(other).await;
    assert_eq!(world.end(&live.base().gid).await, Status::Succeeded);
}

#[tokio::test]
async fn a_retry_now_skips_the_wait() {
    let world = World::start().await;
    let plan = world.planned(Mode::Saga, 2, None, slow);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("action", "02"), Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    let at = op(1, Op::Action);
    let seen = live.until(waits(at)).await.last_seq;
    let began = Instant::now();
    let refused = world.retry(&live, seen - 1, Some(at)).await.unwrap_err();
    assert!(matches!(refused, ActError::Denied(Denied::Changed { newest }) if newest == seen), "{refused:?}");
    let refused = world.retry(&live, 0, Some(op(0, Op::Action))).await.unwrap_err();
    assert!(matches!(refused, ActError::Denied(Denied::NothingWaits)), "{refused:?}");
    world.retry(&live, seen, Some(at)).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(world.kinds(&gid).await.contains(&"operator_retry".to_owned()));
    let refused = world.retry(&live, 0, None).await.unwrap_err();
    assert!(matches!(refused, ActError::Denied(Denied::Ended)), "{refused:?}");
}

/// What nobody can tell by calling again, a person states: each outcome leads to its end.
#[tokio::test]
async fn a_stated_outcome_leads_to_its_end() {
    let world = World::start().await;
    let cases = [
        (Mode::Saga, "action", Resolution::Succeeded, Status::Succeeded, "action 01, action 02, action 03"),
        (
            Mode::Saga,
            "action",
            Resolution::Refused,
            Status::Failed,
            "action 01, action 02, compensate 02, compensate 01",
        ),
        (Mode::Tcc, "try", Resolution::Refused, Status::Failed, "try 01, try 02, cancel 02, cancel 01"),
    ];
    for (mode, word, outcome, end, order) in cases {
        let plan = world.planned(mode, 3, None, slow);
        let gid = plan.gid().as_str().to_owned();
        world.branches.answer_of(&gid, (word, "02"), Code::Unavailable, "GONE|x");
        let live = world.go(plan).await;
        let at = op(1, live.plan.forward_op());
        live.until(waits(at)).await;
        assert!(world.resolve(&live, at, outcome).await.unwrap());
        assert!(world.resolve(&live, at, outcome).await.unwrap(), "said again");
        assert_eq!(world.end(&gid).await, end);
        assert_eq!(world.branches.order_of(&gid), order);
        let dtm =
            if end == Status::Succeeded { CoordinatorStatus::Succeed } else { CoordinatorStatus::Failed };
        world.dtm_says(&gid, dtm).await;
        let stored = world.engine.history().reader.rows(&gid, 1).await.unwrap();
        let stated: Vec<_> = stored.into_iter().filter(|row| row.kind == "operator_resolved").collect();
        assert_eq!(stated.len(), 1);
        assert!(stated[0].detail.contains("\"subject\":\"ann\""), "{}", stated[0].detail);
    }
}

#[tokio::test]
async fn the_last_try_that_is_stated_commits() {
    let world = World::start().await;
    let plan = world.planned(Mode::Tcc, 2, None, slow);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("try", "02"), Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    live.until(waits(op(1, Op::Try))).await;
    world.resolve(&live, op(1, Op::Try), Resolution::Succeeded).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order_of(&gid), "try 01, try 02, confirm 02, confirm 01");
}

/// A refusal behind the pivot is ended by a person's word only.
#[tokio::test]
async fn a_refusal_behind_the_pivot_is_stated_as_done() {
    let world = World::start().await;
    let plan = world.plan(Mode::Saga, 3, Some(0), 0);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("action", "02"), Code::Aborted, "NO|x");
    let live = world.go(plan).await;
    let at = op(1, Op::Action);
    let stuck = live.until(|state| !state.attention.is_empty()).await;
    assert_eq!(stuck.attention[0].cause, "refused_behind_pivot");
    let refused = world.resolve(&live, at, Resolution::Refused).await.unwrap_err();
    assert!(matches!(refused, ActError::Denied(Denied::OnlyForward)), "{refused:?}");
    world.resolve(&live, at, Resolution::Succeeded).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    assert_eq!(world.branches.order_of(&gid), "action 01, action 02, action 03");
    assert!(live.state().attention.is_empty());
}

/// A compensation that never succeeds: attention, and a person's word ends it.
#[tokio::test]
async fn an_undo_that_never_succeeds_is_stated_as_done() {
    let world = World::start().await;
    let plan = world.planned(Mode::Saga, 2, None, |policy| policy.attention_after_ms = 50);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("action", "02"), Code::Aborted, "NO|x");
    world.branches.answers_of(&gid, 10_000, ("compensate", "01"), Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    live.until(|state| state.attention.iter().any(|open| open.cause == "retries_exhausted")).await;
    world.resolve(&live, op(0, Op::Compensate), Resolution::Compensated).await.unwrap();
    assert_eq!(world.end(&gid).await, Status::Failed);
    assert_eq!(live.state().cause().unwrap().text(), "NO|x", "the failure has its own reason");
    let kinds = world.kinds(&gid).await.join(" ");
    assert!(kinds.contains("attention_opened") && kinds.contains("attention_closed"), "{kinds}");
    world.dtm_says(&gid, CoordinatorStatus::Failed).await;
}

/// payments-domain.md §3, refused after commit.
#[tokio::test]
async fn a_confirm_refused_for_good_is_taken_back_after_the_commit() {
    let mut world = World::start().await;
    for restart in [false, true] {
        let plan = world.planned(Mode::Tcc, 3, None, slow);
        let gid = plan.gid().as_str().to_owned();
        world.branches.answer_of(&gid, ("confirm", "03"), Code::Aborted, "CAPTURE_REFUSED|x");
        let live = world.go(plan).await;
        let at = op(2, Op::Confirm);
        live.until(waits(at)).await;
        world.pause(&live, Deadlines::Stop).await.unwrap();
        assert!(world.resolve(&live, at, Resolution::Refused).await.unwrap());
        assert!(live.state().after_commit);
        if restart {
            world.restart_orchestrator().await;
        }
        let live = world.engine.find(&gid).await.unwrap().unwrap();
        world.resume(&live).await.unwrap();
        assert_eq!(world.end(&gid).await, Status::Failed);
        assert_eq!(
            world.branches.order_of(&gid),
            "try 01, try 02, try 03, confirm 03, cancel 03, cancel 02, cancel 01"
        );
        world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    }
}

#[tokio::test]
async fn above_an_amount_a_second_person_approves() {
    let world = World::start().await;
    let plan = world.planned(Mode::Saga, 2, None, slow);
    let gid = plan.gid().as_str().to_owned();
    world.branches.answer_of(&gid, ("action", "02"), Code::Unavailable, "GONE|x");
    let live = world.go(plan).await;
    let at = op(1, Op::Action);
    live.until(waits(at)).await;
    let said = |who: &str| Statement {
        at,
        outcome: Resolution::Succeeded,
        act: Act { evidence: "e".into(), ..Act::of(who, "e") },
        approval: Approval::Two,
    };
    let refused = world.state_it(&live, said("anonymous")).await.unwrap_err();
    assert!(matches!(refused, ActError::Denied(Denied::Unnamed)), "{refused:?}");
    assert!(!world.state_it(&live, said("ann")).await.unwrap());
    assert!(!world.state_it(&live, said("ann")).await.unwrap(), "nobody approves his own word");
    assert_eq!(live.state().op(at).standing, Standing::Waiting);
    assert!(world.state_it(&live, said("bob")).await.unwrap());
    assert_eq!(world.end(&gid).await, Status::Succeeded);
    let stored = world.engine.history().reader.rows(&gid, 1).await.unwrap();
    let stated = stored.iter().find(|row| row.kind == "operator_resolved").unwrap();
    assert!(stated.detail.contains("\"approved_by\":\"bob\""), "{}", stated.detail);
    assert_eq!(EMBEDDED, stored.iter().all(|row| row.kind != "registered"));
}
