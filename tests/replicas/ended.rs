//! What had ended and DTM had not heard of when its replica died: nothing else was open, so nobody adopts anything. Whoever
//! is left, or is started again, tells DTM long before DTM's own poll.
use crate::pair::Pair;
use crate::tell;
use amends_dtm::Gid;
use amends_dtm::client::DtmStatus;
use amends_proto::amends::v1::{GetRequest, SagaStep, StartSagaRequest, Status};
use amends_testkit::{Coordinator, SOON, until};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// DTM asks by itself a minute after it was told of the start.
const BEFORE_ITS_POLL: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn the_only_one_is_killed_and_starts_again() {
    let Some(mut pair) = Pair::start(Coordinator::Dtm).await else { return };
    ends(&mut pair, 1, "-TERM").await;
    let gid = ended_and_untold(&mut pair).await;
    ends(&mut pair, 0, "-KILL").await;
    // Within the lease of the dead one.
    pair.replicas[0].start();
    pair.replicas[0].serves().await;
    dtm_is_told("killed, and started again", &mut pair, &gid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_is_killed() {
    let Some(mut pair) = Pair::start(Coordinator::Dtm).await else { return };
    let gid = ended_and_untold(&mut pair).await;
    ends(&mut pair, 0, "-KILL").await;
    dtm_is_told("killed", &mut pair, &gid).await;
}

/// Who takes over is a toss of a coin then; the eldest tells.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_is_killed_and_starts_again() {
    let Some(mut pair) = Pair::start(Coordinator::Dtm).await else { return };
    let gid = ended_and_untold(&mut pair).await;
    ends(&mut pair, 0, "-KILL").await;
    pair.replicas[0].start();
    pair.replicas[0].serves().await;
    dtm_is_told("killed and started again, of two", &mut pair, &gid).await;
}

/// It fences itself: the other has nothing to take over.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_ends_in_good_order() {
    let Some(mut pair) = Pair::start(Coordinator::Dtm).await else { return };
    let gid = ended_and_untold(&mut pair).await;
    ends(&mut pair, 0, "-TERM").await;
    dtm_is_told("ended in good order", &mut pair, &gid).await;
}

async fn ends(pair: &mut Pair, which: usize, signal: &str) {
    pair.replicas[which].signal(signal).await;
    timeout(SOON, pair.replicas[which].ended()).await.unwrap();
}

/// DTM dies while the participant has the only step; the first replica brings it to its end.
async fn ended_and_untold(pair: &mut Pair) -> String {
    let log = pair.participant.log.clone();
    log.shut();
    let step = SagaStep {
        participant: "noop".into(),
        action: "amends.v1.Noop/Do".into(),
        compensate: "amends.v1.Noop/Undo".into(),
        timeout_ms: 60_000,
        ..SagaStep::default()
    };
    let start = StartSagaRequest { request_id: "r".into(), steps: vec![step], ..StartSagaRequest::default() };
    let mut client = pair.replicas[0].client();
    let gid = client.start_saga(start).await.unwrap().into_inner().gid;
    until("the participant is at it", async || (log.running() == 1).then_some(())).await;
    pair.dtm.as_mut().unwrap().kill().await;
    log.open();
    let end = until("it ends", async || {
        let it = client.get(GetRequest { gid: gid.clone() }).await.unwrap().into_inner();
        it.finished_at.is_some().then_some(it)
    });
    assert_eq!(end.await.status(), Status::Succeeded);
    gid
}

async fn dtm_is_told(case: &str, pair: &mut Pair, gid: &str) {
    let dtm = pair.dtm.as_mut().unwrap();
    dtm.start_again().await;
    let (client, gid, since) = (dtm.client(), Gid::parse(gid).unwrap(), Instant::now());
    let told = until("DTM knows the end", async || {
        let seen = client.query(&gid).await.unwrap().unwrap();
        (seen.status == DtmStatus::Succeed).then_some(())
    });
    assert!(timeout(BEFORE_ITS_POLL, told).await.is_ok(), "{case}: nobody told DTM of the end");
    tell(&format!("{case}: DTM was told {:.1?} after it was back", since.elapsed()));
}
