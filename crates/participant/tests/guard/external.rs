//! Calls that go outside between two local transactions. The participant notes `…_a` in the first and `…_b` in the
//! second; the desk decides what the outside says, and when.

use amends_dtm::Op::{self, Action, Cancel, Compensate, Confirm, Try};
use amends_participant::{Branch, Settled, Settlement};
use amends_proto::pay::points::v1::PointsResponse;
use tokio::task::JoinHandle;

use crate::client::{Caller, told};
use crate::points::said;
use crate::world::{Outside, World};

/// Starts a call; it is outside when this returns.
async fn go_outside(world: &World, caller: &Caller, op: Op) -> JoinHandle<String> {
    let caller = caller.clone();
    let call = tokio::spawn(async move { told(&caller.earn(op).await) });
    world.desk.entered().await;
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_call_is_outside_repeats_wait_and_the_undo_goes_outside_itself() {
    let world = World::new().await;
    let caller = world.caller("u");
    let first = go_outside(&world, &caller, Action).await;
    assert_eq!(world.rows(&caller).await, "action=running");
    assert_eq!(told(&caller.earn(Action).await), "FAILEDPRECONDITION PAYMENT_UNKNOWN");
    assert_eq!(told(&caller.forged().earn(Action).await), "ALREADYEXISTS IDEMPOTENCY_MISMATCH");
    assert_eq!(told(&caller.forged().earn(Compensate).await), "INTERNAL IDEMPOTENCY_MISMATCH");
    let undo = go_outside(&world, &caller, Compensate).await;
    assert_eq!(world.rows(&caller).await, "action=running", "an undo leaves no row before it is settled");
    world.desk.outside(Outside::Yes);
    assert_eq!((first.await.unwrap().as_str(), undo.await.unwrap().as_str()), ("OK", "OK"));
    assert_eq!(told(&caller.earn(Compensate).await), "OK replayed");
    let effects = world.effects(&caller).await;
    assert!(effects.starts_with("forward_a undo_of_running_a"), "{effects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_from_outside_is_the_answer_for_ever() {
    let world = World::new().await;
    let cases = [
        (Outside::Yes, "OK", "OK replayed", "action=done"),
        (Outside::No, "ABORTED PSP_DECLINED", "ABORTED PSP_DECLINED replayed", "action=refused"),
    ];
    for (outside, first, again, rows) in cases {
        let caller = world.caller("u");
        world.desk.outside(outside);
        assert_eq!(told(&caller.earn(Action).await), first);
        assert_eq!(told(&caller.earn(Action).await), again);
        assert_eq!(world.rows(&caller).await, rows);
        assert_eq!(world.effects(&caller).await, "forward_a forward_b");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_left_is_forgotten_and_starts_afresh() {
    let world = World::new().await;
    let caller = world.caller("u");
    world.desk.outside(Outside::NeverLeft);
    assert_eq!(told(&caller.earn(Try).await), "FAILEDPRECONDITION PSP_DECLINED");
    assert_eq!(world.rows(&caller).await, "");
    world.desk.outside(Outside::Yes);
    assert_eq!(told(&caller.earn(Try).await), "OK");
    assert_eq!(world.effects(&caller).await, "try_a try_b try_a try_b");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_is_final_or_refused_at_once_never_goes_outside() {
    let world = World::new().await;
    for (user, first, rows) in
        [("at_once", "OK", "try=done"), ("refuse", "ABORTED RISK_DENIED", "try=refused")]
    {
        let caller = world.caller(user);
        assert_eq!(told(&caller.earn(Try).await), first);
        assert_eq!(told(&caller.earn(Try).await), format!("{first} replayed"));
        assert_eq!(world.rows(&caller).await, rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_phases_outside_follow_the_same_table() {
    let world = World::new().await;
    world.desk.outside(Outside::Yes);
    let confirmed = world.caller("u");
    for (op, expected) in [
        (Confirm, "INTERNAL CONFIRM_WITHOUT_TRY"),
        (Try, "OK"),
        (Confirm, "OK"),
        (Confirm, "OK replayed"),
        (Cancel, "INTERNAL PHASE_CONFLICT"),
    ] {
        assert_eq!(told(&confirmed.earn(op).await), expected);
    }
    assert_eq!(world.effects(&confirmed).await, "try_a try_b confirm_a confirm_b");
    let empty = world.caller("u");
    for (op, expected) in [(Cancel, "OK"), (Try, "ABORTED BRANCH_CLOSED"), (Cancel, "OK replayed")] {
        assert_eq!(told(&empty.earn(op).await), expected);
    }
    assert_eq!(world.effects(&empty).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_undo_is_the_end_of_a_call_that_is_still_outside() {
    let world = World::new().await;
    let caller = world.caller("u");
    let first = go_outside(&world, &caller, Action).await;
    // The undo is settled by a worker while both calls are still outside.
    let tx = world.store.transaction().await.unwrap();
    let undo = branch(&caller, Compensate);
    assert_eq!(settle(&world, &tx, &undo, Settled::Done(said("undo"))).await, Settlement::Recorded);
    assert_eq!(settle(&world, &tx, &undo, Settled::Done(said("undo"))).await, Settlement::Earlier);
    tx.commit().await.unwrap();
    assert_eq!(world.rows(&caller).await, "action=refused compensate=done");
    assert_eq!(told(&caller.earn(Compensate).await), "OK replayed");
    assert_eq!(told(&caller.earn(Action).await), "ABORTED BRANCH_CLOSED replayed");
    world.desk.outside(Outside::Yes);
    first.await.unwrap();
    assert_eq!(
        world.rows(&caller).await,
        "action=refused compensate=done",
        "what comes late changes nothing"
    );
}

/// A crash between the two transactions leaves the row RUNNING: a worker that knows only the key settles it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_settles_what_a_crash_left_behind() {
    let world = World::new().await;
    let caller = world.caller("u");
    let first = go_outside(&world, &caller, Try).await;
    let key = branch(&caller, Try);
    let dropped = world.store.transaction().await.unwrap();
    assert_eq!(settle(&world, &dropped, &key, Settled::Done(said("worker"))).await, Settlement::Recorded);
    dropped.rollback().await.unwrap();
    assert_eq!(world.rows(&caller).await, "try=running", "settled only with the transaction around it");
    let tx = world.store.transaction().await.unwrap();
    assert_eq!(settle(&world, &tx, &key, Settled::Done(said("worker"))).await, Settlement::Recorded);
    tx.commit().await.unwrap();
    let answer = caller.earn(Try).await.unwrap();
    assert_eq!(answer.into_inner(), said("worker"));
    world.desk.outside(Outside::No);
    first.await.unwrap();
    assert_eq!(world.rows(&caller).await, "try=done", "the first outcome stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_begun_cannot_be_settled() {
    let world = World::new().await;
    let caller = world.caller("u");
    let tx = world.store.transaction().await.unwrap();
    for op in Op::ALL {
        let settled = world.guard.settle(&tx, &branch(&caller, op), Settled::Done(said("never"))).await;
        assert!(settled.unwrap_err().to_string().starts_with("BROKEN|"), "{op}");
    }
    tx.rollback().await.unwrap();
}

fn branch(caller: &Caller, op: Op) -> Branch {
    let branch_id = amends_dtm::BranchId::of_index(0);
    let trans_type = amends_dtm::TransType::Saga;
    Branch { gid: caller.gid.clone(), branch_id, op, trans_type, method: "worker".into() }
}

async fn settle(
    world: &World,
    tx: &amends_serve::store::LocalTransaction,
    branch: &Branch,
    settled: Settled<PointsResponse>,
) -> Settlement {
    world.guard.settle(tx, branch, settled).await.unwrap()
}
