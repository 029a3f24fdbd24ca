//! Branch calls that are refused: with which reason, and that nothing but the guard remembers them.

use crate::world::{Op, World, branch_request, pay, reason, transfer};
use amends_dtm::Gid;
use amends_dtm::plan_mac::PlanMacKey;
use amends_participant::BranchAuth;
use amends_proto::pay::account::v1::{AccountType, TransferRequest};
use amends_proto::pay::branch::v1::ListBranchOpsRequest;
use amends_proto::pay::money::v1::Money;
use sea_orm::ConnectionTrait;
use tonic::Code;

const ALICE: &str = "USER_WALLET:alice:USD";
const MERCHANT: &str = "MERCHANT_PENDING:northwind:USD";

async fn assert_refused(world: &World, cases: Vec<(&str, TransferRequest)>) {
    let before = world.picture().await;
    for (expected, body) in cases {
        for op in [Op::Try, Op::Action] {
            let refused = world.call(op, &Gid::generate(), &body).await.unwrap_err();
            assert_eq!(reason(&refused), (Code::Aborted, expected), "{op:?} {body:?}");
            assert!(refused.message().len() <= 256);
        }
    }
    assert_eq!(world.picture().await, before);
}

fn with(change: impl FnOnce(&mut TransferRequest)) -> TransferRequest {
    let mut body = pay(100);
    change(&mut body);
    body
}

fn money(minor_units: i64, currency: &str) -> Option<Money> {
    Some(Money { minor_units, currency: currency.into() })
}

#[tokio::test]
async fn what_the_accounts_do_not_allow_is_refused() {
    let world = World::new().await;
    world.open("USER_WALLET:carol:EUR", "carol", AccountType::UserWallet, "EUR", 0).await.unwrap();
    world.open("USER_WALLET:dave:USD", "dave", AccountType::UserWallet, "USD", 0).await.unwrap();
    world.deposit("USER_WALLET:dave:USD", 100, "USD", "dave").await.unwrap();
    world.freeze("USER_WALLET:dave:USD", true).await.unwrap();
    let cases = vec![
        ("INSUFFICIENT_FUNDS", pay(1_001)),
        ("INSUFFICIENT_FUNDS", transfer("USER_WALLET:bob:USD", MERCHANT, 1)),
        ("INSUFFICIENT_FUNDS", transfer(MERCHANT, ALICE, 1)),
        ("ACCOUNT_NOT_FOUND", transfer(ALICE, "MERCHANT_PENDING:nobody:USD", 1)),
        ("ACCOUNT_NOT_FOUND", transfer("USER_WALLET:nobody:USD", MERCHANT, 1)),
        ("CURRENCY_MISMATCH", transfer(ALICE, "USER_WALLET:carol:EUR", 1)),
        ("CURRENCY_MISMATCH", with(|body| body.amount = money(1, "EUR"))),
        ("ACCOUNT_FROZEN", transfer("USER_WALLET:dave:USD", MERCHANT, 1)),
    ];
    assert_refused(&world, cases).await;
    world.assert_books_balance().await;
}

#[tokio::test]
async fn malformed_fields_are_refused() {
    let world = World::new().await;
    let long = format!("USER_WALLET:{}", "x".repeat(200));
    let cases = vec![
        ("INVALID_REQUEST", TransferRequest::default()),
        ("INVALID_REQUEST", with(|body| body.transfer_id.clear())),
        ("INVALID_REQUEST", with(|body| body.transfer_id = body.transfer_id.to_uppercase())),
        ("INVALID_REQUEST", with(|body| body.transfer_id = "7c0e2a8e-0000-4000-8000-000000000000".into())),
        ("INVALID_REQUEST", with(|body| body.debit_account_id.clear())),
        ("INVALID_REQUEST", with(|body| body.debit_account_id = long.clone())),
        ("INVALID_REQUEST", with(|body| body.credit_account_id.clear())),
        ("INVALID_REQUEST", with(|body| body.credit_account_id = "MERCHANT PENDING".into())),
        ("INVALID_REQUEST", with(|body| body.credit_account_id.clone_from(&body.debit_account_id))),
        ("INVALID_REQUEST", with(|body| body.debit_account_id = "RECEIVABLE:alice:USD".into())),
        ("INVALID_REQUEST", with(|body| body.amount = None)),
        ("INVALID_REQUEST", with(|body| body.code.clear())),
        ("INVALID_REQUEST", with(|body| body.code = "x".repeat(65))),
        ("INVALID_REQUEST", with(|body| body.order_id.clear())),
        ("INVALID_REQUEST", with(|body| body.hold_ttl_s = -1)),
        ("INVALID_REQUEST", with(|body| body.hold_ttl_s = i32::MAX)),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.amount = money(0, "USD"))),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.amount = money(-1, "USD"))),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.amount = money(100_000_000_000_001, "USD"))),
        ("AMOUNT_OUT_OF_RANGE", with(|body| body.amount = money(i64::MIN, "USD"))),
        ("CURRENCY_UNSUPPORTED", with(|body| body.amount = money(1, "usd"))),
        ("CURRENCY_UNSUPPORTED", with(|body| body.amount = money(1, "ZZZ"))),
        ("PAN_REJECTED", with(|body| body.debit_account_id = "USER_WALLET:4111111111111111:USD".into())),
        ("PAN_REJECTED", with(|body| body.code = "4111-1111-1111-1111".into())),
    ];
    assert_refused(&world, cases).await;
}

#[tokio::test]
async fn a_sum_that_would_leave_its_range_is_refused() {
    let world = World::new().await;
    let full =
        format!("UPDATE account SET credits_posted = {} WHERE account_id = '{MERCHANT}'", i64::MAX - 5);
    world.store.writer().execute_unprepared(&full).await.unwrap();
    assert_refused(&world, vec![("AMOUNT_OUT_OF_RANGE", pay(6))]).await;
    world.call(Op::Action, &Gid::generate(), &pay(5)).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_undone_by_doing_nothing() {
    let world = World::new().await;
    let (gid, body) = (Gid::generate(), pay(5_000));
    let before = world.picture().await;
    world.call(Op::Action, &gid, &body).await.unwrap_err();
    world.call(Op::Compensate, &gid, &body).await.unwrap();
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn a_message_beyond_one_mebibyte_does_not_get_in() {
    let world = World::new().await;
    let before = world.picture().await;
    let body = with(|body| body.code = "x".repeat(1024 * 1024));
    let refused = world.call(Op::Try, &Gid::generate(), &body).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn without_a_plan_mac_there_is_neither_effect_nor_guard_row() {
    let key = PlanMacKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder, BranchAuth::Required(key.clone())).await;
    let (gid, body) = (Gid::generate(), pay(1));
    let refused = world.call(Op::Try, &gid, &body).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unauthenticated, "BAD_PLAN_MAC"));
    let every_row = ListBranchOpsRequest::default();
    let rows = world.client.clone().list_branch_ops(every_row).await.unwrap().into_inner();
    assert_eq!(rows.branch_ops, []);

    let mut request = branch_request(Op::Try, &gid, body);
    let mac = key.mint(&gid, &[7; 32], 4_000_000_000);
    request.metadata_mut().insert("pay-plan-mac", mac.parse().unwrap());
    let refused = world.client.clone().try_transfer(request).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Aborted, "ACCOUNT_NOT_FOUND"));
}
