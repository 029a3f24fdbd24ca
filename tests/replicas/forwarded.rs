//! Every call may reach any replica: the owner answers. A replica that ends in good order hands over at once.
use crate::load::request;
use crate::pair::Pair;
use amends_proto::amends::v1::{
    CancelRequest, GetHistoryRequest, GetRequest, Status, WaitRequest, WatchRequest,
};
use amends_testkit::{Coordinator, SOON, until};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_answers_whoever_is_asked() {
    let Some(pair) = Pair::start(Coordinator::Embedded).await else { return };
    let log = &pair.participant.log;
    let [mut owner, mut other] = pair.clients();
    log.shut();
    let gid = owner.start(request(1)).await.unwrap().into_inner().gid;
    until("it is under way", async || (log.running() == 1).then_some(())).await;
    let again = other.start(request(1)).await.unwrap().into_inner();
    assert_eq!((again.gid.as_str(), again.existing), (gid.as_str(), true));
    let seen = other.get(GetRequest { gid: gid.clone() }).await.unwrap().into_inner();
    assert!(seen.finished_at.is_none() && seen.steps[0].ops.len() == 1, "as the owner sees it: {seen:?}");
    let history = GetHistoryRequest { gid: gid.clone(), from_seq: 1, ..GetHistoryRequest::default() };
    assert!(!other.get_history(history).await.unwrap().into_inner().events.is_empty());
    let watch = WatchRequest { gid: gid.clone(), from_seq: 1 };
    let mut events = other.watch(watch).await.unwrap().into_inner();
    let waiting = other.clone();
    let waiting = tokio::spawn(async move {
        let wait = WaitRequest { gid, timeout_ms: 30_000 };
        waiting.clone().wait(wait).await.unwrap().into_inner()
    });
    log.open();
    let end = timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(end.status(), Status::Succeeded);
    let mut kinds = Vec::new();
    while let Some(event) = timeout(SOON, events.message()).await.unwrap().unwrap() {
        kinds.push(event.kind);
    }
    assert_eq!((kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()), ("started", "finished"));
    assert_eq!(log.overlaps(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_the_owner() {
    let Some(pair) = Pair::start(Coordinator::Embedded).await else { return };
    let log = &pair.participant.log;
    let [mut owner, mut other] = pair.clients();
    log.shut();
    let gid = owner.start(request(2)).await.unwrap().into_inner().gid;
    until("it is under way", async || (log.running() == 1).then_some(())).await;
    let cancel = CancelRequest { gid: gid.clone(), reason: "changed my mind".to_owned() };
    let cancelled = other.cancel(cancel).await.unwrap().into_inner();
    assert_eq!(cancelled.status(), Status::Compensating);
    log.open();
    let wait = WaitRequest { gid, timeout_ms: 30_000 };
    assert_eq!(other.wait(wait).await.unwrap().into_inner().status(), Status::Cancelled);
}

/// SIGTERM: nobody waits for a lease to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_in_good_order_hands_over_at_once() {
    let Some(mut pair) = Pair::start(Coordinator::Embedded).await else { return };
    let log = pair.participant.log.clone();
    let [mut first, mut second] = pair.clients();
    log.shut();
    let gid = first.start(request(2)).await.unwrap().into_inner().gid;
    until("it is under way", async || (log.running() == 1).then_some(())).await;
    drop(first);
    pair.replicas[0].signal("-TERM").await;
    assert!(timeout(SOON, pair.replicas[0].ended()).await.unwrap().success());
    let ended = Instant::now();
    log.open();
    let wait = WaitRequest { gid, timeout_ms: 30_000 };
    assert_eq!(second.wait(wait).await.unwrap().into_inner().status(), Status::Succeeded);
    assert!(ended.elapsed() < Duration::from_secs(2), "handed over only after {:?}", ended.elapsed());
    assert_eq!(log.overlaps(), []);
}

/// kill -9 of the owner: who watches through another replica is told to ask again, and goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_outlives_the_owner() {
    let Some(mut pair) = Pair::start(Coordinator::Embedded).await else { return };
    let log = pair.participant.log.clone();
    let [mut owner, mut other] = pair.clients();
    log.shut();
    let gid = owner.start(request(2)).await.unwrap().into_inner().gid;
    until("it is under way", async || (log.running() == 1).then_some(())).await;
    let watch = |from_seq| WatchRequest { gid: gid.clone(), from_seq };
    let mut events = other.watch(watch(1)).await.unwrap().into_inner();
    let mut next = timeout(SOON, events.message()).await.unwrap().unwrap().unwrap().seq + 1;
    pair.replicas[0].signal("-KILL").await;
    assert!(!pair.replicas[0].ended().await.success());
    let told = loop {
        match timeout(SOON, events.message()).await.unwrap() {
            Ok(event) => next = event.unwrap().seq + 1,
            Err(status) => break status,
        }
    };
    assert_eq!((told.code(), told.message().split_once('|').unwrap().0), (Code::Unavailable, "OWNER_AWAY"));
    log.open();
    let mut kind = String::new();
    while kind != "finished" {
        // The heir may need longer than a call waits for it.
        let again = async || other.clone().watch(watch(next)).await.ok();
        let mut events = until("somebody has it", again).await.into_inner();
        while let Ok(Some(event)) = timeout(SOON, events.message()).await.unwrap() {
            assert_eq!(event.seq, next, "an event is missing or doubled");
            (kind, next) = (event.kind, event.seq + 1);
        }
    }
}
