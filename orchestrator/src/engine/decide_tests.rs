//! The relay's table of design.md §2, row by row, and by loop over every combination of its inputs.

use super::*;
use crate::history::{Cause, Event, Fact};
use crate::plan::samples;

pub(super) fn none(_: OpRef) -> bool {
    false
}

pub(super) fn state(plan: &Plan, facts: &[Fact]) -> State {
    let mut state = State::empty(plan);
    let mut push = |fact: Fact| {
        let event = Event { seq: state.last_seq + 1, time_us: 1, fact };
        state.apply(&event);
    };
    facts.iter().cloned().for_each(&mut push);
    if let Some(end) = state.reached_end(plan) {
        let event = Event { seq: state.last_seq + 1, time_us: 1, fact: Fact::Finished(end) };
        state.apply(&event);
    }
    state
}

pub(super) fn at(step: usize, op: Op) -> OpRef {
    OpRef { step, op }
}

pub(super) fn ok(step: usize, op: Op) -> Fact {
    Fact::AttemptSucceeded { at: at(step, op), attempt: 1 }
}

pub(super) fn unknown(step: usize, op: Op) -> Fact {
    Fact::AttemptUnknown { at: at(step, op), attempt: 1, code: "UNAVAILABLE".into(), reason: String::new() }
}

pub(super) fn refused(step: usize, op: Op) -> Fact {
    Fact::AttemptRefused { at: at(step, op), attempt: 1, reason: "R|x".into() }
}

pub(super) fn undo() -> Fact {
    Fact::UndoDecided(Cause::Cancelled("c".into()))
}

pub(super) fn abort() -> Fact {
    Fact::AbortDecided(Cause::Cancelled("c".into()))
}

pub(super) const OK: Decision = Decision::Reply(Answer::Ok);
pub(super) const ABORTED: Decision = Decision::Reply(Answer::Aborted);
pub(super) const LATER: Decision = Decision::Reply(Answer::InProgress);

fn saga(facts: &[Fact], step: usize, op: Op) -> Decision {
    let plan = samples::plan(Mode::Saga, 4, Some(2));
    decide(&plan, &state(&plan, facts), at(step, op), &none)
}

fn tcc(facts: &[Fact], step: usize, op: Op) -> Decision {
    let plan = samples::plan(Mode::Tcc, 3, None);
    decide(&plan, &state(&plan, facts), at(step, op), &none)
}

#[test]
fn an_action_runs_in_its_turn_and_is_not_run_again() {
    use Op::Action;
    assert_eq!(saga(&[], 0, Action), Decision::Run(at(0, Action)));
    assert_eq!(saga(&[], 1, Action), LATER, "the one before it is not recorded");
    assert_eq!(saga(&[ok(0, Action)], 0, Action), OK);
    assert_eq!(saga(&[ok(0, Action)], 1, Action), Decision::Run(at(1, Action)));
    assert_eq!(saga(&[unknown(0, Action)], 0, Action), Decision::Run(at(0, Action)));
    assert_eq!(saga(&[unknown(0, Action)], 1, Action), LATER);
}

#[test]
fn an_action_in_flight_is_not_run_twice() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let running = |op: OpRef| op == at(0, Op::Action);
    assert_eq!(decide(&plan, &state(&plan, &[]), at(0, Op::Action), &running), LATER);
}

#[test]
fn no_action_begins_after_the_undo_decision() {
    use Op::Action;
    assert_eq!(saga(&[undo()], 0, Action), ABORTED);
    assert_eq!(saga(&[ok(0, Action), undo()], 0, Action), OK, "it succeeded before the decision");
    assert_eq!(saga(&[ok(0, Action), undo()], 1, Action), ABORTED);
    assert_eq!(saga(&[undo(), ok(0, Action)], 0, Action), ABORTED, "a success that came too late is undone");
    assert_eq!(saga(&[ok(0, Action), unknown(1, Action), undo()], 1, Action), ABORTED);
}

#[test]
fn a_refusal_is_a_refusal_up_to_the_pivot_and_attention_behind_it() {
    use Op::Action;
    assert_eq!(saga(&[refused(0, Action), undo()], 0, Action), ABORTED);
    let passed = [ok(0, Action), ok(1, Action), ok(2, Action), refused(3, Action)];
    assert_eq!(saga(&passed, 3, Action), LATER);
}

