//! The relay's table for plans whose steps run beside each other: a diamond, 0 → (1, 2) → 3, and what is not joined.

use super::tests::{ABORTED, LATER, abort, at, none, ok, refused, state, undo, unknown};
use super::{Decision, OpRef, decide, next_ops};
use crate::history::Fact;
use crate::plan::{Mode, samples};

use Op::{Action, Cancel, Compensate, Confirm, Try};
use amends_dtm::Op;

fn diamond(facts: &[Fact], step: usize, op: Op) -> Decision {
    let mode = if matches!(op, Action | Compensate) { Mode::Saga } else { Mode::Tcc };
    let plan = samples::diamond(mode);
    decide(&plan, &state(&plan, facts), at(step, op), &none)
}

fn next(mode: Mode, facts: &[Fact]) -> Vec<OpRef> {
    let plan = samples::diamond(mode);
    next_ops(&plan, &state(&plan, facts))
}

fn ops(op: Op, steps: &[usize]) -> Vec<OpRef> {
    steps.iter().map(|step| at(*step, op)).collect()
}

#[test]
fn a_step_waits_for_those_it_names_and_for_nobody_else() {
    assert_eq!(diamond(&[], 1, Action), LATER);
    assert_eq!(diamond(&[ok(0, Action)], 1, Action), Decision::Run(at(1, Action)));
    assert_eq!(diamond(&[ok(0, Action)], 2, Action), Decision::Run(at(2, Action)));
    assert_eq!(diamond(&[ok(0, Action), ok(2, Action)], 3, Action), LATER, "1 is not recorded");
    let both = [ok(0, Action), ok(2, Action), ok(1, Action)];
    assert_eq!(diamond(&both, 3, Action), Decision::Run(at(3, Action)));
    let unsure = [ok(0, Action), unknown(1, Action)];
    assert_eq!(diamond(&unsure, 2, Action), Decision::Run(at(2, Action)), "1 is none of its business");
}

#[test]
fn all_that_may_begin_is_named_at_once() {
    assert_eq!(next(Mode::Saga, &[]), ops(Action, &[0]));
    assert_eq!(next(Mode::Saga, &[ok(0, Action)]), ops(Action, &[1, 2]));
    assert_eq!(next(Mode::Saga, &[ok(0, Action), ok(2, Action)]), ops(Action, &[1]));
    let turned = [ok(0, Action), ok(1, Action), unknown(2, Action), undo()];
    assert_eq!(next(Mode::Saga, &turned), ops(Compensate, &[3, 2, 1]), "3 is skipped, 0 waits");
    let undone = [turned.as_slice(), &[ok(1, Compensate), ok(2, Compensate)]].concat();
    assert_eq!(next(Mode::Saga, &undone), ops(Compensate, &[3, 0]));
    let tried: Vec<Fact> = (0..4).map(|step| ok(step, Try)).collect();
    let committed = [tried.as_slice(), &[Fact::SubmitDecided, Fact::Committed]].concat();
    assert_eq!(next(Mode::Tcc, &committed), ops(Confirm, &[3]));
    let last = [committed.as_slice(), &[ok(3, Confirm)]].concat();
    assert_eq!(next(Mode::Tcc, &last), ops(Confirm, &[2, 1]));
    let beside = [last.as_slice(), &[ok(1, Confirm)]].concat();
    assert_eq!(next(Mode::Tcc, &beside), ops(Confirm, &[2]));
}

#[test]
fn a_refusal_undoes_the_sibling_that_may_have_run() {
    let facts = [ok(0, Action), refused(2, Action), undo()];
    assert_eq!(diamond(&facts, 2, Compensate), Decision::Skip(at(2, Compensate)));
    assert_eq!(diamond(&facts, 3, Compensate), Decision::Skip(at(3, Compensate)));
    assert_eq!(diamond(&facts, 1, Compensate), Decision::Run(at(1, Compensate)), "nobody knows of 1");
    assert_eq!(diamond(&facts, 0, Compensate), LATER, "1 is undone first");
    let undone = [facts.as_slice(), &[ok(1, Compensate)]].concat();
    assert_eq!(diamond(&undone, 0, Compensate), Decision::Run(at(0, Compensate)));
    let unsure = [facts.as_slice(), &[unknown(1, Compensate)]].concat();
    assert_eq!(diamond(&unsure, 0, Compensate), LATER);
}

