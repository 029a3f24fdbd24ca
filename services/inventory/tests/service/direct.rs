//! Direct calls, limits and the plan MAC.
use crate::harness::{Branch, Service, reason, reserve, row};
use amends_dtm::plan_mac::PlanMacKey;
use amends_participant::BranchAuth;
use amends_proto::pay::inventory::v1::{GetRequest, ListRequest, RestockRequest};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::{Code, Request};

fn restock(sku: &str, quantity: i64, key: &str) -> RestockRequest {
    RestockRequest { sku: sku.into(), quantity, idempotency_key: key.into() }
}

#[tokio::test]
async fn goods_that_arrive_count_once_for_each_key_of_each_caller() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let first = client.restock(restock("P1", 5, "k1")).await.unwrap().into_inner();
    let again = client.restock(restock("P1", 5, "k1")).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = client.restock(restock("P1", 6, "k1")).await.unwrap_err();
    assert_eq!(reason(&other), (Code::InvalidArgument, "IDEMPOTENCY_MISMATCH"));
    client.restock(restock("P1", 5, "k2")).await.unwrap();
    let mut by_bob = Request::new(restock("P1", 5, "k1"));
    by_bob.metadata_mut().insert("amends-caller", "bob".parse().unwrap());
    client.restock(by_bob).await.unwrap();
    client.restock(restock("P0", 0, "k3")).await.unwrap();
    assert_eq!(service.stock().await, [row("P0", [0; 5]), row("P1", [15, 15, 0, 0, 0])]);
    let got = client.get(GetRequest { sku: "P1".into() }).await.unwrap().into_inner();
    assert_eq!((got.received, got.on_hand), (15, 15));
    let none = client.get(GetRequest { sku: "P9".into() }).await.unwrap_err();
    assert_eq!(reason(&none), (Code::NotFound, "SKU_NOT_FOUND"));
}

#[tokio::test]
async fn a_bad_restock_changes_nothing_and_does_not_use_up_its_key() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let long = "k".repeat(65);
    let cases =
        [("P1", -1, "k"), ("P1", 1_000_000_001, "k"), ("", 1, "k"), ("P1", 1, ""), ("P1", 1, long.as_str())];
    for (sku, quantity, key) in cases {
        let no = client.restock(restock(sku, quantity, key)).await.unwrap_err();
        assert_eq!(reason(&no), (Code::InvalidArgument, "INVALID_REQUEST"));
    }
    client.restock(restock("P1", 1, "k")).await.unwrap();
    assert_eq!(service.stock().await, [row("P1", [1, 1, 0, 0, 0])]);
}

#[tokio::test]
async fn pages_show_every_sku_and_every_reservation_once() {
    let service = Service::start().await.stocked(&[("B", 9), ("A", 9), ("C", 9)]).await;
    let mut client = service.client.clone();
    let mut made = Vec::new();
    for _ in 0..3 {
        let body = reserve(&[("A", 1)]);
        client.deduct(Branch::saga().call("action", &body)).await.unwrap();
        made.push(body.reservation_id);
    }
    let (mut skus, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.list_stock(ListRequest { cursor, limit: 1 }).await.unwrap().into_inner();
        skus.extend(page.stock.into_iter().map(|stock| stock.sku));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(skus, ["A", "B", "C"]);
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.list_reservations(ListRequest { cursor, limit: 2 }).await.unwrap().into_inner();
        listed.extend(page.reservations.into_iter().map(|it| it.reservation_id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
    let no = client.list_stock(ListRequest { limit: 1_001, ..Default::default() }).await.unwrap_err();
    assert_eq!(reason(&no), (Code::InvalidArgument, "INVALID_REQUEST"));
}

#[tokio::test]
async fn a_message_over_one_mebibyte_is_not_read() {
    let service = Service::start().await.stocked(&[("P1", 1)]).await;
    let (mut body, mut client) = (reserve(&[("P1", 1)]), service.client.clone());
    body.order_id = "o".repeat(1024 * 1024);
    let no = client.deduct(Branch::saga().call("action", &body)).await.unwrap_err();
    assert_eq!(no.code(), Code::OutOfRange);
}

#[tokio::test]
async fn only_who_holds_the_plan_mac_of_this_gid_gets_in() {
    let key = PlanMacKey::generate().unwrap();
    let service = Service::start_with(BranchAuth::Required(key.clone())).await.stocked(&[("P1", 1)]).await;
    let (branch, body, mut client) = (Branch::saga(), reserve(&[("P1", 1)]), service.client.clone());
    let bare = client.deduct(branch.call("action", &body)).await.unwrap_err();
    assert_eq!(reason(&bare), (Code::Unauthenticated, "BAD_PLAN_MAC"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut request = branch.call("action", &body);
    let mac = key.mint(&branch.gid, &[7; 32], i64::try_from(now).unwrap() + 60);
    request.metadata_mut().insert(amends_dtm::metadata::PLAN_MAC, mac.parse().unwrap());
    assert_eq!(service.stock().await, [row("P1", [1, 1, 0, 0, 0])]);
    client.deduct(request).await.unwrap();
    assert_eq!(service.stock().await, [row("P1", [1, 0, 0, 1, 0])]);
}
