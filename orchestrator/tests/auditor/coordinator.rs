//! What DTM forgot, was made to believe, or never heard.

use crate::{Audited, ENOUGH};
use amends_dtm::Gid;
use amends_dtm::client::{DtmClient, DtmEndpoints, TccRequest};
use amends_orchestrator::coordinator::CoordinatorStatus;
use amends_orchestrator::engine::Live;
use amends_orchestrator::history::Status;
use amends_orchestrator::plan::Mode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One that is under way at its last step, until the participant is released.
async fn waiting(audited: &Audited, mode: Mode) -> Arc<Live> {
    audited.guarded.hold("02", if mode == Mode::Tcc { "try" } else { "action" });
    let live = audited.world.go(audited.plan(mode, 2, None)).await;
    live.until(|state| state.steps[1].forward.last_code == "FAILED_PRECONDITION").await;
    live
}

/// D10: an operator stops a saga by force; DTM calls it failed and compensates nothing.
#[tokio::test]
async fn what_dtm_was_forced_to_say_is_told_and_changes_nothing() {
    let mut audited = Audited::start().await;
    let live = audited.ended(Mode::Saga, 2, Status::Succeeded).await;
    audited.world.dtm_says(&live.base().gid, CoordinatorStatus::Succeed).await;
    let open = waiting(&audited, Mode::Saga).await;
    force_stop(audited.world.dtm.endpoints(), &open.base().gid).await;
    audited.disagreement_is(&open, "the coordinator says failed, history goes forward (reminded)").await;
    assert_eq!(open.state().status(), Status::Running, "history decides");
    audited.world.cancel(&open).await;
    assert_eq!(audited.world.end(&open.base().gid).await, Status::Cancelled);
    audited.agreement(&open).await;
    let progress = audited.passes(ENOUGH).await;
    assert_eq!(live.state().attention, [], "{progress:?}");
}

/// The other way round it can never agree again: it stays open for a person.
#[tokio::test]
async fn what_dtm_says_against_history_for_good_stays_open() {
    let mut audited = Audited::start().await;
    let live = waiting(&audited, Mode::Tcc).await;
    let gid = live.base().gid.clone();
    let dtm = DtmClient::new(&audited.world.dtm.endpoints()).unwrap();
    dtm.submit_tcc(&tcc(&gid)).await.unwrap();
    audited
        .disagreement_is(&live, "the coordinator says submitted, history has not decided (reminded)")
        .await;
    audited.world.cancel(&live).await;
    assert_eq!(audited.world.end(&gid).await, Status::Cancelled);
    audited.world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    audited.disagreement_is(&live, "the coordinator says succeed, history undid it (needs a person)").await;
    audited.passes(ENOUGH).await;
    assert_eq!(live.state().attention.len(), 1);
    assert!(audited.guarded.calls("confirm", "01") == 0, "history decided against it");
}

/// D20: a second submit makes DTM say succeed with confirms missing; the engine makes them.
#[tokio::test]
async fn a_second_submit_loses_no_confirm() {
    let mut audited = Audited::start().await;
    for _ in 0..3 {
        let live = audited.world.go(audited.plan(Mode::Tcc, 3, None)).await;
        let gid = live.base().gid.clone();
        live.until(|state| state.verdict != amends_orchestrator::history::Verdict::Open).await;
        let dtm = DtmClient::new(&audited.world.dtm.endpoints()).unwrap();
        // It may be over already: then DTM refuses.
        let _ = dtm.submit_tcc(&tcc(&gid)).await;
        assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
        for branch_id in ["01", "02", "03"] {
            assert!(audited.guarded.row(&gid, branch_id, "confirm").is_some());
        }
    }
    audited.passes(ENOUGH).await;
    assert_eq!(audited.progress.borrow().opened, 0);
}

/// Its store is gone: what has ended is no news, what is open goes on.
#[tokio::test]
async fn what_dtm_forgot_is_no_disagreement() {
    let mut audited = Audited::start().await;
    let mut ended = Vec::new();
    for mode in [Mode::Saga, Mode::Tcc] {
        ended.push(audited.ended(mode, 2, Status::Succeeded).await);
    }
    let open = waiting(&audited, Mode::Saga).await;
    audited.world.child.kill().await.unwrap();
    std::fs::remove_file(audited.world.folder.path().join("dtm/dtm.bolt")).unwrap();
    audited.world.restart_dtm().await;
    audited.progress.wait_for(|progress| progress.forgotten > 0).await.unwrap();
    audited.world.cancel(&open).await;
    assert_eq!(audited.world.end(&open.base().gid).await, Status::Cancelled);
    audited.passes(ENOUGH).await;
    assert!(ended.iter().all(|live| live.state().attention.is_empty()));
    audited.agreement(&open).await;
}

/// It came back with an older copy of its store, in which what has ended still runs: it is reminded long before its own poll.
#[tokio::test]
async fn what_has_ended_and_runs_in_an_older_store_of_dtm_is_told_to_it() {
    let mut audited = Audited::start().await;
    let live = waiting(&audited, Mode::Saga).await;
    let gid = live.base().gid.clone();
    let store = audited.world.folder.path().join("dtm/dtm.bolt");
    audited.world.child.kill().await.unwrap();
    let older = std::fs::read(&store).unwrap();
    audited.world.restart_dtm().await;
    audited.guarded.release();
    assert_eq!(audited.world.end(&gid).await, Status::Succeeded);
    audited.world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    // Whoever told it of the end has seen by then that it knows.
    audited.passes(ENOUGH).await;
    let before = audited.epilogue(&live).await;
    audited.world.child.kill().await.unwrap();
    std::fs::write(&store, older).unwrap();
    audited.world.restart_dtm().await;
    audited.disagreement_is(&live, "the coordinator says submitted, history succeeded (reminded)").await;
    audited.world.dtm_says(&gid, CoordinatorStatus::Succeed).await;
    audited.agreement(&live).await;
    let after = audited.epilogue(&live).await;
    assert_eq!(after.strip_prefix(&before).unwrap().trim(), "attention_opened attention_closed");
}

fn tcc(gid: &str) -> TccRequest {
    TccRequest {
        gid: Gid::parse(gid).unwrap(),
        retry_interval_s: 60,
        request_timeout_s: 5,
        timeout_to_fail_s: 600,
        headers: BTreeMap::new(),
    }
}

async fn force_stop(dtm: DtmEndpoints, gid: &str) {
    let url = format!("{}/api/dtmsvr/forceStop", dtm.http);
    let body = serde_json::json!({ "gid": gid });
    let answer = post(&url, &body.to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "DTM takes anything from anybody: {answer}");
}

/// One HTTP request by hand: this crate has no client for it.
async fn post(url: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
