//! Place and MarkPaid as branches of a SAGA.
use crate::harness::{Branch, Service, answer, id, mark_paid, place, reason, usd};
use amends_proto::pay::money::v1::Money;
use amends_proto::pay::order::v1::{OrderState, PlaceRequest};
use tonic::Code;

#[tokio::test]
async fn an_order_is_placed_paid_reverted_and_closed() {
    let service = Service::start().await;
    let (placing, body, mut client) = (Branch::saga(), place(), service.client.clone());
    let (paying, paid) = (placing.sibling("02"), mark_paid(&body));
    client.place(placing.call("action", &body)).await.unwrap();
    let response = client.mark_paid(paying.call("action", &paid)).await.unwrap().into_inner();
    assert_eq!((response.state(), response.version), (OrderState::Paid, 2));
    let order = service.order(&body.order_id).await.unwrap();
    assert_eq!((order.paid, order.payment_id), (usd(1_500), paid.payment_id.clone()));

    let too_early = client.close_placed(placing.call("compensate", &body)).await.unwrap_err();
    assert_eq!(reason(&too_early), (Code::Internal, "ILLEGAL_TRANSITION"));
    client.revert_paid(paying.call("compensate", &paid)).await.unwrap();
    let order = service.order(&body.order_id).await.unwrap();
    assert_eq!((order.state(), order.paid, order.payment_id.as_str()), (OrderState::Pending, usd(0), ""));
    let closed = client.close_placed(placing.call("compensate", &body)).await.unwrap().into_inner();
    assert_eq!((closed.state(), closed.version), (OrderState::Closed, 4));
}

#[tokio::test]
async fn an_empty_compensation_closes_the_branch_to_its_action() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::saga(), place(), service.client.clone());
    client.close_placed(branch.call("compensate", &body)).await.unwrap();
    let late = client.place(branch.call("action", &body)).await.unwrap_err();
    assert_eq!(reason(&late), (Code::Aborted, "BRANCH_CLOSED"));
    assert_eq!(service.count().await, 0);
}

