//! Tests of the fold: decisions, late results, ends.

use super::*;
use crate::history::Status;
use crate::plan::Mode;
use crate::plan::samples;

fn play(plan: &Plan, facts: &[Fact]) -> State {
    let events: Vec<Event> = facts
        .iter()
        .zip(1_i64..)
        .map(|(fact, seq)| Event { seq, time_us: seq * 10, fact: fact.clone() })
        .collect();
    State::fold(plan, &events)
}

fn ok(step: usize, op: Op) -> Fact {
    Fact::AttemptSucceeded { at: OpRef { step, op }, attempt: 1 }
}

fn begun(step: usize, op: Op) -> Fact {
    Fact::AttemptStarted { at: OpRef { step, op }, attempt: 1 }
}

fn refused(step: usize, op: Op) -> Fact {
    Fact::AttemptRefused { at: OpRef { step, op }, attempt: 1, reason: "OUT|x".into() }
}

fn undo() -> Fact {
    Fact::UndoDecided(Cause::Refused("OUT|x".into()))
}

#[test]
fn a_saga_succeeds_with_its_last_action() {
    let plan = samples::plan(Mode::Saga, 2, None);
    assert_eq!(play(&plan, &[Fact::Started]).status(), Status::Accepted);
    assert_eq!(play(&plan, &[Fact::Started, begun(0, Op::Action)]).status(), Status::Running);
    let almost = play(&plan, &[Fact::Started, ok(0, Op::Action)]);
    assert_eq!(almost.reached_end(&plan), None);
    let done = play(&plan, &[Fact::Started, ok(0, Op::Action), ok(1, Op::Action)]);
    assert_eq!(done.reached_end(&plan), Some(End::Succeeded));
}

#[test]
fn a_refused_saga_fails_when_all_before_it_is_undone() {
    let plan = samples::plan(Mode::Saga, 3, None);
    let facts = [Fact::Started, ok(0, Op::Action), refused(1, Op::Action), undo()];
    let state = play(&plan, &facts);
    assert_eq!((state.status(), state.reached_end(&plan)), (Status::Compensating, None));
    assert!(
        state.cannot_have_run(&plan, 1)
            && state.cannot_have_run(&plan, 2)
            && !state.cannot_have_run(&plan, 0)
    );
    let undone = play(&plan, &[facts.as_slice(), &[ok(0, Op::Compensate)]].concat());
    assert_eq!(undone.reached_end(&plan), Some(End::Failed));
}

#[test]
fn an_unknown_step_is_undone_too() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let facts = [ok(0, Op::Action), begun(1, Op::Action), Fact::UndoDecided(Cause::Cancelled("c".into()))];
    let state = play(&plan, &facts);
    assert!(!state.undone(&plan, 1), "a missing outcome proves nothing");
    let half = [facts.as_slice(), &[ok(0, Op::Compensate)]].concat();
    assert_eq!(play(&plan, &half).reached_end(&plan), None);
    let whole = [half.as_slice(), &[Fact::Skipped { at: OpRef { step: 1, op: Op::Compensate } }]].concat();
    assert_eq!(play(&plan, &whole).reached_end(&plan), Some(End::Cancelled));
}

#[test]
fn success_after_the_undo_decision_is_late() {
    let plan = samples::plan(Mode::Saga, 1, None);
    let state = play(&plan, &[begun(0, Op::Action), undo(), ok(0, Op::Action)]);
    assert_eq!(state.op(OpRef { step: 0, op: Op::Action }).standing, Standing::SucceededLate);
    assert_eq!(state.reached_end(&plan), None);
    let plan = samples::plan(Mode::Saga, 2, None);
    let state = play(&plan, &[begun(0, Op::Action), undo(), ok(0, Op::Action)]);
    assert!(state.cannot_have_run(&plan, 1), "what comes after it was never asked for");
    assert!(!state.undone(&plan, 0));
}

#[test]
fn steps_behind_the_pivot_need_no_undo() {
    let plan = samples::plan(Mode::Saga, 3, Some(1));
    let facts =
        [ok(0, Op::Action), begun(1, Op::Action), undo(), ok(1, Op::Compensate), ok(0, Op::Compensate)];
    assert_eq!(play(&plan, &facts).reached_end(&plan), Some(End::Failed));
}

