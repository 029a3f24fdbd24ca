//! What seeds, operators and checkers call.

use crate::world::{Op, World, pay, reason, transfer};
use amends_dtm::Gid;
use amends_proto::pay::account::v1::{AccountState, AccountType, ListRequest};
use futures::future::join_all;
use tonic::Code;

const ALICE: &str = "USER_WALLET:alice:USD";
const MERCHANT: &str = "MERCHANT_PENDING:northwind:USD";

#[tokio::test]
async fn an_account_is_opened_once_whatever_is_repeated() {
    let world = World::bare().await;
    let open = || world.open(ALICE, "alice", AccountType::UserWallet, "USD", 0);
    let first = open().await.unwrap();
    assert_eq!((first.floor, first.available, first.state()), (Some(0), 0, AccountState::Open));
    let repeats = join_all((0..20).map(|_| open())).await;
    assert!(repeats.into_iter().all(|repeat| repeat.unwrap() == first));
    let others = [
        ("owner", world.open(ALICE, "bob", AccountType::UserWallet, "USD", 0).await),
        ("type", world.open(ALICE, "alice", AccountType::Merchant, "USD", 0).await),
        ("currency", world.open(ALICE, "alice", AccountType::UserWallet, "EUR", 0).await),
    ];
    for (field, other) in others {
        let refused = other.unwrap_err();
        assert_eq!(reason(&refused), (Code::InvalidArgument, "IDEMPOTENCY_MISMATCH"));
        assert!(refused.message().ends_with(field), "{refused}");
    }
    assert_eq!(world.accounts().await, [first]);
}

#[tokio::test]
async fn accounts_that_break_the_rules_are_not_opened() {
    let world = World::bare().await;
    let (user, merchant) = (AccountType::UserWallet, AccountType::Merchant);
    let cases = [
        ("INVALID_REQUEST", world.open("", "alice", user, "USD", 0).await),
        ("INVALID_REQUEST", world.open(ALICE, "", user, "USD", 0).await),
        ("INVALID_REQUEST", world.open(ALICE, "alice", AccountType::Unspecified, "USD", 0).await),
        ("INVALID_REQUEST", world.open(ALICE, "alice", user, "USD", -1).await),
        ("INVALID_REQUEST", world.open(MERCHANT, "northwind", merchant, "USD", 1).await),
        ("INVALID_REQUEST", world.open("SUSPENSE:USD", "house", AccountType::Internal, "USD", -1).await),
        ("INVALID_REQUEST", world.open("FUNDING:USD", "alice", user, "USD", 0).await),
        ("INVALID_REQUEST", world.open("FUNDING:USD", "house", AccountType::Internal, "EUR", 0).await),
        ("INVALID_REQUEST", world.open("RECEIVABLE:bob:USD", "bob", user, "USD", 0).await),
        ("CURRENCY_UNSUPPORTED", world.open(ALICE, "alice", user, "XXY", 0).await),
    ];
    for (expected, opened) in cases {
        assert_eq!(reason(&opened.unwrap_err()), (Code::InvalidArgument, expected));
    }
    assert_eq!(world.accounts().await, []);
}

#[tokio::test]
async fn a_merchant_may_owe_as_much_as_its_floor_says() {
    let world = World::new().await;
    world.open("MERCHANT_PENDING:m2:USD", "m2", AccountType::Merchant, "USD", -100).await.unwrap();
    let owe = |minor_units| transfer("MERCHANT_PENDING:m2:USD", ALICE, minor_units);
    world.call(Op::Action, &Gid::generate(), &owe(100)).await.unwrap();
    let refused = world.call(Op::Action, &Gid::generate(), &owe(1)).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Aborted, "INSUFFICIENT_FUNDS"));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_deposit_moves_money_from_funding_once_per_key() {
    let world = World::new().await;
    let deposits = join_all((0..20).map(|_| world.deposit(ALICE, 500, "USD", "k"))).await;
    for deposit in deposits {
        assert_eq!(deposit.unwrap().available, 1_500);
    }
    assert_eq!(world.available("FUNDING:USD").await, -1_500);
    let other = world.deposit(ALICE, 501, "USD", "k").await.unwrap_err();
    assert_eq!(reason(&other), (Code::InvalidArgument, "IDEMPOTENCY_MISMATCH"));
    let entry = world.entries().await.pop().unwrap();
    assert_eq!((entry.source.as_str(), entry.source_id.as_str()), ("deposit", "anonymous/k"));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn deposits_that_cannot_be_change_nothing() {
    let world = World::new().await;
    let before = world.picture().await;
    let cases = [
        ((Code::NotFound, "ACCOUNT_NOT_FOUND"), world.deposit("USER_WALLET:nobody:USD", 1, "USD", "a").await),
        ((Code::InvalidArgument, "CURRENCY_MISMATCH"), world.deposit(ALICE, 1, "EUR", "b").await),
        ((Code::InvalidArgument, "AMOUNT_OUT_OF_RANGE"), world.deposit(ALICE, 0, "USD", "c").await),
        ((Code::InvalidArgument, "INVALID_REQUEST"), world.deposit("FUNDING:USD", 1, "USD", "d").await),
        ((Code::InvalidArgument, "INVALID_REQUEST"), world.deposit(ALICE, 1, "USD", "").await),
        ((Code::InvalidArgument, "INVALID_REQUEST"), world.deposit(ALICE, 1, "USD", &"k".repeat(65)).await),
    ];
    for (expected, deposit) in cases {
        assert_eq!(reason(&deposit.unwrap_err()), expected);
    }
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn lists_are_read_page_by_page_in_the_order_of_making() {
    let world = World::new().await;
    for number in 0..5 {
        world.call(Op::Action, &Gid::generate(), &pay(number + 1)).await.unwrap();
    }
    let mut amounts = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            world.client.clone().list_entries(ListRequest { cursor, limit: 2 }).await.unwrap().into_inner();
        assert!(page.entries.len() <= 2);
        amounts.extend(page.entries.into_iter().map(|entry| entry.amount.unwrap().minor_units));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(amounts, [1_000, 1, 2, 3, 4, 5]);
    for (cursor, limit) in [("x", 0), ("", -1), ("", 1_001)] {
        let refused =
            world.client.clone().list(ListRequest { cursor: cursor.into(), limit }).await.unwrap_err();
        assert_eq!(reason(&refused), (Code::InvalidArgument, "INVALID_REQUEST"));
    }
}

#[tokio::test]
async fn a_missing_account_is_not_found() {
    let world = World::bare().await;
    let request = amends_proto::pay::account::v1::GetRequest { account_id: ALICE.into() };
    assert_eq!(
        reason(&world.client.clone().get(request).await.unwrap_err()),
        (Code::NotFound, "ACCOUNT_NOT_FOUND")
    );
    assert_eq!(reason(&world.freeze(ALICE, true).await.unwrap_err()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
}
