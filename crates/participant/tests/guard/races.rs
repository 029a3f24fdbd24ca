//! Calls of one branch at the same moment: the effect is there once, or not at all, and everyone is told the same.

use std::collections::BTreeSet;

use amends_dtm::Op::{self, Action, Cancel, Compensate, Confirm, Try};
use futures::future::join_all;

use crate::client::{Caller, told};
use crate::world::World;

async fn at_once(caller: &Caller, op: Op, times: usize) -> Vec<String> {
    let calls = (0..times).map(|_| {
        let caller = caller.clone();
        tokio::spawn(async move { told(&caller.burn(op).await) })
    });
    join_all(calls).await.into_iter().map(Result::unwrap).collect()
}

fn count(answers: &[String], of: &str) -> usize {
    answers.iter().filter(|answer| *answer == of).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_duplicates_of_every_op_have_one_effect() {
    let world = World::new().await;
    for (forward, second) in [(Action, Compensate), (Try, Confirm), (Try, Cancel)] {
        let caller = world.caller("u");
        for op in [forward, second] {
            let answers = at_once(&caller, op, 100).await;
            assert_eq!((count(&answers, "OK"), count(&answers, "OK replayed")), (1, 99), "{op}: {answers:?}");
        }
        assert_eq!(world.effects(&caller).await.split(' ').count(), 2, "{forward} {second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_duplicates_that_are_refused_leave_no_trace() {
    let world = World::new().await;
    let caller = world.caller("refuse");
    let answers = at_once(&caller, Try, 100).await;
    let told: BTreeSet<&str> = answers.iter().map(|answer| answer.trim_end_matches(" replayed")).collect();
    assert_eq!(told, BTreeSet::from(["ABORTED INSUFFICIENT_POINTS"]));
    assert_eq!(count(&answers, "ABORTED INSUFFICIENT_POINTS"), 1, "only one call is the first");
    assert_eq!(
        (world.effects(&caller).await.as_str(), world.rows(&caller).await.as_str()),
        ("", "try=refused")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_races_its_action_leaves_both_or_none() {
    let world = World::new().await;
    let mut seen = BTreeSet::new();
    for round in 0..60 {
        let caller = world.caller("u");
        let (first, then) = if round % 2 == 0 { (Action, Compensate) } else { (Compensate, Action) };
        let racing = [(first, caller.clone()), (then, caller.clone())]
            .map(|(op, caller)| tokio::spawn(async move { (op, told(&caller.burn(op).await)) }));
        let mut answers: Vec<String> = Vec::new();
        for (op, answer) in join_all(racing).await.into_iter().map(Result::unwrap) {
            answers.push(format!("{op}: {answer}"));
        }
        answers.sort();
        let after = world.effects(&caller).await;
        match answers.join(", ").as_str() {
            "action: OK, compensate: OK" => assert_eq!(after, "burn return"),
            "action: ABORTED BRANCH_CLOSED, compensate: OK" => assert_eq!(after, ""),
            other => panic!("{other}"),
        }
        seen.insert(answers[0].clone());
    }
    assert_eq!(seen.len(), 2, "both orders were met: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_confirm_and_a_cancel_at_once_exactly_one_wins() {
    let world = World::new().await;
    for _ in 0..40 {
        let caller = world.caller("u");
        assert_eq!(told(&caller.burn(Try).await), "OK");
        let racing = [Confirm, Cancel].map(|op| {
            let caller = caller.clone();
            tokio::spawn(async move { told(&caller.burn(op).await) })
        });
        let answers: Vec<String> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
        let effects = world.effects(&caller).await;
        match [answers[0].as_str(), answers[1].as_str()] {
            ["OK", "INTERNAL PHASE_CONFLICT"] => assert_eq!(effects, "try confirm"),
            ["INTERNAL PHASE_CONFLICT", "OK"] => assert_eq!(effects, "try cancel"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_for_the_branch_is_told_locked_and_nothing_is_stored() {
    let world = World::new().await;
    let caller = world.caller("slow");
    let slow = caller.clone();
    let first = tokio::spawn(async move { told(&slow.burn(Action).await) });
    world.desk.entered().await;
    assert_eq!(told(&caller.burn(Action).await), "FAILEDPRECONDITION LOCKED");
    assert_eq!(told(&caller.burn(Compensate).await), "FAILEDPRECONDITION LOCKED");
    assert_eq!(world.rows(&caller).await, "");
    world.desk.let_go();
    assert_eq!(first.await.unwrap(), "OK");
    assert_eq!(told(&caller.burn(Action).await), "OK replayed");
    assert_eq!(world.effects(&caller).await, "burn");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_goes_on_when_its_caller_gives_up() {
    let world = World::new().await;
    let caller = world.caller("slow");
    let slow = caller.clone();
    let first = tokio::spawn(async move { slow.burn(Try).await });
    world.desk.entered().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.desk.let_go();
    // Waits for its turn behind the first, which nobody waits for any more.
    assert_eq!(told(&caller.burn(Try).await), "OK replayed");
    assert_eq!(
        (world.effects(&caller).await.as_str(), world.rows(&caller).await.as_str()),
        ("try", "try=done")
    );
}