#[test]
fn a_tcc_succeeds_with_its_last_confirm_and_not_with_dtms_word() {
    let plan = samples::plan(Mode::Tcc, 2, None);
    let tried = [ok(0, Op::Try), ok(1, Op::Try)];
    assert_eq!(play(&plan, &tried).reached_end(&plan), None);
    let committed = [tried.as_slice(), &[Fact::SubmitDecided, Fact::Committed]].concat();
    assert_eq!(play(&plan, &committed).reached_end(&plan), None);
    let done = [committed.as_slice(), &[ok(1, Op::Confirm), ok(0, Op::Confirm)]].concat();
    assert_eq!(play(&plan, &done).reached_end(&plan), Some(End::Succeeded));
}

#[test]
fn decisions_stand() {
    let plan = samples::plan(Mode::Tcc, 1, None);
    let abort = || Fact::AbortDecided(Cause::Cancelled("c".into()));
    let committed = play(&plan, &[Fact::SubmitDecided, Fact::Committed, abort()]);
    assert_eq!(committed.verdict, Verdict::Committed);
    let aborted = play(&plan, &[abort(), Fact::SubmitDecided, Fact::Committed]);
    assert!(aborted.undoing());
    let settled = play(&plan, &[Fact::SubmitDecided, abort()]);
    assert!(settled.undoing(), "a submit that lost may still turn into an abort");
}

#[test]
fn attention_opens_once_and_closes() {
    let plan = samples::plan(Mode::Saga, 1, None);
    let open = || Fact::AttentionOpened { cause: "a".into(), at: None, text: "t".into() };
    let state = play(&plan, &[open(), open()]);
    assert_eq!(state.attention.len(), 1);
    assert_eq!(state.attention[0].since_us, 10);
    let closed = play(&plan, &[open(), Fact::AttentionClosed { cause: "a".into() }]);
    assert!(closed.attention.is_empty());
}

#[test]
fn a_repeated_fact_changes_nothing_but_the_seq() {
    let plan = samples::plan(Mode::Saga, 2, None);
    let facts = [Fact::Started, begun(0, Op::Action), ok(0, Op::Action), refused(1, Op::Action), undo()];
    for fact in &facts[2..] {
        let once = play(&plan, &facts);
        let mut twice = once.clone();
        twice.apply(&Event { seq: 99, time_us: 990, fact: fact.clone() });
        twice.last_seq = once.last_seq;
        assert_eq!(twice, once, "{fact:?}");
    }
}

#[test]
fn in_a_graph_a_sibling_proves_nothing_about_the_other() {
    let plan = samples::diamond(Mode::Saga);
    let facts = [ok(0, Op::Action), refused(2, Op::Action), undo()];
    let state = play(&plan, &facts);
    assert!(!state.cannot_have_run(&plan, 1), "it may run beside the one that refused");
    assert!(state.cannot_have_run(&plan, 2) && state.cannot_have_run(&plan, 3));
    assert_eq!(state.reached_end(&plan), None);
    let undone = [facts.as_slice(), &[ok(0, Op::Compensate), ok(1, Op::Compensate)]].concat();
    assert_eq!(play(&plan, &undone).reached_end(&plan), Some(End::Failed));
}

/// What the auditor finds and does after the end is told, and changes neither the end nor what was recorded.
#[test]
fn what_is_appended_after_the_end_changes_no_decision() {
    let plan = samples::plan(Mode::Saga, 1, None);
    let ended = [Fact::Started, ok(0, Op::Action), Fact::Finished(End::Succeeded)];
    let opened =
        Fact::AttentionOpened { cause: "disagreement".into(), at: None, text: "p0 has no row".into() };
    let found = play(&plan, &[ended.as_slice(), std::slice::from_ref(&opened)].concat());
    assert_eq!((found.status(), found.attention.len(), found.finished_us), (Status::Succeeded, 1, 30));
    let again = [opened, begun(0, Op::Action), refused(0, Op::Action), undo()];
    let again = play(&plan, &[ended.as_slice(), &again].concat());
    assert_eq!((again.status(), again.finished_us), (Status::Succeeded, 30));
    assert_eq!(again.steps[0].forward.standing, Standing::Succeeded);
    let closed = Fact::AttentionClosed { cause: "disagreement".into() };
    assert_eq!(play(&plan, &[ended.as_slice(), &[closed]].concat()).attention, []);
}
