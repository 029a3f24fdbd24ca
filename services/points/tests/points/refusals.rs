//! Branch calls that are refused or broken: with which reason, and that nothing remembers them but the guard.

use crate::world::{Op, World, points, reason};
use amends_dtm::Gid;
use amends_dtm::plan_mac::PlanMacKey;
use amends_participant::BranchAuth;
use amends_proto::pay::branch::v1::ListBranchOpsRequest;
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::points::v1::PointsRequest;
use sea_orm::ConnectionTrait;
use tonic::Code;

fn with(change: impl FnOnce(&mut PointsRequest)) -> PointsRequest {
    let mut body = points(100);
    change(&mut body);
    body
}

fn money(minor_units: i64, currency: &str) -> Option<Money> {
    Some(Money { minor_units, currency: currency.into() })
}

fn malformed() -> Vec<(&'static str, PointsRequest)> {
    vec![
        ("INVALID_REQUEST", PointsRequest::default()),
        ("INVALID_REQUEST", with(|body| body.op_id.clear())),
        ("INVALID_REQUEST", with(|body| body.op_id = body.op_id.to_uppercase())),
        ("INVALID_REQUEST", with(|body| body.user_id.clear())),
        ("INVALID_REQUEST", with(|body| body.user_id = "x".repeat(65))),
        ("INVALID_REQUEST", with(|body| body.user_id = "a b".into())),
        ("INVALID_REQUEST", with(|body| body.order_id.clear())),
        ("INVALID_REQUEST", with(|body| body.basis = None)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.points = 0)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.points = -1)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.points = i64::MIN)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.points = 100_000_000_000_001)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.basis = money(0, "USD"))),
        ("CURRENCY_UNSUPPORTED", with(|body| body.basis = money(1, "usd"))),
        ("PAN_REJECTED", with(|body| body.user_id = "4111111111111111".into())),
    ]
}

#[tokio::test]
async fn malformed_calls_are_refused_but_never_by_earn() {
    let world = World::new().await;
    let before = world.picture().await;
    for (expected, body) in malformed() {
        for op in [Op::TryBurn, Op::Burn, Op::TryEarn] {
            let refused = world.call(op, &Gid::generate(), &body).await.unwrap_err();
            assert_eq!(reason(&refused), (Code::Aborted, expected), "{op:?} {body:?}");
        }
        let broken = world.call(Op::Earn, &Gid::generate(), &body).await.unwrap_err();
        assert_eq!(reason(&broken), (Code::Internal, expected), "{body:?}");
    }
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn burning_more_than_is_free_is_refused() {
    let world = World::new().await;
    world.call(Op::TryBurn, &Gid::generate(), &points(600)).await.unwrap();
    world.call(Op::TryEarn, &Gid::generate(), &points(500)).await.unwrap();
    let before = world.picture().await;
    for op in [Op::TryBurn, Op::Burn] {
        for body in [points(401), with(|body| body.user_id = "nobody".into())] {
            let (gid, undo) = (Gid::generate(), if op == Op::Burn { Op::ReturnBurn } else { Op::CancelBurn });
            let refused = world.call(op, &gid, &body).await.unwrap_err();
            assert_eq!(reason(&refused), (Code::Aborted, "INSUFFICIENT_POINTS"));
            world.call(undo, &gid, &body).await.unwrap();
        }
    }
    assert_eq!(world.picture().await, before);
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn a_full_purse_refuses_a_try_and_breaks_an_earn_until_it_is_repaired() {
    let world = World::new().await;
    let set = async |balance: i64| {
        let row = format!("UPDATE points_account SET balance = {balance} WHERE user_id = 'alice'");
        world.store.writer().execute_unprepared(&row).await.unwrap();
    };
    set(i64::MAX - 5).await;
    let refused = world.call(Op::TryEarn, &Gid::generate(), &points(6)).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Aborted, "AMOUNT_OUT_OF_RANGE"));
    let (gid, body) = (Gid::generate(), points(6));
    let broken = world.call(Op::Earn, &gid, &body).await.unwrap_err();
    assert_eq!(reason(&broken), (Code::Internal, "AMOUNT_OUT_OF_RANGE"));
    set(1_000).await;
    assert_eq!(world.call(Op::Earn, &gid, &body).await.unwrap().into_inner().balance_after, 1_006);
}

#[tokio::test]
async fn another_number_of_points_in_a_repeat_has_no_effect() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), points(300));
    world.call(Op::TryBurn, &gid, &body).await.unwrap();
    let before = world.picture().await;
    let mut other = body.clone();
    other.points = 999;
    let forged = world.call(Op::ConfirmBurn, &gid, &other).await.unwrap_err();
    assert_eq!(reason(&forged), (Code::Internal, "IDEMPOTENCY_MISMATCH"));
    let forged = world.call(Op::TryBurn, &gid, &other).await.unwrap_err();
    assert_eq!(reason(&forged), (Code::AlreadyExists, "IDEMPOTENCY_MISMATCH"));
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn a_message_beyond_one_mebibyte_does_not_get_in() {
    let world = World::new().await;
    let body = with(|body| body.user_id = "x".repeat(1024 * 1024));
    let refused = world.call(Op::TryBurn, &Gid::generate(), &body).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
}

#[tokio::test]
async fn without_a_plan_mac_there_is_neither_effect_nor_guard_row() {
    let key = PlanMacKey::generate().unwrap();
    let world = World::start(tempfile::tempdir().unwrap(), BranchAuth::Required(key)).await;
    let refused = world.call(Op::Earn, &Gid::generate(), &points(1)).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unauthenticated, "BAD_PLAN_MAC"));
    let every_row = ListBranchOpsRequest::default();
    let rows = world.client.clone().list_branch_ops(every_row).await.unwrap().into_inner();
    assert_eq!(rows.branch_ops, []);
    assert_eq!(world.picture().await, (vec![], vec![]));
}