/// What is wrong, and with which reason it is refused.
type Case = (&'static str, fn(&mut PlaceRequest));

#[tokio::test]
async fn bad_input_is_refused_for_good_and_leaves_nothing() {
    let service = Service::start().await;
    let cases: [Case; 20] = [
        ("INVALID_REQUEST", |it| it.order_id = String::new()),
        ("INVALID_REQUEST", |it| it.order_id = it.order_id.to_uppercase()),
        ("INVALID_REQUEST", |it| it.order_id = "9f0c2f6e-5c7e-4e1e-9a55-0f6f6b2b8d10".into()),
        ("INVALID_REQUEST", |it| it.merchant_id = "a b".into()),
        ("INVALID_REQUEST", |it| it.out_trade_no = "T:1".into()),
        ("INVALID_REQUEST", |it| it.out_trade_no = "T".repeat(65)),
        ("INVALID_REQUEST", |it| it.user_id = String::new()),
        ("PAN_REJECTED", |it| it.user_id = "4111111111111111".into()),
        ("INVALID_REQUEST", |it| it.lines.clear()),
        ("INVALID_REQUEST", |it| it.lines = vec![it.lines[0].clone(); 101]),
        ("INVALID_REQUEST", |it| it.lines[0].quantity = 0),
        ("INVALID_REQUEST", |it| it.lines[0].quantity = 1_000_001),
        ("INVALID_REQUEST", |it| it.lines[0].sku = String::new()),
        ("INVALID_REQUEST", |it| it.pay_ttl_s = -1),
        ("INVALID_REQUEST", |it| it.total = None),
        ("CURRENCY_MISMATCH", |it| it.total = Some(Money { minor_units: 1_500, currency: "EUR".into() })),
        ("CURRENCY_UNSUPPORTED", |it| it.total = Some(Money { minor_units: 1_500, currency: "usd".into() })),
        ("TOTAL_MISMATCH", |it| it.total = usd(1_501)),
        ("AMOUNT_OUT_OF_RANGE", |it| it.total = usd(-1)),
        ("AMOUNT_OUT_OF_RANGE", |it| {
            it.lines[0].quantity = 1_000_000;
            it.lines[0].unit_price = usd(100_000_000_000_000);
        }),
    ];
    let mut client = service.client.clone();
    for (expected, spoil) in cases {
        let (branch, mut body) = (Branch::saga(), place());
        spoil(&mut body);
        let no = client.place(branch.call("action", &body)).await.unwrap_err();
        assert_eq!(reason(&no), (Code::Aborted, expected), "{no:?}");
        assert!(no.message().len() <= 256);
        let again = client.place(branch.call("action", &body)).await;
        assert_eq!(answer(again), answer::<PlaceRequest>(Err(no)));
        client.close_placed(branch.call("compensate", &body)).await.unwrap();
    }
    assert_eq!(service.count().await, 0);
}

#[tokio::test]
async fn a_merchants_number_is_used_once_even_after_its_order_was_closed() {
    let service = Service::start().await;
    let (first, body, mut client) = (Branch::saga(), place(), service.client.clone());
    client.place(first.call("action", &body)).await.unwrap();
    let other_order = PlaceRequest { order_id: id(), ..body.clone() };
    let no = client.place(Branch::saga().call("action", &other_order)).await.unwrap_err();
    assert_eq!(reason(&no), (Code::Aborted, "DUPLICATE_OUT_TRADE_NO"));
    client.close_placed(first.call("compensate", &body)).await.unwrap();
    let no = client.place(Branch::saga().call("action", &other_order)).await.unwrap_err();
    assert_eq!(reason(&no), (Code::Aborted, "DUPLICATE_OUT_TRADE_NO"));
    let other_number = PlaceRequest { out_trade_no: "T-2".into(), ..body.clone() };
    let no = client.place(Branch::saga().call("action", &other_number)).await.unwrap_err();
    assert_eq!(reason(&no), (Code::Aborted, "ILLEGAL_TRANSITION"));
    let elsewhere = PlaceRequest { merchant_id: "southwind".into(), ..other_order };
    client.place(Branch::saga().call("action", &elsewhere)).await.unwrap();
    assert_eq!(service.count().await, 2);
}

#[tokio::test]
async fn mark_paid_never_refuses_and_goes_through_once_the_cause_is_gone() {
    let service = Service::start().await;
    let (placing, body, mut client) = (Branch::saga(), place(), service.client.clone());
    let (paying, paid) = (placing.sibling("02"), mark_paid(&body));
    let missing = client.mark_paid(paying.call("action", &paid)).await.unwrap_err();
    assert_eq!(reason(&missing), (Code::Internal, "ORDER_NOT_FOUND"));
    client.place(placing.call("action", &body)).await.unwrap();
    let now = client.mark_paid(paying.call("action", &paid)).await.unwrap().into_inner();
    assert_eq!((now.state(), now.version), (OrderState::Paid, 2));
}

#[tokio::test]
async fn only_the_payment_that_paid_an_order_may_say_so_again_or_take_it_back() {
    let service = Service::start().await;
    let (placing, body, mut client) = (Branch::saga(), place(), service.client.clone());
    let paid = mark_paid(&body);
    let less = amends_proto::pay::order::v1::MarkPaidRequest { paid: usd(1), ..paid.clone() };
    client.place(placing.call("action", &body)).await.unwrap();
    let no = client.mark_paid(placing.sibling("02").call("action", &less)).await.unwrap_err();
    assert_eq!(reason(&no), (Code::Internal, "TOTAL_MISMATCH"));
    client.mark_paid(placing.sibling("02").call("action", &paid)).await.unwrap();
    let again = client.mark_paid(placing.sibling("03").call("action", &paid)).await.unwrap().into_inner();
    assert_eq!((again.state(), again.version), (OrderState::Paid, 2));
    let other = client.mark_paid(placing.sibling("04").call("action", &mark_paid(&body))).await.unwrap_err();
    assert_eq!(reason(&other), (Code::Internal, "ILLEGAL_TRANSITION"));
    let order = service.order(&body.order_id).await.unwrap();
    assert_eq!((order.state(), order.payment_id), (OrderState::Paid, paid.payment_id));
}
