//! What any history store must keep: acknowledged means durable, all or nothing for each append, one start for each
//! request and key, stable pages. Run on SQLite; another store passes the same suite or is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use amends_dtm::{BranchId, Gid};
use amends_migrations::history::Migrator;
use amends_orchestrator::history::entity::event;
use amends_orchestrator::history::{
    Append, AppendError, Conflict, HistoryReader, HistoryWriter, ListFilter, NewTransaction, Reuse, Row,
};
use amends_orchestrator::plan::{Mode, Plan};
use amends_proto::amends::v1 as pb;
use amends_serve::store::Store;
use futures::future::join_all;

struct History {
    writer: HistoryWriter,
    reader: HistoryReader,
    folder: tempfile::TempDir,
}

async fn open(folder: tempfile::TempDir) -> History {
    let url = format!("sqlite://{}", folder.path().join("history.db").display());
    let store = Store::open(&url).await.unwrap();
    store.migrate::<Migrator>().await.unwrap();
    History { writer: HistoryWriter::start(store.clone()), reader: HistoryReader::new(store), folder }
}

async fn fresh() -> History {
    open(tempfile::tempdir().unwrap()).await
}

fn plan() -> Plan {
    let step = pb::PlanStep {
        branch_id: BranchId::of_index(0).as_str().into(),
        participant: "p".into(),
        forward: "a.B/C".into(),
        undo: "a.B/D".into(),
        policy: Some(pb::StepPolicy {
            attempt_timeout_ms: 1,
            initial_interval_ms: 1,
            ..pb::StepPolicy::default()
        }),
        ..pb::PlanStep::default()
    };
    Plan::new(pb::Plan {
        gid: Gid::generate().as_str().into(),
        mode: Mode::Saga.into(),
        steps: vec![step],
        ..pb::Plan::default()
    })
    .unwrap()
}

fn event(gid: &str, seq: i64) -> event::Model {
    let kind = if seq == 1 { "started" } else { "registered" };
    event::Model {
        gid: gid.into(),
        seq,
        time_us: seq,
        kind: kind.into(),
        branch_id: String::new(),
        op: String::new(),
        attempt: 0,
        code: String::new(),
        reason: String::new(),
        build_id: "test".into(),
    }
}

fn row(gid: &str, key: &str) -> Row {
    Row {
        gid: gid.into(),
        caller: "c".into(),
        request_id: gid.into(),
        request_digest: vec![1],
        definition: "d".into(),
        definition_version: 1,
        mode: "saga".into(),
        business_key: key.into(),
        status: "accepted".into(),
        reason: String::new(),
        is_open: true,
        needs_attention: false,
        coordinator: "dtm".into(),
        created_at_us: 1,
        finished_at_us: 0,
        owner: String::new(),
    }
}

fn start(row: Row, plan: &Plan, reuse: Reuse) -> Append {
    let new = Some(NewTransaction { plan: plan.encode(), reuse });
    Append { events: vec![event(&row.gid, 1)], row: Some(row), new }
}

fn started(key: &str, reuse: Reuse) -> (String, Append) {
    let plan = plan();
    let gid = plan.gid().as_str().to_owned();
    (gid.clone(), start(row(&gid, key), &plan, reuse))
}

fn conflict(outcome: Result<(), AppendError>) -> Conflict {
    match outcome {
        Err(AppendError::Conflict(conflict)) => *conflict,
        Ok(()) | Err(AppendError::Store(_) | AppendError::Closed) => panic!("no conflict: {outcome:?}"),
    }
}

#[tokio::test]
async fn an_acknowledged_append_is_there_after_reopening() {
    let history = fresh().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append).await.unwrap();
    let more = Append { events: vec![event(&gid, 2)], row: None, new: None };
    history.writer.append(more).await.unwrap();
    let again = open(history.folder).await;
    let loaded = again.reader.load(&gid).await.unwrap().unwrap();
    assert_eq!((loaded.row, loaded.state.last_seq), (row(&gid, "k"), 2));
    assert_eq!(again.reader.open_gids().await.unwrap(), [gid]);
    assert!(again.reader.load(Gid::generate().as_str()).await.unwrap().is_none());
}

#[tokio::test]
async fn many_appends_at_once_all_arrive() {
    let history = fresh().await;
    let appends: Vec<_> = (0..1_200).map(|n| started(&format!("k{n}"), Reuse::AfterFailed)).collect();
    let gids: Vec<String> = appends.iter().map(|(gid, _)| gid.clone()).collect();
    let done = join_all(appends.into_iter().map(|(_, append)| history.writer.append(append))).await;
    assert!(done.iter().all(Result::is_ok));
    let mut known = history.reader.open_gids().await.unwrap();
    known.sort();
    let mut gids = gids;
    gids.sort();
    assert_eq!(known, gids);
}

