//! Our client and launcher against the real DTM server, which calls branches that answer by a script. Here the facts
//! that the rest of the system is built on are proven: what arrives at a branch, in which order, and what DTM says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod branches;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use amends_dtm::binary::{DtmBinary, locate};
use amends_dtm::client::{
    DtmClient, DtmError, DtmStatus, DtmView, Registered, SagaOrder, SagaRequest, SagaStep, TccBranch,
    TccRequest,
};
use amends_dtm::launcher::{DtmPorts, LaunchError, LocalDtm};
use amends_dtm::{BranchId, Gid};
use prost::bytes::Bytes;
use tokio::process::Child;
use tonic::Code;

use branches::Branches;

/// No step of a test takes longer; far below the retry interval, so that a poll never explains a success.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY_INTERVAL_S: u32 = 60;

/// A DTM server of this test alone and the branches it calls. Both end with the value.
struct World {
    client: DtmClient,
    branches: Branches,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalDtm::new(binary().await, folder.path().join("dtm"), DtmPorts::free().unwrap());
        let mut child = local.spawn().unwrap();
        let client = local.wait_ready(&mut child, PATIENCE).await.unwrap();
        World { client, branches: Branches::start().await, _child: child, _folder: folder }
    }

    fn saga(&self, gid: &Gid, payloads: &[&'static str]) -> SagaRequest {
        let step = |payload: &&'static str| SagaStep {
            action: self.branches.url("Do"),
            compensate: self.branches.url("Undo"),
            payload: Bytes::from_static(payload.as_bytes()),
        };
        SagaRequest {
            gid: gid.clone(),
            steps: payloads.iter().map(step).collect(),
            order: SagaOrder::Chain,
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: 0,
            timeout_to_fail_s: 0,
            headers: headers(),
        }
    }

    async fn tcc(&self, gid: &Gid, branches: usize) -> TccRequest {
        let request = TccRequest {
            gid: gid.clone(),
            retry_interval_s: RETRY_INTERVAL_S,
            request_timeout_s: 0,
            timeout_to_fail_s: 0,
            headers: headers(),
        };
        self.client.prepare_tcc(&request).await.unwrap();
        for index in 0..branches {
            let registered = self.client.register_tcc_branch(&self.branch(gid, index)).await.unwrap();
            assert_eq!(registered, Registered::Now);
        }
        request
    }

    fn branch(&self, gid: &Gid, index: usize) -> TccBranch {
        TccBranch {
            gid: gid.clone(),
            branch_id: BranchId::of_index(index),
            confirm: self.branches.url("Confirm"),
            cancel: self.branches.url("Cancel"),
            payload: Bytes::from(format!("payload {index}")),
        }
    }

    async fn ends(&self, gid: &Gid) -> DtmView {
        self.becomes(gid, DtmStatus::is_final).await
    }

    /// DTM tells nobody when a status changes, so this asks again and again.
    async fn becomes(&self, gid: &Gid, wanted: impl Fn(DtmStatus) -> bool) -> DtmView {
        let asked = Instant::now();
        loop {
            let view = self.client.query(gid).await.unwrap().unwrap();
            if wanted(view.status) {
                return view;
            }
            assert!(asked.elapsed() < PATIENCE, "still {view:?}, calls {}", self.branches.order());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn binary() -> DtmBinary {
    tokio::task::spawn_blocking(locate).await.unwrap().unwrap()
}

fn headers() -> BTreeMap<String, String> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    BTreeMap::from([header("pay-plan-mac", "v1.text"), header("traceparent", "00-trace")])
}

#[tokio::test]
async fn a_saga_calls_its_actions_with_payload_and_metadata_and_succeeds() {
    let world = World::start().await;
    assert_eq!(world.client.version().await.unwrap(), "v1.18.0");
    let gid = Gid::generate();
    world.client.submit_saga(&world.saga(&gid, &["one", "two"])).await.unwrap();
    let view = world.ends(&gid).await;
    assert_eq!(
        (view.status, view.rollback_reason.as_str(), view.trans_type.as_str()),
        (DtmStatus::Succeed, "", "saga")
    );
    assert_eq!(view.branches.len(), 4);
    assert_eq!(world.branches.order(), "action 01, action 02");
    for (call, payload) in world.branches.calls().iter().zip(["one", "two"]) {
        assert_eq!((call.gid.as_str(), call.trans_type.as_str()), (gid.as_str(), "saga"));
        assert_eq!(
            (call.plan_mac.as_str(), call.method.as_str(), &call.payload[..]),
            ("v1.text", "Do", payload.as_bytes())
        );
        assert_eq!(call.traceparent, "00-trace");
    }
}

#[tokio::test]
async fn a_refusal_is_undone_in_reverse_order_beginning_with_the_refused_branch() {
    let world = World::start().await;
    world.branches.answer("action", "02", Code::Aborted, "INSUFFICIENT_STOCK|sku a");
    let gid = Gid::generate();
    let request = world.saga(&gid, &["one", "two", "three"]);
    world.client.submit_saga(&request).await.unwrap();
    let view = world.ends(&gid).await;
    assert_eq!(view.status, DtmStatus::Failed);
    assert!(view.rollback_reason.contains("INSUFFICIENT_STOCK|sku a"), "{}", view.rollback_reason);
    assert_eq!(world.branches.order(), "action 01, action 02, compensate 02, compensate 01");
    let again = world.client.submit_saga(&request).await;
    assert!(matches!(again, Err(DtmError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn a_saga_in_progress_goes_on_at_once_when_it_is_submitted_again() {
    let world = World::start().await;
    world.branches.answer("action", "02", Code::FailedPrecondition, "PAUSED|");
    let gid = Gid::generate();
    let request = world.saga(&gid, &["one", "two"]);
    world.client.submit_saga(&request).await.unwrap();
    world.branches.until("action 01, action 02", PATIENCE).await;
    assert_eq!(world.client.query(&gid).await.unwrap().unwrap().status, DtmStatus::Submitted);
    let woken = Instant::now();
    world.client.submit_saga(&request).await.unwrap();
    assert_eq!(world.ends(&gid).await.status, DtmStatus::Succeed);
    assert!(woken.elapsed() < Duration::from_secs(3), "{:?}", woken.elapsed());
    assert!(world.branches.order().ends_with("action 02"), "{}", world.branches.order());
}

#[tokio::test]
async fn a_saga_that_is_aborting_goes_on_when_the_cron_time_is_reset() {
    let world = World::start().await;
    world.branches.answer("action", "02", Code::Aborted, "NO|");
    world.branches.answer("compensate", "02", Code::FailedPrecondition, "NOT_YET|");
    let gid = Gid::generate();
    world.client.submit_saga(&world.saga(&gid, &["one", "two"])).await.unwrap();
    world.branches.until("action 01, action 02, compensate 02", PATIENCE).await;
    world.becomes(&gid, |status| status == DtmStatus::Aborting).await;
    let woken = Instant::now();
    assert_eq!(world.client.reset_cron_time().await.unwrap().succeed_count, 1);
    assert_eq!(world.ends(&gid).await.status, DtmStatus::Failed);
    assert!(woken.elapsed() < Duration::from_secs(5), "{:?}", woken.elapsed());
    assert_eq!(world.branches.order(), "action 01, action 02, compensate 02, compensate 02, compensate 01");
}

#[tokio::test]
async fn a_tcc_confirms_in_reverse_order_of_registration() {
    let world = World::start().await;
    let gid = Gid::generate();
    let request = world.tcc(&gid, 3).await;
    world.client.prepare_tcc(&request).await.expect("prepare again is harmless");
    let again = world.client.register_tcc_branch(&world.branch(&gid, 1)).await.unwrap();
    assert_eq!(again, Registered::Before);
    world.client.submit_tcc(&request).await.unwrap();
    assert_eq!(world.ends(&gid).await.status, DtmStatus::Succeed);
    assert_eq!(world.branches.order(), "confirm 03, confirm 02, confirm 01");
    let first = &world.branches.calls()[0];
    assert_eq!((first.plan_mac.as_str(), &first.payload[..]), ("v1.text", &b"payload 2"[..]));
    assert_eq!((first.trans_type.as_str(), first.method.as_str()), ("tcc", "Confirm"));
    for refused in [world.client.abort(&gid, "LATE|").await, world.client.prepare_tcc(&request).await] {
        assert!(matches!(refused, Err(DtmError::Refused(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_tcc_confirms_with_the_headers_of_the_submit() {
    let world = World::start().await;
    let gid = Gid::generate();
    let prepared = world.tcc(&gid, 1).await;
    let headers = BTreeMap::from([("pay-plan-mac".into(), "v1.other".into())]);
    world.client.submit_tcc(&TccRequest { headers, ..prepared }).await.unwrap();
    world.ends(&gid).await;
    assert_eq!(world.branches.calls()[0].plan_mac, "v1.other");
}

#[tokio::test]
async fn a_tcc_that_is_aborted_cancels_and_abort_again_wakes_it() {
    let world = World::start().await;
    world.branches.answer("cancel", "01", Code::FailedPrecondition, "NOT_YET|");
    let gid = Gid::generate();
    world.tcc(&gid, 2).await;
    world.client.abort(&gid, "DECLINED|by the bank").await.unwrap();
    world.branches.until("cancel 02, cancel 01", PATIENCE).await;
    let woken = Instant::now();
    world.client.abort(&gid, "DECLINED|by the bank").await.unwrap();
    let view = world.ends(&gid).await;
    assert_eq!((view.status, view.rollback_reason.as_str()), (DtmStatus::Failed, "DECLINED|by the bank"));
    assert!(woken.elapsed() < Duration::from_secs(3), "{:?}", woken.elapsed());
    let late = world.client.register_tcc_branch(&world.branch(&gid, 2)).await;
    assert!(matches!(late, Err(DtmError::Refused(_))), "{late:?}");
}

/// After its own poll DTM answers an abort with what its calls came to.
#[tokio::test]
async fn an_abort_whose_cancels_say_not_yet_is_taken() {
    let world = World::start().await;
    world.branches.answers(3, ("cancel", "01"), Code::FailedPrecondition, "NOT_YET|");
    let gid = Gid::generate();
    world.tcc(&gid, 1).await;
    world.client.abort(&gid, "DECLINED|by the bank").await.unwrap();
    world.branches.until("cancel 01", PATIENCE).await;
    world.client.reset_cron_time().await.unwrap();
    world.branches.until("cancel 01, cancel 01", PATIENCE).await;
    world.becomes(&gid, |status| status == DtmStatus::Aborting).await;
    world.client.abort(&gid, "DECLINED|by the bank").await.unwrap();
    assert_eq!(world.branches.order(), "cancel 01, cancel 01, cancel 01", "it calls before it answers");
    world.client.abort(&gid, "DECLINED|by the bank").await.unwrap();
    assert_eq!(world.ends(&gid).await.status, DtmStatus::Failed);
}

#[tokio::test]
async fn what_dtm_does_not_know_is_neither_shown_nor_aborted() {
    let world = World::start().await;
    let absent = Gid::generate();
    assert_eq!(world.client.query(&absent).await.unwrap(), None);
    let aborted = world.client.abort(&absent, "X|").await.unwrap_err();
    assert!(aborted.may_have_been_done(), "{aborted:?}");
    let registered = world.client.register_tcc_branch(&world.branch(&absent, 0)).await;
    assert!(matches!(registered, Err(DtmError::Refused(_))), "{registered:?}");
}

#[tokio::test]
async fn a_list_shows_every_global_transaction_once_page_by_page() {
    let world = World::start().await;
    let mut made: Vec<String> = Vec::new();
    for _ in 0..5 {
        let gid = Gid::generate();
        world.tcc(&gid, 1).await;
        made.push(gid.to_string());
    }
    let (mut shown, mut position) = (Vec::new(), Some(String::new()));
    while let Some(from) = position {
        let page = world.client.list(&from, 2).await.unwrap();
        assert!(page.transactions.iter().all(|summary| summary.status == DtmStatus::Prepared));
        shown.extend(page.transactions.into_iter().map(|summary| summary.gid));
        position = page.next_position;
    }
    assert_eq!(shown, made);
}

#[tokio::test]
async fn a_server_that_is_away_leaves_the_outcome_open() {
    let ports = DtmPorts::free().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let local = LocalDtm::new(binary().await, folder.path().to_owned(), ports);
    let client = DtmClient::new(&local.endpoints()).unwrap();
    let error = client.abort(&Gid::generate(), "X|").await.unwrap_err();
    assert!(error.may_have_been_done(), "{error:?}");
    assert!(matches!(client.query(&Gid::generate()).await, Err(DtmError::NoAnswer(_))));
    let mut child = local.spawn().unwrap();
    local.wait_ready(&mut child, PATIENCE).await.unwrap();
    client.ping().await.expect("the same client reaches the server once it is there");
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut local = LocalDtm::new(binary().await, folder.path().join("dtm"), DtmPorts::free().unwrap());
    local.store.push(("STORE_DRIVER".into(), "nonsense".into()));
    let mut child = local.spawn().unwrap();
    let error = local.wait_ready(&mut child, PATIENCE).await.unwrap_err();
    let LaunchError::Ended { log, .. } = error else { panic!("{error:?}") };
    assert!(log.contains("panic"), "{log}");
}

#[tokio::test]
async fn the_data_of_the_server_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let local = LocalDtm::new(binary().await, folder.path().join("dtm"), DtmPorts::free().unwrap());
    let mut child = local.spawn().unwrap();
    local.wait_ready(&mut child, PATIENCE).await.unwrap();
    for name in ["", "dtm.bolt", "dtm.log"] {
        let mode = std::fs::metadata(local.folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}
