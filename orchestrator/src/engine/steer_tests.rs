//! What may be done to a global transaction where, and what it leads to: a row for each.

use super::*;
use crate::history::{Event, Standing};
use crate::plan::{Mode, samples};

fn state(plan: &Plan, facts: &[Fact]) -> State {
    let events = facts.iter().cloned().zip(1..).map(|(fact, seq)| Event { seq, time_us: seq * 10, fact });
    State::fold(plan, &events.collect::<Vec<_>>())
}

fn op(step: usize, op: Op) -> OpRef {
    OpRef { step, op }
}

fn done(at: OpRef) -> Fact {
    Fact::AttemptSucceeded { at, attempt: 1 }
}

fn unknown(at: OpRef) -> Fact {
    Fact::AttemptUnknown { at, attempt: 1, code: "UNAVAILABLE".into(), reason: "x".into() }
}

fn refused(at: OpRef) -> Fact {
    Fact::AttemptRefused { at, attempt: 1, reason: "R|x".into() }
}

fn undo() -> Fact {
    Fact::UndoDecided(Cause::Refused("r".into()))
}

fn said(at: OpRef, outcome: Resolution) -> Statement {
    Statement { at, outcome, act: Act::of("ann", "proof"), approval: Approval::One }
}

/// What happened, the op, what is stated of it, and the facts or the refusal that it leads to.
type Case<'a> = (&'a [Fact], OpRef, Resolution, Result<&'a [&'a str], &'a str>);

fn kinds(facts: &[Fact]) -> Vec<&'static str> {
    let kind = |fact: &Fact| {
        let kinds = [
            (matches!(fact, Fact::OperatorResolved { .. }), "resolved"),
            (matches!(fact, Fact::OperatorProposed { .. }), "proposed"),
            (matches!(fact, Fact::UndoDecided(_)), "undo"),
            (matches!(fact, Fact::AbortDecided(_)), "abort"),
            (matches!(fact, Fact::UndoAfterCommit(_)), "undo_after_commit"),
            (matches!(fact, Fact::AttentionClosed { .. }), "closed"),
        ];
        let found = kinds.into_iter().find_map(|(is, kind)| is.then_some(kind));
        found.unwrap_or_else(|| panic!("unexpected {fact:?}"))
    };
    facts.iter().map(kind).collect()
}

/// Steps 0 and 1 of a SAGA of three, 1 is its pivot.
#[test]
fn an_action_is_resolved_where_it_could_have_run() {
    use Resolution::{Compensated, Refused, Succeeded};
    let plan = samples::plan(Mode::Saga, 3, Some(1));
    let [first, pivot, behind] = [0, 1, 2].map(|step| op(step, Op::Action));
    let cases: [Case<'_>; 14] = [
        (&[unknown(first)], first, Succeeded, Ok(&["resolved"])),
        (&[unknown(first)], first, Refused, Ok(&["resolved", "undo"])),
        (&[], first, Succeeded, Ok(&["resolved"])),
        (&[unknown(first)], first, Compensated, Err("WRONG_OUTCOME")),
        (&[unknown(first)], pivot, Succeeded, Err("NOT_ITS_TURN")),
        (&[done(first), unknown(pivot)], pivot, Refused, Ok(&["resolved", "undo"])),
        (&[done(first)], first, Succeeded, Ok(&[])),
        (&[done(first)], first, Refused, Err("SETTLED")),
        (&[done(first), done(pivot), refused(behind)], behind, Succeeded, Ok(&["resolved"])),
        (&[done(first), done(pivot), refused(behind)], behind, Refused, Err("ONLY_FORWARD")),
        (&[refused(first), undo()], first, Succeeded, Err("COMPENSATING")),
        (&[unknown(first), undo()], first, Refused, Err("COMPENSATING")),
        (
            &[done(first), done(pivot), done(behind), Fact::Finished(crate::history::End::Succeeded)],
            behind,
            Refused,
            Err("ENDED"),
        ),
        (&[unknown(first)], op(0, Op::Compensate), Compensated, Err("NOT_ITS_TURN")),
    ];
    for (facts, at, outcome, wanted) in cases {
        let state = state(&plan, facts);
        let found = resolve(&plan, &state, &said(at, outcome));
        let found = found.as_deref().map(kinds).map_err(Denied::reason);
        assert_eq!(found.as_deref().map_err(|why| *why), wanted, "{facts:?} {at:?} {outcome:?}");
    }
}

#[test]
fn an_undo_is_resolved_when_it_is_its_turn() {
    let plan = samples::plan(Mode::Saga, 3, None);
    let facts = [done(op(0, Op::Action)), done(op(1, Op::Action)), unknown(op(2, Op::Action)), undo()];
    let state = state(&plan, &facts);
    let of = |step, outcome| {
        resolve(&plan, &state, &said(op(step, Op::Compensate), outcome)).map(|facts| kinds(&facts))
    };
    assert_eq!(of(2, Resolution::Compensated), Ok(vec!["resolved"]));
    assert_eq!(of(1, Resolution::Compensated), Err(Denied::NotItsTurn));
    assert_eq!(of(2, Resolution::Refused), Err(Denied::OtherOutcome { op: Op::Compensate }));
}

