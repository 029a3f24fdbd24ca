//! Branch calls that succeed, are undone, repeated, or come in the wrong order.

use crate::world::{Op, World, is_replay, pay, reason, transfer};
use amends_dtm::Gid;
use amends_proto::pay::account::v1::{AccountState, HoldState};
use futures::future::join_all;
use tonic::Code;

const ALICE: &str = "USER_WALLET:alice:USD";
const BOB: &str = "USER_WALLET:bob:USD";
const MERCHANT: &str = "MERCHANT_PENDING:northwind:USD";

#[tokio::test]
async fn a_tried_transfer_is_held_and_a_confirm_settles_it() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(300));
    let held = world.call(Op::Try, &gid, &body).await.unwrap().into_inner();
    assert_eq!((held.state(), held.available_after), (HoldState::Held, 700));
    let (alice, merchant) = (world.account(ALICE).await, world.account(MERCHANT).await);
    assert_eq!((alice.debits_pending, alice.debits_posted), (300, 0));
    assert_eq!((merchant.credits_pending, merchant.credits_posted, merchant.available), (300, 0, 0));
    assert_eq!(world.entries().await.len(), 1, "only the seed");

    let settled = world.call(Op::Confirm, &gid, &body).await.unwrap().into_inner();
    assert_eq!((settled.state(), settled.available_after), (HoldState::Settled, 700));
    assert_eq!(world.available(MERCHANT).await, 300);
    let entry = world.entries().await.pop().unwrap();
    assert_eq!(entry.source_id, format!("{gid}/01/confirm"));
    assert_eq!((entry.debit_account_id.as_str(), entry.credit_account_id.as_str()), (ALICE, MERCHANT));
    assert_eq!((entry.amount.unwrap().minor_units, entry.line, entry.corrects.as_str()), (300, 1, ""));
    let hold = world.holds().await.pop().unwrap();
    assert_eq!((hold.gid.as_str(), hold.state()), (gid.as_str(), HoldState::Settled));
    assert!(hold.expires_at.is_some(), "a hold of a try is looked after");
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_cancelled_transfer_leaves_nothing_but_its_hold_row() {
    let world = World::new().await;
    let (before, entries, _) = world.picture().await;
    let (gid, body) = (Gid::generate(), pay(300));
    world.call(Op::Try, &gid, &body).await.unwrap();
    let released = world.call(Op::Cancel, &gid, &body).await.unwrap().into_inner();
    assert_eq!((released.state(), released.available_after), (HoldState::Released, 1_000));
    let (mut after, entries_after, holds) = world.picture().await;
    for (account, earlier) in after.iter_mut().zip(&before) {
        account.version = earlier.version;
    }
    assert_eq!((after, entries_after), (before, entries));
    assert_eq!(holds[0].state(), HoldState::Released);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_saga_transfer_posts_at_once_and_its_reversal_posts_the_opposite() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(1_000));
    let posted = world.call(Op::Action, &gid, &body).await.unwrap().into_inner();
    assert_eq!((posted.state(), posted.available_after), (HoldState::Settled, 0));
    let reversed = world.call(Op::Compensate, &gid, &body).await.unwrap().into_inner();
    assert_eq!((reversed.state(), reversed.available_after), (HoldState::Reversed, 1_000));
    let entries = world.entries().await;
    let [_, action, undo] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(undo.corrects, action.txn_id);
    assert_eq!((undo.debit_account_id.as_str(), undo.credit_account_id.as_str()), (MERCHANT, ALICE));
    let hold = world.holds().await.pop().unwrap();
    assert_eq!((hold.state(), hold.reversed, hold.expires_at), (HoldState::Reversed, 1_000, None));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn an_undo_without_forward_call_changes_nothing_and_closes_the_branch() {
    let world = World::new().await;
    let before = world.picture().await;
    for (forward, undo) in [(Op::Try, Op::Cancel), (Op::Action, Op::Compensate)] {
        let (gid, body) = (Gid::generate(), pay(300));
        world.call(undo, &gid, &body).await.unwrap();
        let late = world.call(forward, &gid, &body).await.unwrap_err();
        assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"));
        assert!(is_replay(&world.call(undo, &gid, &body).await.unwrap()));
    }
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn a_confirm_needs_a_try_and_excludes_a_cancel() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(300));
    let early = world.call(Op::Confirm, &gid, &body).await.unwrap_err();
    assert_eq!(reason(&early), (Code::Internal, "CONFIRM_WITHOUT_TRY"));
    world.call(Op::Try, &gid, &body).await.unwrap();
    world.call(Op::Confirm, &gid, &body).await.unwrap();
    let crossed = world.call(Op::Cancel, &gid, &body).await.unwrap_err();
    assert_eq!(reason(&crossed), (Code::Internal, "PHASE_CONFLICT"));
    assert_eq!(world.available(MERCHANT).await, 300);
}

