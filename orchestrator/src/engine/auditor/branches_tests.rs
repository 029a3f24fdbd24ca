//! Tests of the comparison with guard rows: a table of histories, rows and what must be said.

use super::*;
use crate::history::{Cause, Event, Fact};
use crate::plan::samples;
use RowStatus::{Done, Refused, Running, Tombstone};

fn state(plan: &Plan, facts: &[Fact]) -> State {
    let events: Vec<Event> =
        facts.iter().cloned().zip(1..).map(|(fact, seq)| Event { seq, time_us: seq, fact }).collect();
    State::fold(plan, &events)
}

fn ok(step: usize, op: Op) -> Fact {
    Fact::AttemptSucceeded { at: OpRef { step, op }, attempt: 1 }
}

fn undo() -> Fact {
    Fact::UndoDecided(Cause::Cancelled("c".into()))
}

fn row(plan: &Plan, step: usize, op: Op, status: RowStatus) -> Row {
    let at = OpRef { step, op };
    Row {
        branch_id: plan.branch_id(step).as_str().to_owned(),
        op,
        status,
        method: plan.method(at).to_owned(),
        request_hash: hex::encode(Sha256::digest(&plan.steps()[step].payload)),
    }
}

/// What is said of step 0, and what is done about it, given its rows.
fn said(mode: Mode, facts: &[Fact], rows: &[(Op, RowStatus)]) -> Vec<(String, Remedy)> {
    let plan = samples::plan(mode, 3, None);
    let rows: Vec<Row> = rows.iter().map(|(op, status)| row(&plan, 0, *op, *status)).collect();
    let found = compare(&plan, &state(&plan, facts), 0, &rows);
    found.into_iter().map(|difference| (difference.text, difference.remedy)).collect()
}

fn call(op: Op) -> Remedy {
    Remedy::Call(OpRef { step: 0, op })
}

#[test]
fn a_step_that_is_done_has_its_row() {
    let facts = [ok(0, Op::Action)];
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, Done)]), []);
    let lost = ("p0 has no row of action 01, done in history".to_owned(), call(Op::Action));
    assert_eq!(said(Mode::Saga, &facts, &[]), [lost]);
    for status in [Running, Refused, Tombstone] {
        let found = said(Mode::Saga, &facts, &[(Op::Action, status)]);
        assert_eq!(found.len(), 1, "{status:?}");
        assert_eq!(found[0].1, Remedy::Person);
    }
    let undone = said(Mode::Saga, &facts, &[(Op::Action, Done), (Op::Compensate, Done)]);
    assert_eq!(undone[0].0, "p0 did compensate 01, which history has not decided");
}

/// Somebody saw to it outside: a call would do it a second time.
#[test]
fn what_people_stated_is_never_called_again() {
    use crate::history::{Act, Resolution};
    let stated = |op, outcome| {
        let at = OpRef { step: 0, op };
        Fact::OperatorResolved { at, outcome, act: Act::of("ann", "the bank says so") }
    };
    let remedies = |mode, facts: &[Fact], rows: &[(Op, RowStatus)]| -> Vec<Remedy> {
        said(mode, facts, rows).into_iter().map(|(_, remedy)| remedy).collect()
    };
    let confirmed = [ok(0, Op::Try), Fact::Committed, stated(Op::Confirm, Resolution::Succeeded)];
    assert_eq!(remedies(Mode::Tcc, &confirmed, &[(Op::Try, Done)]), [Remedy::Person]);
    let undone = [ok(0, Op::Action), undo(), stated(Op::Compensate, Resolution::Compensated)];
    assert_eq!(remedies(Mode::Saga, &undone, &[(Op::Action, Done)]), [Remedy::Person]);
    let done = [stated(Op::Action, Resolution::Succeeded)];
    assert_eq!(remedies(Mode::Saga, &done, &[]), [Remedy::Person]);
}

#[test]
fn a_committed_step_has_its_confirm() {
    let facts = [ok(0, Op::Try), Fact::Committed, ok(0, Op::Confirm)];
    assert_eq!(said(Mode::Tcc, &facts, &[(Op::Try, Done), (Op::Confirm, Done)]), []);
    let lost = |op: Op| (format!("p0 has no row of {op} 01, done in history"), call(op));
    assert_eq!(said(Mode::Tcc, &facts, &[(Op::Try, Done)]), [lost(Op::Confirm)]);
    assert_eq!(
        said(Mode::Tcc, &facts, &[]),
        [lost(Op::Try), lost(Op::Confirm)],
        "tried before it is confirmed"
    );
    let early = said(Mode::Tcc, &[ok(0, Op::Try)], &[(Op::Try, Done), (Op::Confirm, Done)]);
    assert_eq!(early, [("p0 did confirm 01, which history has not decided".to_owned(), Remedy::Person)]);
    let unrecorded = said(Mode::Tcc, &facts[..2], &[(Op::Try, Done), (Op::Confirm, Done)]);
    assert_eq!(unrecorded, [], "it may have run and not been heard of");
}

