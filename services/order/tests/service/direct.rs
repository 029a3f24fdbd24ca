//! Direct calls, limits and the plan MAC.
use crate::harness::{Branch, Service, place, reason};
use amends_dtm::plan_mac::PlanMacKey;
use amends_participant::BranchAuth;
use amends_proto::pay::branch::v1::{BranchOpStatus, ListBranchOpsRequest};
use amends_proto::pay::order::v1::{GetRequest, ListRequest};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::Code;

#[tokio::test]
async fn an_order_is_found_by_its_id_and_by_its_merchants_number() {
    let service = Service::start().await;
    let (body, mut client) = (place(), service.client.clone());
    client.place(Branch::saga().call("action", &body)).await.unwrap();
    let by_number = GetRequest {
        merchant_id: body.merchant_id.clone(),
        out_trade_no: body.out_trade_no.clone(),
        ..GetRequest::default()
    };
    let found = client.get(by_number.clone()).await.unwrap().into_inner();
    assert_eq!(Some(found), service.order(&body.order_id).await);
    let both = GetRequest { order_id: body.order_id.clone(), ..by_number };
    for bad in [both, GetRequest::default()] {
        assert_eq!(reason(&client.get(bad).await.unwrap_err()), (Code::InvalidArgument, "INVALID_REQUEST"));
    }
    let unknown =
        GetRequest { out_trade_no: "none".into(), merchant_id: body.merchant_id, ..GetRequest::default() };
    assert_eq!(reason(&client.get(unknown).await.unwrap_err()), (Code::NotFound, "ORDER_NOT_FOUND"));
}

#[tokio::test]
async fn pages_show_every_order_once_though_more_arrive_meanwhile() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let mut placed = Vec::new();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        if placed.len() < 7 {
            for _ in 0..2 {
                let body = place();
                client.place(Branch::saga().call("action", &body)).await.unwrap();
                placed.push(body.order_id);
            }
        }
        let page = client.list(ListRequest { cursor, limit: 1 }).await.unwrap().into_inner();
        seen.extend(page.orders.into_iter().map(|order| order.order_id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, placed);
    for bad in
        [ListRequest { limit: 201, ..Default::default() }, ListRequest { cursor: "x".into(), limit: 1 }]
    {
        assert_eq!(reason(&client.list(bad).await.unwrap_err()), (Code::InvalidArgument, "INVALID_REQUEST"));
    }
}

#[tokio::test]
async fn the_guard_remembers_each_op_for_the_checkers() {
    let service = Service::start().await;
    let (branch, body, mut client) = (Branch::tcc(), place(), service.client.clone());
    client.try_place(branch.call("try", &body)).await.unwrap();
    client.cancel_place(branch.call("cancel", &body)).await.unwrap();
    let request = ListBranchOpsRequest { gid: branch.gid.to_string(), ..Default::default() };
    let rows = client.list_branch_ops(request).await.unwrap().into_inner().branch_ops;
    let seen: Vec<_> = rows.iter().map(|row| (row.op.as_str(), row.method.as_str(), row.status())).collect();
    assert_eq!(
        seen,
        [
            ("try", "pay.order.v1.OrderService/TryPlace", BranchOpStatus::Done),
            ("cancel", "pay.order.v1.OrderService/CancelPlace", BranchOpStatus::Done),
        ]
    );
}

#[tokio::test]
async fn a_message_over_one_mebibyte_is_not_read() {
    let service = Service::start().await;
    let (mut body, mut client) = (place(), service.client.clone());
    body.user_id = "u".repeat(1024 * 1024);
    let no = client.place(Branch::saga().call("action", &body)).await.unwrap_err();
    assert_eq!(no.code(), Code::OutOfRange);
    assert_eq!(service.count().await, 0);
}

#[tokio::test]
async fn only_who_holds_the_plan_mac_of_this_gid_gets_in() {
    let key = PlanMacKey::generate().unwrap();
    let service = Service::start_with(BranchAuth::Required(key.clone())).await;
    let (branch, body, mut client) = (Branch::saga(), place(), service.client.clone());
    let bare = client.place(branch.call("action", &body)).await.unwrap_err();
    assert_eq!(reason(&bare), (Code::Unauthenticated, "BAD_PLAN_MAC"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expiry = i64::try_from(now).unwrap() + 60;
    let with_mac = |gid: &amends_dtm::Gid| {
        let mut request = branch.call("action", &body);
        let mac = key.mint(gid, &[7; 32], expiry);
        request.metadata_mut().insert(amends_dtm::metadata::PLAN_MAC, mac.parse().unwrap());
        request
    };
    let foreign = client.place(with_mac(&Branch::saga().gid)).await.unwrap_err();
    assert_eq!(reason(&foreign), (Code::Unauthenticated, "BAD_PLAN_MAC"));
    assert_eq!(service.count().await, 0);
    client.place(with_mac(&branch.gid)).await.unwrap();
    assert_eq!(service.count().await, 1);
}
