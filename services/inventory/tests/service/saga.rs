//! Goods taken at once as a branch of a SAGA.
use crate::harness::{Branch, Service, answer, reason, reserve, row};
use amends_proto::pay::inventory::v1::{Line, ReservationState, ReserveRequest};
use tonic::Code;

#[tokio::test]
async fn deducted_goods_come_back_by_the_compensation() {
    let service = Service::start().await.stocked(&[("P1", 10), ("P2", 5)]).await;
    let (branch, body, mut client) =
        (Branch::saga(), reserve(&[("P2", 5), ("P1", 3)]), service.client.clone());
    let taken = client.deduct(branch.call("action", &body)).await.unwrap().into_inner();
    assert_eq!(taken.state(), ReservationState::Committed);
    assert_eq!(service.stock().await, [row("P1", [10, 7, 0, 3, 0]), row("P2", [5, 0, 0, 5, 0])]);
    for _ in 0..2 {
        let back = client.return_stock(branch.call("compensate", &body)).await.unwrap().into_inner();
        assert_eq!(back.state(), ReservationState::Returned);
        assert_eq!(service.stock().await, [row("P1", [10, 10, 0, 3, 3]), row("P2", [5, 5, 0, 5, 5])]);
    }
    assert_eq!(service.states().await, [ReservationState::Returned]);
}

#[tokio::test]
async fn goods_that_are_set_aside_cannot_be_deducted() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let mut client = service.client.clone();
    client.try_reserve(Branch::tcc().call("try", &reserve(&[("P1", 8)]))).await.unwrap();
    let no = client.deduct(Branch::saga().call("action", &reserve(&[("P1", 3)]))).await.unwrap_err();
    assert_eq!(no.message(), "INSUFFICIENT_STOCK|sku P1 has 2 free, asked for 3");
    client.deduct(Branch::saga().call("action", &reserve(&[("P1", 2)]))).await.unwrap();
    assert_eq!(service.stock().await, [row("P1", [10, 8, 8, 2, 0])]);
}

#[tokio::test]
async fn all_lines_are_taken_or_none() {
    let service = Service::start().await.stocked(&[("P1", 10), ("P2", 1), ("P3", 10)]).await;
    let mut client = service.client.clone();
    let before = service.stock().await;
    let cases = [
        ("INSUFFICIENT_STOCK", reserve(&[("P3", 1), ("P2", 2), ("P1", 1)])),
        ("SKU_NOT_FOUND", reserve(&[("P1", 1), ("P9", 1)])),
    ];
    for (expected, body) in cases {
        let branch = Branch::saga();
        let no = client.deduct(branch.call("action", &body)).await.unwrap_err();
        assert_eq!(reason(&no), (Code::Aborted, expected));
        client.return_stock(branch.call("compensate", &body)).await.unwrap();
        let no = client.try_reserve(Branch::tcc().call("try", &body)).await.unwrap_err();
        assert_eq!(reason(&no), (Code::Aborted, expected));
        assert_eq!(service.stock().await, before);
    }
    assert_eq!(service.states().await, []);
}

#[tokio::test]
async fn an_empty_compensation_closes_the_branch_to_its_action() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let (branch, body, mut client) = (Branch::saga(), reserve(&[("P1", 3)]), service.client.clone());
    client.return_stock(branch.call("compensate", &body)).await.unwrap();
    let late = client.deduct(branch.call("action", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"));
    assert_eq!(service.stock().await, [row("P1", [10, 10, 0, 0, 0])]);
}

/// What is wrong, and with which reason it is refused.
type Case = (&'static str, fn(&mut ReserveRequest));

#[tokio::test]
async fn bad_input_is_refused_for_good_and_leaves_nothing() {
    let service = Service::start().await.stocked(&[("P1", 10)]).await;
    let cases: [Case; 11] = [
        ("INVALID_REQUEST", |it| it.reservation_id = String::new()),
        ("INVALID_REQUEST", |it| it.reservation_id = "r-1".into()),
        ("INVALID_REQUEST", |it| it.order_id = String::new()),
        ("INVALID_REQUEST", |it| it.lines.clear()),
        ("INVALID_REQUEST", |it| it.lines = vec![Line { sku: "P1".into(), quantity: 1 }; 2]),
        ("INVALID_REQUEST", |it| {
            it.lines = (0..101).map(|n| Line { sku: format!("P{n}"), quantity: 1 }).collect();
        }),
        ("INVALID_REQUEST", |it| it.lines[0].quantity = 0),
        ("INVALID_REQUEST", |it| it.lines[0].quantity = -1),
        ("INVALID_REQUEST", |it| it.lines[0].quantity = 1_000_001),
        ("INVALID_REQUEST", |it| it.lines[0].sku = "P 1".into()),
        ("INVALID_REQUEST", |it| it.hold_ttl_s = -1),
    ];
    let mut client = service.client.clone();
    for (expected, spoil) in cases {
        let (branch, mut body) = (Branch::saga(), reserve(&[("P1", 1)]));
        spoil(&mut body);
        let no = client.deduct(branch.call("action", &body)).await.unwrap_err();
        assert_eq!(reason(&no), (Code::Aborted, expected), "{no:?}");
        let again = client.deduct(branch.call("action", &body)).await;
        assert_eq!(answer(again), answer::<ReserveRequest>(Err(no)));
        client.return_stock(branch.call("compensate", &body)).await.unwrap();
    }
    assert_eq!(service.stock().await, [row("P1", [10, 10, 0, 0, 0])]);
}
