//! Tests of the fold of runs: what begins anew, what stays, and what a crash must not lose.

use super::*;
use crate::plan::Mode;
use crate::plan::samples;

const AT: OpRef = OpRef { step: 1, op: Op::Action };

/// Each event 10 µs after the one before, the first at 10.
fn play(facts: &[Fact]) -> State {
    let plan = samples::plan(Mode::Saga, 3, None);
    let events = facts.iter().cloned().zip(1_i64..).map(|(fact, seq)| Event { seq, time_us: seq * 10, fact });
    State::fold(&plan, &events.collect::<Vec<_>>())
}

fn begun(attempt: u32) -> Fact {
    Fact::AttemptStarted { at: AT, attempt }
}

fn unknown(attempt: u32) -> Fact {
    Fact::AttemptUnknown { at: AT, attempt, code: "UNAVAILABLE".into(), reason: "x".into() }
}

fn redriven(run: u32) -> Fact {
    Fact::OperatorRedriven { run, from: vec![AT], act: Act::of("ann", "repaired") }
}

fn done(step: usize) -> Fact {
    Fact::AttemptSucceeded { at: OpRef { step, op: Op::Action }, attempt: 1 }
}

#[test]
fn a_run_counts_anew_and_keeps_what_was_done() {
    let failed = [Fact::Started, done(0), begun(1), unknown(1), begun(2), unknown(2)];
    let first = play(&failed);
    assert_eq!((first.run(), first.op(AT).failures, first.op(AT).since_us), (1, 2, 30));
    assert!(first.op(AT).in_vain);
    let second = play(&[&failed[..], &[redriven(2)]].concat());
    let op = second.op(AT);
    assert_eq!((second.run(), op.failures, op.since_us, op.attempts_in_run()), (2, 0, 0, 0));
    assert_eq!((op.attempts, op.started_us, op.standing), (2, 30, Standing::Waiting), "told of all runs");
    assert!(!op.in_vain);
    let redrive = second.redrive.as_ref().unwrap();
    assert_eq!(
        (redrive.since_us, redrive.from.as_slice(), redrive.act.subject.as_str()),
        (70, &[AT][..], "ann")
    );
    assert_eq!(second.steps[0], first.steps[0], "earlier results stand");
    let tried = play(&[&failed[..], &[redriven(2), begun(3), unknown(3)]].concat());
    let op = tried.op(AT);
    assert_eq!((op.failures, op.since_us, op.attempts_in_run(), op.attempts), (1, 80, 1, 3));
}

/// Which of its events came before the run began depends on how long it took; its time does not begin before the run.
#[test]
fn an_attempt_that_was_under_way_is_the_first_of_the_run() {
    let failed = [Fact::Started, begun(1), unknown(1)];
    let slow = play(&[&failed[..], &[begun(2), redriven(2)]].concat());
    assert_eq!((slow.op(AT).since_us, slow.op(AT).attempts_in_run()), (50, 1));
    let ended = play(&[&failed[..], &[begun(2), redriven(2), unknown(2)]].concat());
    assert_eq!((ended.op(AT).failures, ended.op(AT).since_us, ended.op(AT).attempts_in_run()), (1, 50, 1));
    let mut quick = play(&[&failed[..], &[redriven(2)]].concat());
    for (seq, fact) in [(5, begun(2)), (6, unknown(2))] {
        // Its event bears the time at which it began: before the run.
        quick.apply(&Event { seq, time_us: 35, fact });
    }
    assert_eq!((quick.op(AT).failures, quick.op(AT).since_us), (1, 40));
}

#[test]
fn a_run_said_again_or_after_the_end_changes_nothing_but_the_seq() {
    let failed = [Fact::Started, begun(1), unknown(1), redriven(2), begun(2), unknown(2)];
    for again in [redriven(2), redriven(1)] {
        let mut state = play(&failed);
        let before = state.clone();
        state.apply(&Event { seq: 99, time_us: 990, fact: again });
        assert_eq!(state, State { last_seq: 99, ..before });
    }
    let ended = play(&[&failed[..], &[Fact::Finished(End::Failed), redriven(3)]].concat());
    assert_eq!(ended.run(), 2);
}

#[test]
fn an_op_that_has_its_outcome_is_not_renewed() {
    let facts = [Fact::Started, begun(1), unknown(1), done(1), redriven(2)];
    let state = play(&facts);
    assert_eq!((state.op(AT).failures, state.op(AT).renewed), (1, None));
}