#[test]
fn undo_skips_what_cannot_have_run() {
    use Op::{Action, Compensate};
    let facts = [ok(0, Action), refused(1, Action), undo()];
    assert_eq!(saga(&facts, 2, Compensate), Decision::Skip(at(2, Compensate)), "the one before it refused");
    assert_eq!(saga(&facts, 1, Compensate), Decision::Skip(at(1, Compensate)));
    assert_eq!(saga(&facts, 0, Compensate), Decision::Run(at(0, Compensate)));
    assert_eq!(saga(&facts, 3, Compensate), OK, "behind the pivot there is nothing to call");
}

#[test]
fn undo_takes_back_what_may_have_run_though_no_attempt_is_recorded() {
    use Op::{Action, Compensate};
    assert_eq!(saga(&[undo()], 0, Compensate), Decision::Run(at(0, Compensate)));
    assert_eq!(saga(&[ok(0, Action), undo()], 1, Compensate), Decision::Run(at(1, Compensate)));
    assert_eq!(saga(&[ok(0, Action), undo()], 0, Compensate), LATER, "in reverse: 1 may have run");
}

#[test]
fn undo_waits_for_a_forward_attempt_in_flight_and_answers_once_recorded() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let asked = at(0, Op::Compensate);
    let forward_runs = |op: OpRef| op == at(0, Op::Action);
    assert_eq!(decide(&plan, &state(&plan, &[undo()]), asked, &forward_runs), LATER);
    let undo_runs = |op: OpRef| op == asked;
    assert_eq!(decide(&plan, &state(&plan, &[undo()]), asked, &undo_runs), LATER);
    let done = state(&plan, &[undo(), ok(0, Op::Compensate)]);
    assert_eq!(decide(&plan, &done, asked, &none), OK);
}

#[test]
fn an_undo_that_nobody_decided_consults_the_coordinator() {
    assert_eq!(saga(&[ok(0, Op::Action)], 0, Op::Compensate), Decision::Consult);
    assert_eq!(tcc(&[ok(0, Op::Try)], 0, Op::Cancel), Decision::Consult);
    assert_eq!(tcc(&[Fact::SubmitDecided], 0, Op::Cancel), Decision::Consult);
    assert!(matches!(tcc(&[Fact::SubmitDecided, Fact::Committed], 0, Op::Cancel), Decision::Disagree(_)));
    let done: Vec<Fact> = (0..4).map(|step| ok(step, Op::Action)).collect();
    assert_eq!(saga(&done, 0, Op::Compensate), OK, "a finished saga is not undone, but DTM may end");
}

#[test]
fn a_confirm_needs_a_durable_commit_decision() {
    use Op::Confirm;
    assert!(matches!(tcc(&[], 2, Confirm), Decision::Disagree(_)));
    assert!(matches!(tcc(&[abort()], 2, Confirm), Decision::Disagree(_)));
    for decided in [vec![Fact::SubmitDecided], vec![Fact::SubmitDecided, Fact::Committed]] {
        assert_eq!(tcc(&decided, 2, Confirm), Decision::Run(at(2, Confirm)));
        assert_eq!(tcc(&decided, 1, Confirm), LATER, "in reverse of registration");
        let captured = [decided.as_slice(), &[ok(2, Confirm)]].concat();
        assert_eq!(tcc(&captured, 2, Confirm), OK);
        assert_eq!(tcc(&captured, 1, Confirm), Decision::Run(at(1, Confirm)));
        let waiting = [decided.as_slice(), &[unknown(2, Confirm)]].concat();
        assert_eq!(tcc(&waiting, 1, Confirm), LATER);
    }
    let undone = [abort(), refused(0, Op::Try)];
    assert_eq!(tcc(&undone, 0, Confirm), OK, "all is undone: DTM may end");
}

#[test]
fn an_op_of_the_other_mode_is_a_disagreement() {
    for op in [Op::Try, Op::Confirm, Op::Cancel] {
        assert!(matches!(saga(&[], 0, op), Decision::Disagree(_)));
    }
    for op in [Op::Action, Op::Compensate] {
        assert!(matches!(tcc(&[], 0, op), Decision::Disagree(_)));
    }
}