#[tokio::test]
async fn a_second_phase_with_another_amount_has_no_effect() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(300));
    world.call(Op::Try, &gid, &body).await.unwrap();
    let before = world.picture().await;
    let mut other = body.clone();
    other.amount.as_mut().unwrap().minor_units = 999;
    let forged = world.call(Op::Confirm, &gid, &other).await.unwrap_err();
    assert_eq!(reason(&forged), (Code::Internal, "IDEMPOTENCY_MISMATCH"));
    let forged = world.call(Op::Try, &gid, &other).await.unwrap_err();
    assert_eq!(reason(&forged), (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH"));
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn a_hundred_parallel_repeats_of_each_op_take_effect_once() {
    let world = World::new().await;
    for ops in [[Op::Try, Op::Confirm], [Op::Try, Op::Cancel], [Op::Action, Op::Compensate]] {
        let (gid, body) = (Gid::generate(), pay(10));
        for op in ops {
            let answers = join_all((0..100).map(|_| world.call(op, &gid, &body))).await;
            let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1, "{op:?}");
            assert!(answers.iter().all(|answer| answer.get_ref() == answers[0].get_ref()), "{op:?}");
        }
    }
    assert_eq!(world.available(ALICE).await, 990);
    assert_eq!(world.holds().await.len(), 3);
    assert_eq!(world.entries().await.len(), 1 + 1 + 2);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn sixty_four_transfers_at_once_never_overdraw_a_hot_account() {
    let world = World::new().await;
    let ask = async |number: i32| {
        let (gid, body) = (Gid::generate(), pay(100));
        let op = if number % 2 == 0 { Op::Try } else { Op::Action };
        let answer = world.call(op, &gid, &body).await;
        if matches!((&answer, op), (Ok(_), Op::Try)) {
            world.call(Op::Confirm, &gid, &body).await.unwrap();
        }
        answer
    };
    let answers = join_all((0..64).map(ask)).await;
    let (paid, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((paid.len(), refused.len()), (10, 54));
    for answer in refused {
        assert_eq!(reason(&answer.unwrap_err()), (Code::Aborted, "INSUFFICIENT_FUNDS"));
    }
    assert_eq!((world.available(ALICE).await, world.available(MERCHANT).await), (0, 1_000));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn transfers_in_both_directions_at_once_all_end() {
    let world = World::new().await;
    world.deposit(BOB, 1_000, "USD", "seed-bob").await.unwrap();
    let ask = async |number: usize| {
        let body = if number.is_multiple_of(2) { transfer(ALICE, BOB, 7) } else { transfer(BOB, ALICE, 7) };
        world.call(Op::Action, &Gid::generate(), &body).await.unwrap();
    };
    join_all((0..64).map(ask)).await;
    assert_eq!((world.available(ALICE).await, world.available(BOB).await), (1_000, 1_000));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_reversal_of_spent_money_books_a_receivable_and_stops_spending() {
    let world = World::new().await;
    let (gid, gift) = (Gid::generate(), transfer(ALICE, BOB, 400));
    world.call(Op::Action, &gid, &gift).await.unwrap();
    world.call(Op::Action, &Gid::generate(), &transfer(BOB, MERCHANT, 250)).await.unwrap();

    let reversed = world.call(Op::Compensate, &gid, &gift).await.unwrap().into_inner();
    assert_eq!((reversed.state(), reversed.available_after), (HoldState::Reversed, 1_000));
    let bob = world.account(BOB).await;
    assert_eq!((bob.available, bob.state()), (0, AccountState::Frozen));
    assert_eq!(world.available("RECEIVABLE:bob:USD").await, -250);
    world.assert_books_balance().await;

    world.deposit(BOB, 50, "USD", "later").await.unwrap();
    let spent = world.call(Op::Try, &Gid::generate(), &transfer(BOB, MERCHANT, 1)).await.unwrap_err();
    assert_eq!(reason(&spent), (Code::Aborted, "ACCOUNT_FROZEN"));
    let thaw = world.freeze(BOB, false).await.unwrap_err();
    assert_eq!(reason(&thaw), (Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
    world.deposit("RECEIVABLE:bob:USD", 250, "USD", "debt").await.unwrap();
    assert_eq!(world.freeze(BOB, false).await.unwrap().state(), AccountState::Open);
    world.call(Op::Action, &Gid::generate(), &transfer(BOB, MERCHANT, 50)).await.unwrap();
    world.assert_books_balance().await;
}

#[tokio::test]
async fn money_that_is_held_counts_as_spent_for_a_reversal() {
    let world = World::new().await;
    let (gid, gift) = (Gid::generate(), transfer(ALICE, BOB, 400));
    world.call(Op::Action, &gid, &gift).await.unwrap();
    let (held, onward) = (Gid::generate(), transfer(BOB, MERCHANT, 400));
    world.call(Op::Try, &held, &onward).await.unwrap();
    world.call(Op::Compensate, &gid, &gift).await.unwrap();
    assert_eq!(world.available("RECEIVABLE:bob:USD").await, -400);
    world.assert_books_balance().await;
    world.call(Op::Confirm, &held, &onward).await.unwrap();
    assert_eq!(world.available(MERCHANT).await, 400);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_freeze_stops_neither_confirm_nor_cancel_nor_reversal() {
    let world = World::new().await;
    let [confirmed, cancelled, reversed] = [(); 3].map(|()| (Gid::generate(), pay(100)));
    world.call(Op::Try, &confirmed.0, &confirmed.1).await.unwrap();
    world.call(Op::Try, &cancelled.0, &cancelled.1).await.unwrap();
    world.call(Op::Action, &reversed.0, &reversed.1).await.unwrap();
    world.freeze(ALICE, true).await.unwrap();
    world.freeze(MERCHANT, true).await.unwrap();
    world.call(Op::Confirm, &confirmed.0, &confirmed.1).await.unwrap();
    world.call(Op::Cancel, &cancelled.0, &cancelled.1).await.unwrap();
    world.call(Op::Compensate, &reversed.0, &reversed.1).await.unwrap();
    assert_eq!((world.available(ALICE).await, world.available(MERCHANT).await), (900, 100));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn answers_are_the_same_after_a_restart() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(300));
    let (poor, too_much) = (Gid::generate(), pay(5_000));
    let held = world.call(Op::Try, &gid, &body).await.unwrap().into_inner();
    let settled = world.call(Op::Confirm, &gid, &body).await.unwrap().into_inner();
    let refused = world.call(Op::Action, &poor, &too_much).await.unwrap_err();
    world.call(Op::Action, &Gid::generate(), &pay(1)).await.unwrap();
    let picture = world.picture().await;

    let world = world.restart().await;
    let again = world.call(Op::Try, &gid, &body).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.into_inner(), held);
    assert_eq!(world.call(Op::Confirm, &gid, &body).await.unwrap().into_inner(), settled);
    let again = world.call(Op::Action, &poor, &too_much).await.unwrap_err();
    assert_eq!(
        (again.code(), again.message(), again.details()),
        (refused.code(), refused.message(), refused.details())
    );
    assert_eq!(world.picture().await, picture);
}

#[tokio::test]
async fn the_guards_rows_can_be_listed() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(300));
    world.call(Op::Try, &gid, &body).await.unwrap();
    let request = amends_proto::pay::branch::v1::ListBranchOpsRequest {
        gid: gid.as_str().to_owned(),
        cursor: String::new(),
        limit: 0,
    };
    let rows = world.client.clone().list_branch_ops(request).await.unwrap().into_inner().branch_ops;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].op.as_str(), rows[0].method.as_str()),
        ("try", "pay.account.v1.AccountService/TryTransfer")
    );
}
