//! Direct writes with an idempotency key, and the list of the guard's rows.

use amends_dtm::Op::{Action, Compensate};
use amends_proto::pay::branch::v1::{BranchOp, BranchOpStatus, ListBranchOpsRequest};
use amends_proto::pay::points::v1::{GrantRequest, PointsAccount};
use futures::future::join_all;
use sea_orm::ConnectionTrait as _;
use tonic::{Code, Request, Response, Status};

use crate::world::{START_US, World};

type Answer = Result<Response<PointsAccount>, Status>;

async fn grant(world: &World, caller: &str, key: &str, user_id: &str) -> Answer {
    let body = GrantRequest { user_id: user_id.into(), points: 5, idempotency_key: key.into() };
    let mut request = Request::new(body);
    request.metadata_mut().insert("amends-caller", caller.parse().unwrap());
    world.client().grant(request).await
}

fn told(answer: &Answer) -> String {
    match answer {
        Ok(answer) => {
            let replayed = if answer.metadata().contains_key("x-replayed") { " replayed" } else { "" };
            format!("OK {}{replayed}", answer.get_ref().balance)
        }
        Err(status) => {
            let replayed = if status.metadata().contains_key("x-replayed") { " replayed" } else { "" };
            format!(
                "{:?} {}{replayed}",
                status.code(),
                status.message().split('|').next().unwrap_or_default()
            )
        }
    }
}

async fn callers_noted(world: &World) -> String {
    world.column("SELECT name FROM effect").await.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_request_give_the_same_answer_per_caller() {
    let world = World::new().await;
    assert_eq!(told(&grant(&world, "shop", "k1", "u").await), "OK 1");
    assert_eq!(told(&grant(&world, "shop", "k1", "u").await), "OK 1 replayed");
    assert_eq!(told(&grant(&world, "shop", "k1", "v").await), "InvalidArgument IDEMPOTENCY_MISMATCH");
    assert_eq!(told(&grant(&world, "other", "k1", "v").await), "OK 2", "the key is the caller's own");
    assert_eq!(told(&grant(&world, "shop", "k2", "u").await), "OK 3");
    assert_eq!(callers_noted(&world).await, "shop other shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_stored_and_a_passing_trouble_is_not() {
    let world = World::new().await;
    assert_eq!(told(&grant(&world, "shop", "k1", "refuse").await), "FailedPrecondition ACCOUNT_FROZEN");
    assert_eq!(
        told(&grant(&world, "shop", "k1", "refuse").await),
        "FailedPrecondition ACCOUNT_FROZEN replayed"
    );
    assert_eq!(told(&grant(&world, "shop", "k1", "u").await), "InvalidArgument IDEMPOTENCY_MISMATCH");
    for _ in 0..2 {
        assert_eq!(told(&grant(&world, "shop", "k2", "degraded").await), "Unavailable SERVICE_DEGRADED");
    }
    assert_eq!(told(&grant(&world, "shop", "k2", "u").await), "OK 1", "the key of a passing trouble is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_writes_with_one_key_are_one_write() {
    let world = World::new().await;
    let answers = join_all((0..100).map(|_| grant(&world, "shop", "k", "u"))).await;
    let told: Vec<String> = answers.iter().map(told).collect();
    assert_eq!(told.iter().filter(|answer| *answer == "OK 1").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|answer| *answer == "OK 1 replayed").count(), 99, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_write_is_still_outside_is_in_use() {
    let world = World::new().await;
    assert_eq!(told(&grant(&world, "shop", "k", "u").await), "OK 1");
    world.store.writer().execute_unprepared("UPDATE idempotency SET state = 'running'").await.unwrap();
    assert_eq!(told(&grant(&world, "shop", "k", "u").await), "Aborted IDEMPOTENCY_IN_USE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_must_have_1_to_64_characters() {
    let world = World::new().await;
    for key in ["", &"k".repeat(65), "a\nb"] {
        assert_eq!(
            told(&grant(&world, "shop", key, "u").await),
            "InvalidArgument INVALID_REQUEST",
            "{key:?}"
        );
    }
    assert_eq!(told(&grant(&world, "no name!", "k", "u").await), "InvalidArgument INVALID_REQUEST");
    assert_eq!(told(&grant(&world, "shop", &"k".repeat(64), "u").await), "OK 1");
}

async fn list(world: &World, gid: &str, cursor: &str, limit: i32) -> Result<(Vec<BranchOp>, String), Code> {
    let request = ListBranchOpsRequest { gid: gid.into(), cursor: cursor.into(), limit };
    let answer = world.client().list_branch_ops(request).await.map_err(|status| status.code())?.into_inner();
    Ok((answer.branch_ops, answer.next_cursor))
}

#[tokio::test(flavor = "multi_thread")]
async fn branch_ops_are_listed_in_the_order_in_which_they_were_made_page_by_page() {
    let world = World::new().await;
    let callers: Vec<_> = (0..5).map(|_| world.caller("u")).rev().collect();
    for caller in &callers {
        caller.burn(Action).await.unwrap();
    }
    callers[2].burn(Compensate).await.unwrap();
    let (mut cursor, mut rows) = (String::new(), Vec::new());
    loop {
        let (page, next) = list(&world, "", &cursor, 2).await.unwrap();
        rows.extend(page);
        if next.is_empty() {
            break;
        }
        cursor = next;
    }
    let order: Vec<&str> = rows.iter().map(|row| row.gid.as_str()).collect();
    let expected: Vec<&str> = [0, 1, 2, 3, 4, 2].map(|at| callers[at].gid.as_str()).to_vec();
    assert_eq!(order, expected);
    let (one, _) = list(&world, callers[2].gid.as_str(), "", 0).await.unwrap();
    let words: Vec<_> = one.iter().map(|row| (row.op.as_str(), row.phase.as_str(), row.status())).collect();
    let done = BranchOpStatus::Done;
    assert_eq!(words, [("action", "forward", done), ("compensate", "undo", done)]);
    assert_eq!(one[0].method, "pay.points.v1.PointsService/Burn");
    assert_eq!((one[0].trans_type.as_str(), one[0].request_hash.len()), ("saga", 64));
    assert_eq!(one[0].created_at.unwrap().seconds, START_US / 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_request_out_of_bounds_is_an_invalid_argument() {
    let world = World::new().await;
    for (gid, cursor, limit) in
        [("", "", -1), ("", "", 1_001), ("short", "", 0), ("", "x", 0), ("", "1,a,b", 0), ("", "x,a,b,c", 0)]
    {
        assert_eq!(
            list(&world, gid, cursor, limit).await.unwrap_err(),
            Code::InvalidArgument,
            "{gid} {cursor} {limit}"
        );
    }
}