#[tokio::test]
async fn a_bad_append_leaves_nothing_and_takes_no_neighbour_down() {
    let history = fresh().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append).await.unwrap();
    let repeated_seq = Append { events: vec![event(&gid, 2), event(&gid, 1)], row: None, new: None };
    let good: Vec<_> = (0..50).map(|n| started(&format!("n{n}"), Reuse::AfterFailed)).collect();
    let bad = history.writer.append(repeated_seq);
    let neighbours = join_all(good.iter().map(|(_, append)| history.writer.append(append.clone())));
    let (bad, neighbours) = futures::join!(bad, neighbours);
    assert!(matches!(bad, Err(AppendError::Store(_))), "{bad:?}");
    assert!(neighbours.iter().all(Result::is_ok));
    assert_eq!(history.reader.load(&gid).await.unwrap().unwrap().state.last_seq, 1, "all or nothing");
}

#[tokio::test]
async fn of_fifty_starts_for_one_key_at_once_one_is_made() {
    let history = fresh().await;
    let appends: Vec<_> = (0..50).map(|_| started("same", Reuse::AfterFailed)).collect();
    let done = join_all(appends.iter().map(|(_, append)| history.writer.append(append.clone()))).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let open = history.reader.open_gids().await.unwrap();
    for outcome in done.into_iter().filter(Result::is_err) {
        assert!(matches!(conflict(outcome), Conflict::BusinessKey(other) if other.gid == open[0]));
    }
}

#[tokio::test]
async fn a_request_id_is_used_once_for_a_caller() {
    let history = fresh().await;
    let (gid, append) = started("k1", Reuse::Always);
    history.writer.append(append).await.unwrap();
    let again = |caller: &str| {
        let plan = plan();
        let row = Row { request_id: gid.clone(), caller: caller.into(), ..row(plan.gid().as_str(), "k2") };
        history.writer.append(start(row, &plan, Reuse::Always))
    };
    assert!(matches!(conflict(again("c").await), Conflict::Request(other) if other.gid == gid));
    assert!(again("another caller").await.is_ok());
}

#[tokio::test]
async fn a_key_is_free_again_as_its_policy_says() {
    let history = fresh().await;
    for (status, after_failed, while_running) in [("succeeded", false, true), ("failed", true, true)] {
        let (gid, append) = started(status, Reuse::AfterFailed);
        history.writer.append(append).await.unwrap();
        let ended = Row { status: status.into(), is_open: false, finished_at_us: 9, ..row(&gid, status) };
        let end = Append { events: vec![event(&gid, 2)], row: Some(ended), new: None };
        history.writer.append(end).await.unwrap();
        for (reuse, free) in [(Reuse::AfterFailed, after_failed), (Reuse::RejectWhileRunning, while_running)]
        {
            // Each successful start takes the key again: end it at once.
            let (gid, append) = started(status, reuse);
            assert_eq!(history.writer.append(append).await.is_ok(), free, "{status} {reuse:?}");
            let ended = Row { status: status.into(), is_open: false, ..row(&gid, status) };
            if free {
                let end = Append { events: vec![event(&gid, 2)], row: Some(ended), new: None };
                history.writer.append(end).await.unwrap();
            }
        }
    }
    let (_, open) = started("open", Reuse::Always);
    history.writer.append(open).await.unwrap();
    assert!(history.writer.append(started("open", Reuse::RejectWhileRunning).1).await.is_err());
    assert!(history.writer.append(started("open", Reuse::Always).1).await.is_ok());
}

#[tokio::test]
async fn pages_go_from_new_to_old_without_gap_or_repeat() {
    let history = fresh().await;
    let mut gids = Vec::new();
    for n in 0..7 {
        let (gid, append) = started(&format!("k{n}"), Reuse::Always);
        history.writer.append(append).await.unwrap();
        gids.insert(0, gid);
    }
    let mut seen = Vec::new();
    let mut filter = ListFilter { limit: 3, ..ListFilter::default() };
    loop {
        let page = history.reader.list(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.gid.clone());
        seen.extend(page.into_iter().map(|row| row.gid));
        // One that starts meanwhile is newer than any page to come.
        history.writer.append(started(Gid::generate().as_str(), Reuse::Always).1).await.unwrap();
    }
    assert_eq!(seen, gids);
    let none = ListFilter { statuses: vec!["failed"], limit: 10, ..ListFilter::default() };
    assert!(history.reader.list(&none).await.unwrap().is_empty());
    let attention = ListFilter { attention_only: true, limit: 10, ..ListFilter::default() };
    assert!(history.reader.list(&attention).await.unwrap().is_empty());
}
