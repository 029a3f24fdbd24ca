//! Branch calls that succeed, are undone, repeated, or come in the wrong order.

use crate::world::{Op, World, is_replay, points, reason};
use amends_dtm::Gid;
use amends_proto::pay::points::v1::PointsState;
use futures::future::join_all;
use tonic::Code;

/// Balance, frozen, pending and debt.
type Purse = (i64, i64, i64, i64);

/// Calls one after the other on one branch; each must succeed. The states that were answered.
async fn play(world: &World, ops: &[Op], number: i64) -> Vec<PointsState> {
    let (gid, body) = (Gid::generate(), points(number));
    let mut states = Vec::new();
    for op in ops {
        states.push(world.call(*op, &gid, &body).await.unwrap().into_inner().state());
    }
    world.assert_points_add_up().await;
    states
}

#[tokio::test]
async fn each_path_through_the_ops_leaves_the_purse_as_it_should() {
    use Op::*;
    let table: [(&[Op], PointsState, Purse); 10] = [
        (&[TryBurn], PointsState::Frozen, (1_000, 300, 0, 0)),
        (&[TryBurn, ConfirmBurn], PointsState::Burnt, (700, 0, 0, 0)),
        (&[TryBurn, CancelBurn], PointsState::Thawed, (1_000, 0, 0, 0)),
        (&[Burn], PointsState::Burnt, (700, 0, 0, 0)),
        (&[Burn, ReturnBurn], PointsState::Returned, (1_000, 0, 0, 0)),
        (&[TryEarn], PointsState::Pending, (1_000, 0, 300, 0)),
        (&[TryEarn, ConfirmEarn], PointsState::Earned, (1_300, 0, 0, 0)),
        (&[TryEarn, CancelEarn], PointsState::Voided, (1_000, 0, 0, 0)),
        (&[Earn], PointsState::Earned, (1_300, 0, 0, 0)),
        (&[Earn, RevokeEarn], PointsState::Revoked, (1_000, 0, 0, 0)),
    ];
    for (ops, state, purse) in table {
        let world = World::new().await;
        assert_eq!(play(&world, ops, 300).await.last(), Some(&state), "{ops:?}");
        assert_eq!(world.purse("alice").await, purse, "{ops:?}");
        let (_, rows) = world.picture().await;
        assert_eq!(rows[1].state(), state);
    }
}

#[tokio::test]
async fn earning_opens_the_account_of_a_new_user() {
    for (op, purse) in [(Op::Earn, (50, 0, 0, 0)), (Op::TryEarn, (0, 0, 50, 0))] {
        let world = World::bare().await;
        let earned = world.call(op, &Gid::generate(), &points(50)).await.unwrap().into_inner();
        assert_eq!(earned.balance_after, purse.0);
        assert_eq!(world.purse("alice").await, purse);
    }
}

#[tokio::test]
async fn what_was_spent_before_it_is_revoked_becomes_debt_and_later_earnings_pay_it() {
    let world = World::bare().await;
    let (gid, earned) = (Gid::generate(), points(300));
    world.call(Op::Earn, &gid, &earned).await.unwrap();
    play(&world, &[Op::Burn], 250).await;
    let revoked = world.call(Op::RevokeEarn, &gid, &earned).await.unwrap().into_inner();
    assert_eq!((revoked.state(), revoked.balance_after), (PointsState::Revoked, 0));
    assert_eq!(world.purse("alice").await, (0, 0, 0, 250));
    play(&world, &[Op::Earn], 100).await;
    assert_eq!(world.purse("alice").await, (0, 0, 0, 150));
    world.grant("alice", 100, "gift").await.unwrap();
    assert_eq!(world.purse("alice").await, (0, 0, 0, 50));
    play(&world, &[Op::TryEarn, Op::ConfirmEarn], 80).await;
    assert_eq!(world.purse("alice").await, (30, 0, 0, 0));
}

