//! One row for each situation: what is recorded and what goes on, and what is said about it.

use super::*;
use crate::engine::{Rule, Scope, Why};
use crate::history::{Act, Cause, Event, Fact};
use crate::plan::{Mode, samples};
use amends_dtm::Op;

const NOW_US: i64 = 1_700_000_000_000_000;

/// A place in the life of one global transaction, and what goes on there.
struct Stage {
    plan: Plan,
    facts: Vec<Fact>,
    running: Vec<OpRef>,
    waits: Vec<(OpRef, Wait)>,
    holds: Vec<(StepIndex, Hold)>,
    hindrances: Vec<(StepIndex, Hindrance)>,
    decider: Decider,
    up_us: i64,
}

impl Stage {
    fn saga(facts: Vec<Fact>) -> Stage {
        Stage::of(samples::plan(Mode::Saga, 3, Some(1)), facts)
    }

    fn of(plan: Plan, facts: Vec<Fact>) -> Stage {
        Stage {
            plan,
            facts,
            running: Vec::new(),
            waits: Vec::new(),
            holds: Vec::new(),
            hindrances: Vec::new(),
            decider: Decider::Engine,
            up_us: 3_600_000_000,
        }
    }

    fn waits(mut self, at: OpRef, why: Why, until_us: Option<i64>) -> Stage {
        self.running.push(at);
        self.waits.push((at, Wait { why, since_us: NOW_US - 1_000_000, until_us }));
        self
    }

    fn told(&self) -> Explanation {
        let events = self.facts.iter().cloned().zip(1..);
        let events: Vec<Event> =
            events.map(|(fact, seq)| Event { seq, time_us: NOW_US - 60_000_000, fact }).collect();
        let state = State::fold(&self.plan, &events);
        explain(&Scene {
            plan: &self.plan,
            state: &state,
            now_us: NOW_US,
            up_since_us: NOW_US - self.up_us,
            running: self.running.iter().copied().collect(),
            waits: self.waits.clone(),
            holds: self.holds.clone(),
            hindrances: self.hindrances.clone(),
            decider: self.decider.clone(),
        })
    }
}

fn action(step: StepIndex) -> OpRef {
    OpRef { step, op: Op::Action }
}

fn begun(at: OpRef, attempt: u32) -> Fact {
    Fact::AttemptStarted { at, attempt }
}

fn unknown(at: OpRef, attempt: u32) -> Fact {
    let (code, reason) = ("UNAVAILABLE".to_owned(), "GONE|no connection".to_owned());
    Fact::AttemptUnknown { at, attempt, code, reason }
}

fn parked(at: OpRef, reason: &str) -> Fact {
    Fact::Parked { at, attempt: 2, reason: reason.to_owned() }
}

fn done(at: OpRef) -> Fact {
    Fact::AttemptSucceeded { at, attempt: 1 }
}

fn soon() -> Option<i64> {
    Some(NOW_US + 2_300_000)
}

fn interval() -> Why {
    Why::Backoff { rule: Rule::Interval }
}

#[track_caller]
fn says(stage: &Stage, situation: Situation, wanted: &[&str]) -> Explanation {
    let told = stage.told();
    let all = format!("{told:?}");
    assert_eq!(told.situation, situation, "{all}");
    for text in wanted {
        assert!(all.contains(text), "`{text}` is missing in {all}");
    }
    told
}

#[test]
fn waiting_for_a_retry_names_the_attempt_the_answer_the_time_and_its_rule() {
    let facts = vec![Fact::Started, begun(action(0), 3), unknown(action(0), 3)];
    let stage = Stage::saga(facts).waits(action(0), interval(), soon());
    let wanted = [
        "Step 01 p0.Do (action) waits for its next attempt: attempt 3",
        "UNAVAILABLE, GONE: no connection",
        "in 2.3 s, at 2023-11-14T22:13:22Z",
        "retry policy of action of step 01: from 10 ms, each 200 % of the one before, at most 50 ms, ± 20 %",
        "amends retry",
    ];
    let told = says(&stage, Situation::WaitingForRetry, &wanted);
    assert_eq!(told.ops[0].next_us, soon());
}