#[test]
fn an_undone_step_has_its_undo_and_may_have_had_nothing_to_undo() {
    let facts = [ok(0, Op::Action), undo(), ok(0, Op::Compensate)];
    for forward in [Done, Refused, Tombstone] {
        assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, forward), (Op::Compensate, Done)]), []);
    }
    let lost = [("p0 has no row of compensate 01, done in history".to_owned(), call(Op::Compensate))];
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, Done)]), lost);
    assert_eq!(said(Mode::Saga, &facts, &[]), lost);
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Compensate, Done)])[0].1, Remedy::Person);
    assert_eq!(said(Mode::Saga, &facts[..2], &[(Op::Action, Done)]), [], "its undo is under way");
}

#[test]
fn a_step_that_cannot_have_run_is_undone_if_it_did() {
    let refused =
        Fact::AttemptRefused { at: OpRef { step: 0, op: Op::Action }, attempt: 1, reason: "R".into() };
    let facts = [refused, undo()];
    for rows in [vec![], vec![(Op::Action, Refused)], vec![(Op::Action, Tombstone), (Op::Compensate, Done)]] {
        assert_eq!(said(Mode::Saga, &facts, &rows), [], "{rows:?}");
    }
    let did = [("p0 did action 01, which cannot have run by history".to_owned(), call(Op::Compensate))];
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, Done)]), did);
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, Running)]), did);
    assert_eq!(said(Mode::Saga, &facts, &[(Op::Action, Done), (Op::Compensate, Done)]), []);
}

#[test]
fn what_is_not_wanted_yet_is_left_alone() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let rows = [row(&plan, 1, Op::Action, Done)];
    let found = compare(&plan, &state(&plan, &[Fact::Started]), 1, &rows);
    assert_eq!(
        found[0].remedy,
        Remedy::Person,
        "an undo now would be followed by the stored answer of a success"
    );
    assert_eq!(compare(&plan, &state(&plan, &[ok(0, Op::Action)]), 1, &rows), []);
}

#[test]
fn what_may_have_an_effect_outside_is_not_called_forward_again() {
    let saga = samples::plan(Mode::Saga, 3, Some(1));
    let facts: Vec<Fact> = (0..3).map(|step| ok(step, Op::Action)).collect();
    let remedies = |plan: &Plan, facts: &[Fact]| -> Vec<Vec<bool>> {
        let state = state(plan, facts);
        let of = |step| compare(plan, &state, step, &[]);
        let called = |difference: Difference| matches!(difference.remedy, Remedy::Call(_));
        (0..3).map(|step| of(step).into_iter().map(called).collect()).collect()
    };
    assert_eq!(remedies(&saga, &facts), [vec![true], vec![false], vec![true]]);
    let tcc = samples::plan(Mode::Tcc, 3, None);
    let mut facts: Vec<Fact> = (0..3).map(|step| ok(step, Op::Try)).collect();
    facts.push(Fact::Committed);
    facts.extend((0..3).map(|step| ok(step, Op::Confirm)));
    assert_eq!(remedies(&tcc, &facts), [vec![true, true], vec![true, true], vec![false, false]]);
}

#[test]
fn a_row_of_another_method_or_request_is_seen() {
    let plan = samples::plan(Mode::Saga, 1, None);
    let facts = [ok(0, Op::Action)];
    let good = row(&plan, 0, Op::Action, Done);
    let text = |row: Row| compare(&plan, &state(&plan, &facts), 0, &[row]).pop().map(|found| found.text);
    assert_eq!(text(good.clone()), None);
    let other = text(Row { method: "x.Y/Z".into(), ..good.clone() }).unwrap();
    assert_eq!(other, "p0 did action 01, by method x.Y/Z");
    let other = text(Row { request_hash: "00".into(), ..good.clone() }).unwrap();
    assert_eq!(other, "p0 did action 01, by another request than the plan's");
    assert_eq!(text(Row { request_hash: String::new(), ..good }), None, "not every participant tells");
}

#[test]
fn rows_of_other_branches_are_not_in_the_plan() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let own = row(&plan, 0, Op::Action, Done);
    let others = row(&plan, 1, Op::Action, Done);
    assert_eq!(outside_plan(&plan, "p0", std::slice::from_ref(&own)), []);
    let found = outside_plan(&plan, "p0", &[own, others]);
    assert_eq!(found[0].text, "p0 has action 02, which is not in the plan");
}