/// Every forward standing × verdict × in flight, for both modes: nothing is ever refused that history does not
/// refuse, nothing runs after the decision against it, and nothing is undone before it.
#[test]
fn every_combination_keeps_the_promises() {
    let mut seen = 0;
    for mode in [Mode::Saga, Mode::Tcc] {
        let plan = samples::plan(mode, 2, None);
        let forward = plan.forward_op();
        let standings = [vec![], vec![unknown(0, forward)], vec![ok(0, forward)], vec![refused(0, forward)]];
        let decisions = match mode {
            Mode::Tcc => {
                vec![
                    vec![],
                    vec![Fact::SubmitDecided],
                    vec![Fact::SubmitDecided, Fact::Committed],
                    vec![abort()],
                ]
            }
            Mode::Saga | Mode::Unspecified => vec![vec![], vec![undo()]],
        };
        for standing in &standings {
            for decision in &decisions {
                for (op, busy) in [forward, Op::Confirm, plan.undo_op()]
                    .into_iter()
                    .flat_map(|op| [(op, false), (op, true)])
                {
                    let state = state(&plan, &[standing.as_slice(), decision].concat());
                    let asked = at(0, op);
                    let decided = decide(&plan, &state, asked, &|_: OpRef| busy);
                    check(&plan, &state, asked, busy, &decided);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 144);
}

fn check(plan: &Plan, state: &State, asked: OpRef, busy: bool, decided: &Decision) {
    let context = format!("{asked:?} {:?} busy {busy} → {decided:?}", state.verdict);
    match decided {
        Decision::Run(run) => {
            assert!(!busy, "a second attempt beside one in flight: {context}");
            assert_eq!(*run, asked, "{context}");
            let undo = asked.op == plan.undo_op();
            assert_eq!(state.undoing(), undo, "forward after, or undo before, the decision: {context}");
        }
        Decision::Reply(Answer::Aborted) => {
            assert_eq!(asked.op, plan.forward_op(), "only forward ops are refused: {context}");
            let refused = state.op(asked).standing == Standing::Refused;
            assert!(refused || state.undoing(), "a refusal that history does not know: {context}");
        }
        Decision::Reply(Answer::Ok) if asked.op == plan.forward_op() => {
            assert_eq!(state.op(asked).standing, Standing::Succeeded, "{context}");
        }
        Decision::Skip(_) => assert!(state.undoing() && state.cannot_have_run(plan, asked.step), "{context}"),
        Decision::Reply(Answer::Ok | Answer::InProgress) | Decision::Consult | Decision::Disagree(_) => {}
    }
}

#[test]
fn the_next_op_is_the_one_that_history_lacks() {
    let plan = samples::plan(Mode::Saga, 3, None);
    let next = |facts: &[Fact]| next_ops(&plan, &state(&plan, facts));
    assert_eq!(next(&[]), [at(0, Op::Action)]);
    assert_eq!(next(&[ok(0, Op::Action)]), [at(1, Op::Action)]);
    let turned = [ok(0, Op::Action), undo()];
    assert_eq!(next(&turned), [at(2, Op::Compensate), at(1, Op::Compensate)], "2 is skipped, 1 is undone");
    let skip = Fact::Skipped { at: at(2, Op::Compensate) };
    let undone = [turned.as_slice(), &[ok(1, Op::Compensate), skip]].concat();
    assert_eq!(next(&undone), [at(0, Op::Compensate)]);
    assert!(next(&[refused(0, Op::Action), undo()]).is_empty(), "nothing may have run: it is over");
    let plan = samples::plan(Mode::Tcc, 2, None);
    let next = |facts: &[Fact]| next_ops(&plan, &state(&plan, facts));
    assert!(next(&[Fact::SubmitDecided]).is_empty(), "the coordinator is asked first");
    assert_eq!(next(&[Fact::SubmitDecided, Fact::Committed]), [at(1, Op::Confirm)]);
    assert_eq!(next(&[Fact::SubmitDecided, Fact::Committed, ok(1, Op::Confirm)]), [at(0, Op::Confirm)]);
}