#[test]
fn a_further_run_is_counted_by_itself() {
    let mut body = samples::plan(Mode::Saga, 3, Some(1)).body().clone();
    body.steps[0].policy.as_mut().unwrap().max_attempts = 2;
    let redriven = Fact::OperatorRedriven { run: 2, from: vec![action(0)], act: Act::of("ann", "repaired") };
    let facts = [begun(action(0), 1), unknown(action(0), 1), begun(action(0), 2), unknown(action(0), 2)];
    let facts = [&facts[..], &[redriven, begun(action(0), 3), unknown(action(0), 3)]].concat();
    let stage = Stage::of(Plan::new(body).unwrap(), facts).waits(action(0), interval(), soon());
    says(&stage, Situation::WaitingForRetry, &["attempt 3, 1 of 2 failed in run 2"]);
}

#[test]
fn what_the_participant_said_tells_what_is_really_waited_for() {
    let polled = || Why::Backoff { rule: Rule::InProgress };
    let undo = OpRef { step: 1, op: Op::Compensate };
    let deadline = Fact::UndoDecided(Cause::Deadline("step 02 had no outcome in time".to_owned()));
    let doubt =
        Fact::AttentionOpened { cause: "payment_in_doubt".to_owned(), at: Some(undo), text: String::new() };
    let undoing = vec![Fact::Started, done(action(0)), begun(action(1), 1), deadline, doubt];
    let parked_undo = [undoing, vec![begun(undo, 2), parked(undo, "UNDO_IN_PROGRESS|not proven")]].concat();
    for (facts, at, situation, wanted) in [
        (
            vec![Fact::Started, parked(action(0), "UNDER_REVIEW|wait")],
            action(0),
            Situation::UnderReview,
            "a decision of the people of p0",
        ),
        (
            vec![Fact::Started, done(action(0)), parked(action(1), "PAYMENT_UNKNOWN|silence")],
            action(1),
            Situation::PaymentInDoubt,
            "amends in-doubt list",
        ),
        (parked_undo, undo, Situation::PaymentInDoubt, "proof that no money is kept"),
        (
            vec![Fact::Started, parked(action(0), "IN_PROGRESS|working")],
            action(0),
            Situation::InProgressThere,
            "asked again within 2 s",
        ),
    ] {
        says(&Stage::saga(facts).waits(at, polled(), soon()), situation, &[wanted]);
    }
}

#[test]
fn retries_that_are_used_up_need_a_person() {
    let attention = Fact::AttentionOpened {
        cause: "retries_exhausted".to_owned(),
        at: Some(action(0)),
        text: String::new(),
    };
    let stage = Stage::saga(vec![Fact::Started, unknown(action(0), 9), attention]);
    says(&stage.waits(action(0), interval(), soon()), Situation::AttemptsUsedUp, &["amends resolve"]);
}

#[test]
fn a_lane_says_itself_why_it_lets_nothing_through() {
    let facts = || vec![Fact::Started, unknown(action(0), 4)];
    let open = Stage::saga(facts()).waits(action(0), Why::BreakerOpen, soon());
    says(
        &open,
        Situation::LaneOpen,
        &["its breaker is open", "in 2.3 s", "answers the next probe", "UNAVAILABLE"],
    );
    let busy = Stage::saga(facts()).waits(action(0), Why::Room, None);
    says(&busy, Situation::LaneBusy, &["as many calls in flight"]);
    let mut seen = Stage::saga(facts()).waits(action(0), Why::Room, None);
    let text = "5 calls in a row failed".to_owned();
    let hindrance = Hindrance { kind: HindranceKind::BreakerOpen, text, until_us: soon() };
    seen.hindrances = vec![(0, hindrance)];
    says(&seen, Situation::LaneOpen, &["before the lane of p0: 5 calls in a row failed"]);
}

#[test]
fn a_pause_is_told_with_who_and_why_and_never_hides_a_running_call() {
    let hold = Hold {
        what: "participant p0".to_owned(),
        resume: "amends resume --participant p0".to_owned(),
        since_us: NOW_US,
        by: "alice".to_owned(),
        reason: "maintenance".to_owned(),
    };
    let mut stage = Stage::saga(vec![Fact::Started, unknown(action(0), 1)]);
    stage.holds = vec![(0, hold)];
    let wanted =
        ["participant p0 is paused since 2023-11-14T22:13:20Z by alice (maintenance)", "--participant p0"];
    says(&stage, Situation::Paused, &wanted);
    stage.running = vec![action(0)];
    says(&stage, Situation::Calling, &["is being called"]);
    let stage = Stage::saga(vec![Fact::Started]).waits(action(0), Why::Paused(Scope::Transaction), None);
    says(&stage, Situation::Paused, &["this global transaction is paused", "amends resume"]);
}