#[tokio::test]
async fn frozen_points_are_not_taken_back() {
    let world = World::bare().await;
    let (gid, earned) = (Gid::generate(), points(300));
    world.call(Op::Earn, &gid, &earned).await.unwrap();
    let (burn, frozen) = (Gid::generate(), points(200));
    world.call(Op::TryBurn, &burn, &frozen).await.unwrap();
    world.call(Op::RevokeEarn, &gid, &earned).await.unwrap();
    assert_eq!(world.purse("alice").await, (200, 200, 0, 200));
    world.call(Op::ConfirmBurn, &burn, &frozen).await.unwrap();
    assert_eq!(world.purse("alice").await, (0, 0, 0, 200));
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn an_undo_without_forward_call_changes_nothing_and_closes_the_branch() {
    let world = World::new().await;
    let before = world.picture().await;
    let pairs = [
        (Op::TryBurn, Op::CancelBurn),
        (Op::Burn, Op::ReturnBurn),
        (Op::TryEarn, Op::CancelEarn),
        (Op::Earn, Op::RevokeEarn),
    ];
    for (forward, undo) in pairs {
        let (gid, body) = (Gid::generate(), points(300));
        world.call(undo, &gid, &body).await.unwrap();
        let late = world.call(forward, &gid, &body).await.unwrap_err();
        assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"), "{forward:?}");
        assert!(is_replay(&world.call(undo, &gid, &body).await.unwrap()));
    }
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn a_confirm_needs_a_try_and_excludes_a_cancel() {
    let world = World::new().await;
    for [forward, confirm, cancel] in
        [[Op::TryBurn, Op::ConfirmBurn, Op::CancelBurn], [Op::TryEarn, Op::ConfirmEarn, Op::CancelEarn]]
    {
        let (gid, body) = (Gid::generate(), points(300));
        let early = world.call(confirm, &gid, &body).await.unwrap_err();
        assert_eq!(reason(&early), (Code::Internal, "CONFIRM_WITHOUT_TRY"));
        world.call(forward, &gid, &body).await.unwrap();
        world.call(confirm, &gid, &body).await.unwrap();
        let crossed = world.call(cancel, &gid, &body).await.unwrap_err();
        assert_eq!(reason(&crossed), (Code::Internal, "PHASE_CONFLICT"));
    }
    assert_eq!(world.purse("alice").await, (1_000, 0, 0, 0));
}

#[tokio::test]
async fn a_hundred_parallel_repeats_of_each_op_take_effect_once() {
    let world = World::new().await;
    let paths = [
        [Op::TryBurn, Op::ConfirmBurn],
        [Op::TryBurn, Op::CancelBurn],
        [Op::Burn, Op::ReturnBurn],
        [Op::TryEarn, Op::ConfirmEarn],
        [Op::TryEarn, Op::CancelEarn],
        [Op::Earn, Op::RevokeEarn],
    ];
    for ops in paths {
        let (gid, body) = (Gid::generate(), points(10));
        for op in ops {
            let answers = join_all((0..100).map(|_| world.call(op, &gid, &body))).await;
            let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1, "{op:?}");
            assert!(answers.iter().all(|answer| answer.get_ref() == answers[0].get_ref()), "{op:?}");
        }
    }
    assert_eq!(world.purse("alice").await, (1_000, 0, 0, 0));
    assert_eq!(world.picture().await.1.len(), 7);
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn sixty_four_burns_at_once_never_take_more_than_there_is() {
    let world = World::new().await;
    let ask = async |number: i32| {
        let (gid, body) = (Gid::generate(), points(100));
        let op = if number % 2 == 0 { Op::TryBurn } else { Op::Burn };
        let answer = world.call(op, &gid, &body).await;
        if answer.is_ok() && op == Op::TryBurn {
            world.call(Op::ConfirmBurn, &gid, &body).await.unwrap();
        }
        answer
    };
    let answers = join_all((0..64).map(ask)).await;
    let (burnt, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((burnt.len(), refused.len()), (10, 54));
    for answer in refused {
        assert_eq!(reason(&answer.unwrap_err()), (Code::Aborted, "INSUFFICIENT_POINTS"));
    }
    assert_eq!(world.purse("alice").await, (0, 0, 0, 0));
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn a_new_user_who_earns_in_many_branches_at_once_has_one_account() {
    let world = World::bare().await;
    let earn = async |_| world.call(Op::Earn, &Gid::generate(), &points(1)).await.unwrap();
    join_all((0..32).map(earn)).await;
    assert_eq!(world.purse("alice").await, (32, 0, 0, 0));
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn answers_are_the_same_after_a_restart() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), points(300));
    let (poor, too_many) = (Gid::generate(), points(5_000));
    let frozen = world.call(Op::TryBurn, &gid, &body).await.unwrap().into_inner();
    let burnt = world.call(Op::ConfirmBurn, &gid, &body).await.unwrap().into_inner();
    let refused = world.call(Op::Burn, &poor, &too_many).await.unwrap_err();
    play(&world, &[Op::Burn], 1).await;
    let picture = world.picture().await;

    let world = world.restart().await;
    let again = world.call(Op::TryBurn, &gid, &body).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.into_inner(), frozen);
    assert_eq!(world.call(Op::ConfirmBurn, &gid, &body).await.unwrap().into_inner(), burnt);
    let again = world.call(Op::Burn, &poor, &too_many).await.unwrap_err();
    assert_eq!(
        (again.code(), again.message(), again.details()),
        (refused.code(), refused.message(), refused.details())
    );
    assert_eq!(world.picture().await, picture);
}
