//! What seeds, operators and checkers call.

use crate::world::{Op, World, points, reason};
use amends_dtm::Gid;
use amends_proto::pay::points::v1::{ListRequest, PointsKind, PointsState};
use futures::future::join_all;
use tonic::Code;

#[tokio::test]
async fn a_grant_gives_points_once_per_key() {
    let world = World::bare().await;
    let grants = join_all((0..20).map(|_| world.grant("bob", 500, "k"))).await;
    for grant in grants {
        assert_eq!(grant.unwrap().balance, 500);
    }
    let other = world.grant("bob", 501, "k").await.unwrap_err();
    assert_eq!(reason(&other), (Code::InvalidArgument, "IDEMPOTENCY_MISMATCH"));
    world.grant("bob", 1, "k2").await.unwrap();
    let (accounts, ops) = world.picture().await;
    assert_eq!((accounts.len(), accounts[0].balance, ops.len()), (1, 501, 2));
    assert_eq!(
        (ops[0].kind(), ops[0].state(), ops[0].gid.as_str()),
        (PointsKind::Grant, PointsState::Earned, "")
    );
    world.assert_points_add_up().await;
}

#[tokio::test]
async fn grants_that_cannot_be_change_nothing() {
    let world = World::new().await;
    let before = world.picture().await;
    let cases = [
        ("INVALID_REQUEST", world.grant("", 1, "a").await),
        ("INVALID_REQUEST", world.grant("bob", 1, "").await),
        ("INVALID_REQUEST", world.grant("bob", 1, &"k".repeat(65)).await),
        ("AMOUNT_OUT_OF_RANGE", world.grant("bob", 0, "b").await),
        ("AMOUNT_OUT_OF_RANGE", world.grant("bob", i64::MAX, "c").await),
    ];
    for (expected, grant) in cases {
        assert_eq!(reason(&grant.unwrap_err()), (Code::InvalidArgument, expected));
    }
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn ops_are_listed_page_by_page_in_the_order_of_making() {
    let world = World::new().await;
    for number in 1..=4 {
        world.call(Op::Burn, &Gid::generate(), &points(number)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            world.client.clone().list_ops(ListRequest { cursor, limit: 2 }).await.unwrap().into_inner();
        assert!(page.ops.len() <= 2);
        seen.extend(page.ops.into_iter().map(|op| op.points));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [1_000, 1, 2, 3, 4]);
    for (cursor, limit) in [("x", 0), ("", -1), ("", 1_001)] {
        let request = ListRequest { cursor: cursor.into(), limit };
        let refused = world.client.clone().list_accounts(request).await.unwrap_err();
        assert_eq!(reason(&refused), (Code::InvalidArgument, "INVALID_REQUEST"));
    }
}

#[tokio::test]
async fn a_user_without_points_is_not_found() {
    let world = World::bare().await;
    assert_eq!(reason(&world.get("nobody").await.unwrap_err()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
}
