//! Tables of a policy: each wait, each limit and what it leads to.

use super::*;
use crate::plan::{Mode, samples};

const FORWARD: OpRef = OpRef { step: 1, op: Op::Action };
const UNDO: OpRef = OpRef { step: 1, op: Op::Compensate };

/// A SAGA of three steps whose second one has this policy.
fn plan(pivot: Option<usize>, change: impl FnOnce(&mut StepPolicy)) -> Plan {
    let mut body = samples::plan(Mode::Saga, 3, pivot).body().clone();
    change(body.steps[1].policy.as_mut().unwrap());
    Plan::new(body).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn done(attempts: u32, failures: u32, elapsed_ms: u64) -> Done {
    Done { attempts, failures, elapsed: ms(elapsed_ms) }
}

/// Waits of the first tries, without jitter.
fn waits(retry: &Retry, count: u32) -> Vec<u128> {
    (1..=count).map(|nth| retry.wait(nth, LOTS / 2).as_millis()).collect()
}

#[test]
fn a_plan_without_new_fields_means_what_it_meant() {
    let plan = plan(None, |policy| {
        *policy = StepPolicy {
            attempt_timeout_ms: 3_000,
            initial_interval_ms: 100,
            max_interval_ms: 30_000,
            attention_after_ms: 600_000,
            ..StepPolicy::default()
        };
    });
    for at in [FORWARD, UNDO] {
        let retry = Retry::of(&plan, at);
        assert_eq!((retry.attempt_timeout, retry.max_attempts, retry.deadline), (ms(3_000), None, None));
        assert_eq!(retry.total, Some(ms(600_000)));
        assert_eq!(waits(&retry, 4), [100, 200, 400, 800]);
        assert_eq!(retry.wait(1_000_000, 500), ms(30_000));
        assert_eq!((retry.wait(1, 0), retry.wait(1, LOTS)), (ms(80), ms(120)), "±20 %");
    }
}

#[test]
fn waits_grow_by_the_factor_up_to_the_cap_and_spread_by_the_jitter() {
    let policy = |initial, factor, cap, jitter| {
        let plan = plan(None, |policy| {
            (policy.initial_interval_ms, policy.max_interval_ms) = (initial, cap);
            (policy.factor_percent, policy.jitter_percent) = (factor, jitter);
        });
        Retry::of(&plan, FORWARD)
    };
    assert_eq!(waits(&policy(10, 150, 40, None), 6), [10, 15, 22, 33, 40, 40]);
    assert_eq!(waits(&policy(10, 100, 40, None), 3), [10, 10, 10]);
    assert_eq!(waits(&policy(60_000, 0, 100, None), 2), [60_000, 60_000], "never shorter than the first");
    let still = policy(10, 0, 40, Some(0));
    assert_eq!((still.wait(2, 0), still.wait(2, LOTS)), (ms(20), ms(20)));
    let wide = policy(10, 0, 40, Some(90));
    assert_eq!((wide.wait(9, 0), wide.wait(9, LOTS)), (ms(4), ms(76)));
}

#[test]
fn an_exhausted_policy_asks_for_a_person_and_goes_on() {
    let plan = plan(None, |policy| (policy.max_attempts, policy.attention_after_ms) = (3, 1_000));
    let retry = Retry::of(&plan, FORWARD);
    let table = [
        (done(0, 0, 5_000), vec![], "what was never begun has no limit"),
        (done(2, 2, 999), vec![], "neither is reached"),
        (done(9, 2, 10), vec![], "who is still at it has not failed"),
        (done(3, 3, 10), vec![Limit::Attempts(3)], "attempts"),
        (done(1, 0, 1_000), vec![Limit::Total(ms(1_000))], "time, whatever the answers"),
        (done(4, 4, 2_000), vec![Limit::Attempts(3)], "one need, not two"),
    ];
    for (done, limits, why) in table {
        assert_eq!(retry.judge(&done), Judgement::GoOn(limits), "{why}");
    }
    assert_eq!(retry.next_look(&done(1, 1, 400)), Some(ms(1_000)));
    assert_eq!(retry.next_look(&done(1, 1, 1_000)), None);
}

#[test]
fn what_is_safe_to_give_up_is_undone() {
    let plan = plan(Some(2), |policy| {
        (policy.max_attempts, policy.attention_after_ms, policy.safe_to_give_up) = (3, 1_000, true);
    });
    let retry = Retry::of(&plan, FORWARD);
    assert_eq!(retry.judge(&done(2, 2, 10)), Judgement::GoOn(vec![]));
    assert_eq!(retry.judge(&done(3, 3, 10)), Judgement::GiveUp(Limit::Attempts(3)));
    assert_eq!(retry.judge(&done(1, 1, 1_000)), Judgement::GiveUp(Limit::Total(ms(1_000))));
    let undo = Retry::of(&plan, UNDO);
    assert_eq!(undo.judge(&done(50, 50, 1_000)), Judgement::GoOn(vec![Limit::Total(ms(1_000))]));
}

#[test]
fn a_deadline_undoes_up_to_the_pivot_and_asks_for_a_person_behind_it() {
    let judged = |pivot| {
        let plan = plan(pivot, |policy| policy.step_timeout_ms = 500);
        Retry::of(&plan, FORWARD).judge(&done(1, 0, 500))
    };
    let limit = Limit::Deadline(ms(500));
    assert_eq!(judged(None), Judgement::GiveUp(limit));
    assert_eq!(judged(Some(1)), Judgement::GiveUp(limit), "a pivot whose outcome is unknown");
    assert_eq!(judged(Some(0)), Judgement::GoOn(vec![limit]));
}

#[test]
fn second_phases_have_policies_of_their_own() {
    let own =
        RetryPolicy { initial_interval_ms: 5, max_attempts: 2, total_ms: Some(0), ..RetryPolicy::default() };
    let plan = plan(None, |policy| {
        (policy.step_timeout_ms, policy.max_attempts, policy.undo) = (500, 9, Some(own));
    });
    let undo = Retry::of(&plan, UNDO);
    assert_eq!((undo.deadline, undo.max_attempts, undo.total), (None, Some(2), None));
    assert_eq!((waits(&undo, 2), undo.attempt_timeout), (vec![5, 10], ms(1_000)));
    assert_eq!(undo.judge(&done(2, 2, 0)), Judgement::GoOn(vec![Limit::Attempts(2)]));
    let confirm = Retry::of(&plan, OpRef { step: 1, op: Op::Confirm });
    assert_eq!((confirm.max_attempts, waits(&confirm, 2)), (None, vec![10, 20]), "as the forward op");
}

#[test]
fn lots_are_fair_and_repeat() {
    let lots: Vec<u32> = (0..1_000).map(|gid| lot(&format!("gid {gid}"), FORWARD, 1)).collect();
    assert_eq!(lots[7], lot("gid 7", FORWARD, 1));
    for tenth in 0..10 {
        let here = lots.iter().filter(|lot| (tenth * 100..(tenth + 1) * 100).contains(*lot)).count();
        assert!((60..150).contains(&here), "{here} of 1,000 in tenth {tenth}");
    }
}