#[test]
fn the_undo_of_a_sibling_in_flight_waits_for_its_end_and_so_do_those_before_it() {
    let plan = samples::diamond(Mode::Saga);
    let facts = state(&plan, &[ok(0, Action), refused(2, Action), undo()]);
    let flies = |op: OpRef| op == at(1, Action);
    for step in [1, 0] {
        assert_eq!(decide(&plan, &facts, at(step, Compensate), &flies), LATER, "{step}");
    }
    assert_eq!(decide(&plan, &facts, at(2, Compensate), &flies), Decision::Skip(at(2, Compensate)));
    assert_eq!(decide(&plan, &facts, at(1, Action), &flies), ABORTED, "it is not wanted any more");
}

#[test]
fn siblings_are_undone_beside_each_other() {
    let all: Vec<Fact> = (0..3).map(|step| ok(step, Action)).collect();
    let facts = [all.as_slice(), &[refused(3, Action), undo()]].concat();
    let plan = samples::diamond(Mode::Saga);
    let flies = |op: OpRef| op == at(2, Compensate);
    let decided = decide(&plan, &state(&plan, &facts), at(1, Compensate), &flies);
    assert_eq!(decided, Decision::Run(at(1, Compensate)));
    let waits = decide(&plan, &state(&plan, &facts), at(0, Compensate), &flies);
    assert_eq!(waits, LATER);
}

#[test]
fn a_late_success_of_a_sibling_is_undone_and_nothing_behind_it_ran() {
    let facts = [ok(0, Action), refused(2, Action), undo(), ok(1, Action)];
    assert_eq!(diamond(&facts, 1, Compensate), Decision::Run(at(1, Compensate)));
    assert_eq!(diamond(&facts, 3, Compensate), Decision::Skip(at(3, Compensate)));
}

#[test]
fn confirms_and_cancels_go_against_the_graph() {
    let tried: Vec<Fact> = (0..4).map(|step| ok(step, Try)).collect();
    let decided = [tried.as_slice(), &[Fact::SubmitDecided]].concat();
    assert_eq!(diamond(&decided, 3, Confirm), Decision::Run(at(3, Confirm)));
    assert_eq!(diamond(&decided, 1, Confirm), LATER);
    let last = [decided.as_slice(), &[ok(3, Confirm)]].concat();
    assert_eq!(diamond(&last, 1, Confirm), Decision::Run(at(1, Confirm)));
    assert_eq!(diamond(&last, 2, Confirm), Decision::Run(at(2, Confirm)));
    assert_eq!(diamond(&last, 0, Confirm), LATER);
    let aborted = [tried.as_slice(), &[abort()]].concat();
    assert_eq!(diamond(&aborted, 3, Cancel), Decision::Run(at(3, Cancel)));
    assert_eq!(diamond(&aborted, 2, Cancel), LATER);
}

#[test]
fn steps_that_nothing_joins_do_not_wait_for_each_other() {
    let plan = samples::graph(Mode::Saga, &[&[], &[]], None);
    let facts = [ok(0, Action), unknown(1, Action), undo()];
    let state = state(&plan, &facts);
    assert_eq!(next_ops(&plan, &state), ops(Compensate, &[1, 0]));
    assert_eq!(decide(&plan, &state, at(0, Compensate), &none), Decision::Run(at(0, Compensate)));
}

#[test]
fn behind_the_pivot_a_refusal_stops_its_own_branch_only() {
    let plan = samples::graph(Mode::Saga, &[&[], &[0], &[0], &[1]], Some(0));
    let facts = state(&plan, &[ok(0, Action), refused(1, Action)]);
    assert_eq!(decide(&plan, &facts, at(1, Action), &none), LATER, "a person is needed");
    assert_eq!(decide(&plan, &facts, at(2, Action), &none), Decision::Run(at(2, Action)));
    assert_eq!(decide(&plan, &facts, at(3, Action), &none), LATER);
    assert_eq!(next_ops(&plan, &facts), ops(Action, &[2]));
}