#[test]
fn a_confirm_refused_for_good_takes_everything_back_while_no_other_can_have_been_made() {
    let committed = |plan: &Plan, more: &[Fact]| {
        let tries = (0..plan.steps().len()).map(|step| done(op(step, Op::Try)));
        let decided = [Fact::SubmitDecided, Fact::Committed];
        state(plan, &tries.chain(decided).chain(more.iter().cloned()).collect::<Vec<_>>())
    };
    let plan = samples::plan(Mode::Tcc, 3, None);
    let confirm = |step| op(step, Op::Confirm);
    let of = |plan: &Plan, state: &State, step, outcome| {
        let facts = resolve(plan, state, &said(confirm(step), outcome));
        facts.map(|facts| kinds(&facts)).map_err(|why| why.reason())
    };
    let fresh = committed(&plan, &[]);
    assert_eq!(of(&plan, &fresh, 2, Resolution::Refused), Ok(vec!["resolved", "undo_after_commit"]));
    assert_eq!(of(&plan, &fresh, 2, Resolution::Succeeded), Ok(vec!["resolved"]));
    assert_eq!(of(&plan, &fresh, 1, Resolution::Succeeded), Err("NOT_ITS_TURN"));
    let begun = committed(&plan, &[done(confirm(2))]);
    assert_eq!(of(&plan, &begun, 1, Resolution::Refused), Err("OTHER_CONFIRMS"));
    assert_eq!(of(&plan, &begun, 1, Resolution::Succeeded), Ok(vec!["resolved"]));
    let beside = samples::graph(Mode::Tcc, &[&[], &[0], &[0]], None);
    assert_eq!(of(&beside, &committed(&beside, &[]), 2, Resolution::Refused), Err("OTHER_CONFIRMS"));
}

#[test]
fn what_is_taken_back_after_the_commit_ends_as_failed() {
    let plan = samples::plan(Mode::Tcc, 2, None);
    let mut facts = vec![done(op(0, Op::Try)), done(op(1, Op::Try)), Fact::SubmitDecided, Fact::Committed];
    let at = op(1, Op::Confirm);
    facts.extend(resolve(&plan, &state(&plan, &facts), &said(at, Resolution::Refused)).unwrap());
    let turned = state(&plan, &facts);
    assert!(turned.undoing() && turned.after_commit);
    assert_eq!(resolve(&plan, &turned, &said(at, Resolution::Refused)), Ok(vec![]), "said again");
    facts.extend([done(op(1, Op::Cancel)), done(op(0, Op::Cancel))]);
    assert_eq!(state(&plan, &facts).reached_end(&plan), Some(crate::history::End::Failed));
}

#[test]
fn a_second_person_approves_what_the_first_proposed() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let at = op(0, Op::Action);
    let mut facts = vec![unknown(at)];
    let by = |who: &str, outcome| Statement {
        act: Act { evidence: format!("{who} saw it"), ..Act::of(who, "e") },
        approval: Approval::Two,
        ..said(at, outcome)
    };
    let say = |facts: &[Fact], who, outcome| resolve(&plan, &state(&plan, facts), &by(who, outcome));
    use Resolution::{Refused, Succeeded};
    assert_eq!(say(&facts, "anonymous", Refused), Err(Denied::Unnamed));
    facts.extend(say(&facts, "ann", Refused).unwrap());
    assert_eq!(kinds(&facts[1..]), ["proposed"]);
    assert_eq!(say(&facts, "ann", Refused), Ok(vec![]), "said again, it is not approved");
    assert!(
        matches!(say(&facts, "bob", Succeeded), Err(Denied::ProposedOtherwise { by, .. }) if by == "ann")
    );
    let other = say(&facts, "ann", Succeeded).unwrap();
    assert_eq!(kinds(&other), ["proposed"], "who proposed may think again");
    facts.extend(say(&facts, "bob", Refused).unwrap());
    let Fact::OperatorResolved { act, .. } = &facts[2] else { panic!("{facts:?}") };
    assert_eq!((act.subject.as_str(), act.approved_by.as_str()), ("ann", "bob"));
    assert_eq!(act.evidence, "ann saw it");
    assert!(state(&plan, &facts).proposal.is_none() && state(&plan, &facts).undoing());
}

#[test]
fn what_was_stated_closes_the_need_for_a_person() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let at = op(0, Op::Action);
    let need = Fact::AttentionOpened { cause: "retries_exhausted".into(), at: Some(at), text: "x".into() };
    let found = resolve(&plan, &state(&plan, &[unknown(at), need]), &said(at, Resolution::Succeeded));
    assert_eq!(kinds(&found.unwrap()), ["resolved", "closed"]);
}

#[test]
fn a_pause_is_said_once_and_a_retry_needs_something_that_waits() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let at = op(0, Op::Action);
    let act = Act::of("ann", "x");
    let open = state(&plan, &[unknown(at)]);
    let paused = pause(&open, Deadlines::Stop, &act).unwrap();
    let stopped = state(&plan, &[vec![unknown(at)], paused].concat());
    assert_eq!(pause(&stopped, Deadlines::Stop, &act), Ok(vec![]));
    let otherwise = Denied::PausedOtherwise { deadlines: Deadlines::Stop };
    assert_eq!(pause(&stopped, Deadlines::Run, &act), Err(otherwise));
    assert_eq!(resume(&stopped, &act), [Fact::Resumed(act.clone())]);
    assert!(resume(&open, &act).is_empty());
    let waits = |asked: OpRef| asked == at;
    assert_eq!(retry(&stopped, None, &waits, &act), Err(Denied::Paused));
    assert_eq!(retry(&open, None, &waits, &act).unwrap().len(), 1);
    assert_eq!(retry(&open, Some(at), &waits, &act).unwrap().len(), 1);
    assert_eq!(retry(&open, Some(op(1, Op::Action)), &waits, &act), Err(Denied::NothingWaits));
    assert_eq!(retry(&open, None, &|_| false, &act), Err(Denied::NothingWaits));
    assert_eq!(state(&plan, &[refused(at)]).op(at).standing, Standing::Refused);
}