#[test]
fn a_coordinator_that_has_to_call_is_named_and_if_it_is_away() {
    let facts = || vec![Fact::Started, Fact::Registered("r".to_owned()), done(action(0))];
    for (word, situation, wanted) in [
        (Word::Away("refused".to_owned()), Situation::CoordinatorAway, "cannot be reached (refused)"),
        (Word::Says("submitted".to_owned()), Situation::CoordinatorsTurn, "it says submitted"),
        (Word::NotKnown, Situation::CoordinatorsTurn, "does not know it"),
    ] {
        let mut stage = Stage::saga(facts());
        stage.decider = Decider::Coordinator(word);
        says(&stage, situation, &["Step 02 p1.Do (action) is next.", wanted]);
    }
    let plan = samples::plan(Mode::Tcc, 1, None);
    let tried = Fact::AttemptSucceeded { at: OpRef { step: 0, op: Op::Try }, attempt: 1 };
    let mut stage = Stage::of(plan, vec![Fact::Started, tried, Fact::SubmitDecided]);
    stage.decider = Decider::Coordinator(Word::Away("refused".to_owned()));
    says(&stage, Situation::CoordinatorAway, &["the commit is decided", "cannot be reached"]);
}

#[test]
fn a_restart_is_told_as_long_as_nothing_was_taken_up() {
    let mut stage = Stage::saga(vec![Fact::Started, begun(action(0), 2)]);
    stage.up_us = 400_000;
    stage.decider = Decider::Coordinator(Word::Says("submitted".to_owned()));
    says(&stage, Situation::TakingUp, &["takes up what was open", "it says submitted"]);
    stage.up_us = TAKING_UP_US;
    says(&stage, Situation::CoordinatorsTurn, &["is next"]);
    stage.up_us = 400_000;
    stage.decider = Decider::Coordinator(Word::Away("refused".to_owned()));
    says(&stage, Situation::CoordinatorAway, &[]);
    let stage = Stage::saga(vec![Fact::Started]).waits(action(0), Why::Others, soon());
    says(&stage, Situation::TakingUp, &["have ended for certain"]);
}

#[test]
fn a_refusal_behind_the_pivot_waits_for_a_person_alone() {
    let reason = "GONE|sold".to_owned();
    let refused = Fact::AttemptRefused { at: action(2), attempt: 1, reason };
    let stage = Stage::saga(vec![Fact::Started, done(action(0)), done(action(1)), refused]);
    let wanted = ["Step 03 p2.Do (action) refused (GONE: sold) behind the pivot", "--step 03 --op action"];
    says(&stage, Situation::RefusedBehindPivot, &wanted);
}

#[test]
fn the_most_urgent_of_several_ops_speaks_for_all() {
    let done = |step| Fact::AttemptSucceeded { at: action(step), attempt: 1 };
    let mut stage = Stage::of(
        samples::diamond(Mode::Saga),
        vec![Fact::Started, done(0), unknown(action(1), 1), parked(action(2), "UNDER_REVIEW|x")],
    );
    stage = stage.waits(action(1), interval(), soon()).waits(action(2), interval(), soon());
    let told = says(&stage, Situation::UnderReview, &["(1 other ops are under way or wait)"]);
    assert_eq!(told.ops.len(), 2);
}

#[test]
fn an_undo_that_waits_for_the_running_forward_call_says_so() {
    let cancelled = Fact::UndoDecided(Cause::Cancelled("no".to_owned()));
    let mut stage = Stage::saga(vec![Fact::Started, begun(action(0), 1), cancelled]);
    stage.running = vec![action(0)];
    says(&stage, Situation::Calling, &["Its undo waits for the end of this call."]);
}

#[test]
fn what_is_over_says_how() {
    let cause = Cause::Refused("OUT_OF_IT|no more".to_owned());
    let stage = Stage::saga(vec![Fact::Started, Fact::UndoDecided(cause), Fact::Finished(End::Failed)]);
    let told = says(&stage, Situation::Finished, &["it failed, and everything", "(OUT_OF_IT: no more)"]);
    assert!(told.ops.is_empty() && told.unblocked_by.is_empty());
}
