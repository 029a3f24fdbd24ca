//! Where another run may begin, and what it goes on from: a row for each.

use super::*;
use crate::history::{Cause, Deadlines, End, Event};
use crate::plan::{Mode, samples};
use amends_dtm::Op;

fn state(plan: &Plan, facts: &[Fact]) -> State {
    let events = facts.iter().cloned().zip(1..).map(|(fact, seq)| Event { seq, time_us: seq * 10, fact });
    State::fold(plan, &events.collect::<Vec<_>>())
}

fn at(step: usize, op: Op) -> OpRef {
    OpRef { step, op }
}

fn done(at: OpRef) -> Fact {
    Fact::AttemptSucceeded { at, attempt: 1 }
}

fn unknown(at: OpRef) -> Fact {
    Fact::AttemptUnknown { at, attempt: 1, code: "UNAVAILABLE".into(), reason: "x".into() }
}

fn parked(at: OpRef) -> Fact {
    Fact::Parked { at, attempt: 1, reason: "IN_PROGRESS|x".into() }
}

fn refused(at: OpRef) -> Fact {
    Fact::AttemptRefused { at, attempt: 1, reason: "R|x".into() }
}

fn need(cause: &str, at: Option<OpRef>) -> Fact {
    Fact::AttentionOpened { cause: cause.into(), at, text: "x".into() }
}

/// What a redrive after these facts goes on from, or the reason of its refusal.
fn from(plan: &Plan, facts: &[Fact]) -> Result<Vec<OpRef>, &'static str> {
    let facts = redrive(plan, &state(plan, facts), &Act::of("ann", "x")).map_err(|why| why.reason())?;
    let Fact::OperatorRedriven { from, .. } = &facts[0] else { panic!("{facts:?}") };
    Ok(from.clone())
}

/// What happened, and what a redrive goes on from or why it is refused.
type Row<'a> = (&'a [Fact], Result<&'a [OpRef], &'a str>);

#[test]
fn a_run_goes_on_from_what_was_attempted_in_vain() {
    let plan = samples::plan(Mode::Saga, 3, Some(1));
    let [first, pivot, behind] = [0, 1, 2].map(|step| at(step, Op::Action));
    let begun = Fact::AttemptStarted { at: first, attempt: 1 };
    let paused = Fact::Paused { deadlines: Deadlines::Stop, act: Act::default() };
    let undo = Fact::UndoDecided(Cause::Cancelled("c".into()));
    let redriven = || Fact::OperatorRedriven { run: 2, from: vec![first], act: Act::default() };
    let rows: [Row<'_>; 13] = [
        (&[], Err("NOTHING_FAILED")),
        (std::slice::from_ref(&begun), Err("NOTHING_FAILED")),
        (&[unknown(first)], Ok(&[first])),
        (&[parked(first)], Ok(&[first])),
        (&[unknown(first), begun.clone()], Ok(&[first])),
        (&[unknown(first), redriven()], Err("NOTHING_FAILED")),
        (&[unknown(first), redriven(), unknown(first)], Ok(&[first])),
        (&[done(first), unknown(pivot)], Ok(&[pivot])),
        (&[done(first), done(pivot), unknown(behind)], Ok(&[behind])),
        (&[done(first), done(pivot), refused(behind)], Err("SETTLED")),
        (&[unknown(first), undo], Err("COMPENSATING")),
        (&[unknown(first), paused], Err("PAUSED")),
        (&[done(first), done(pivot), done(behind), Fact::Finished(End::Succeeded)], Err("ENDED")),
    ];
    for (facts, wanted) in rows {
        assert_eq!(from(&plan, facts).as_deref().map_err(|why| *why), wanted, "{facts:?}");
    }
}

#[test]
fn a_tcc_is_redriven_in_its_tries_and_in_its_confirms_and_not_in_its_cancels() {
    let plan = samples::plan(Mode::Tcc, 2, None);
    let tried = [done(at(0, Op::Try)), done(at(1, Op::Try)), Fact::SubmitDecided];
    let with = |more: &[Fact]| from(&plan, &[&tried[..], more].concat());
    assert_eq!(from(&plan, &[done(at(0, Op::Try)), unknown(at(1, Op::Try))]), Ok(vec![at(1, Op::Try)]));
    assert_eq!(with(&[]), Err("NOTHING_FAILED"), "the coordinator has its say");
    let confirm = at(1, Op::Confirm);
    assert_eq!(with(&[Fact::Committed, unknown(confirm)]), Ok(vec![confirm]));
    let turned = Fact::UndoAfterCommit(Cause::Refused("r".into()));
    assert_eq!(with(&[Fact::Committed, unknown(confirm), turned]), Err("COMPENSATING"));
}

#[test]
fn in_a_graph_it_goes_on_from_all_that_failed_beside_each_other() {
    let plan = samples::diamond(Mode::Saga);
    let [first, left, right] = [0, 1, 2].map(|step| at(step, Op::Action));
    assert_eq!(from(&plan, &[done(first), unknown(right), unknown(left)]), Ok(vec![left, right]));
    assert_eq!(from(&plan, &[done(first), done(left), unknown(right)]), Ok(vec![right]));
}

/// What the limits called a person for is over; what the participant says of itself is not, nor the time of the whole.
#[test]
fn needs_that_limits_opened_are_closed() {
    let plan = samples::plan(Mode::Saga, 3, Some(0));
    let [first, behind] = [0, 1].map(|step| at(step, Op::Action));
    let of = |needs: &[Fact]| {
        let facts = [&[done(first), unknown(behind)][..], needs].concat();
        let facts = redrive(&plan, &state(&plan, &facts), &Act::default()).unwrap();
        let closed = facts.into_iter().skip(1).map(|fact| {
            let Fact::AttentionClosed { cause } = fact else { panic!("{fact:?}") };
            cause
        });
        closed.collect::<Vec<_>>()
    };
    for cause in ["retries_exhausted", "in_progress_too_long", "deadline_behind_pivot"] {
        assert_eq!(of(&[need(cause, Some(behind))]), [cause]);
    }
    assert!(of(&[need("under_review", Some(behind)), need("disagreement", None)]).is_empty());
    assert!(of(&[need("deadline_behind_pivot", None)]).is_empty(), "the time of the whole is over still");
    let two = [need("deadline_behind_pivot", Some(behind)), need("retries_exhausted", Some(behind))];
    assert_eq!(of(&two), ["deadline_behind_pivot", "retries_exhausted"]);
}
