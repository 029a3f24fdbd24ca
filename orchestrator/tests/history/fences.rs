//! Several writers on PostgreSQL: one that is fenced commits nothing from then on and ends, what was on its way is
//! waited for, and what is open belongs to one of them.
use crate::place::{Place, migrated};
use crate::samples::{end, more, started};
use amends_orchestrator::history::{AppendError, HistoryReader, HistoryWriter, ReadError, Reuse};
use amends_serve::store::Store;
use amends_testkit::OwnDatabase;
use sea_orm::ConnectionTrait as _;
use std::time::Duration;

const FENCE: &str =
    "UPDATE replica SET fenced = true WHERE id = (SELECT id FROM replica WHERE id = 'a' FOR UPDATE)";

async fn two_replicas() -> Option<(OwnDatabase, Store)> {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return None };
    let store = migrated(&database.url()).await;
    database.run("INSERT INTO replica VALUES ('a', '', '', 0, false), ('b', '', '', 0, false);").await;
    Some((database, store))
}

#[tokio::test]
async fn a_fenced_writer_commits_nothing_and_ends() {
    let Some((database, store)) = two_replicas().await else { return };
    let a = HistoryWriter::start_as(store.clone(), "a".into());
    let (gid, append) = started("k", Reuse::AfterFailed);
    a.append(append).await.unwrap();
    database.run(FENCE).await;
    assert!(matches!(a.append(more(&gid, [2])).await, Err(AppendError::Closed)));
    tokio::time::timeout(Duration::from_secs(5), a.ended()).await.unwrap();
    assert!(matches!(a.append(started("l", Reuse::AfterFailed).1).await, Err(AppendError::Closed)));
    assert_eq!(HistoryReader::new(store).rows(&gid, 1).await.unwrap().len(), 1);
}

/// A commit that proved its right before the fence is part of what the next owner finds; the fence waits for it.
#[tokio::test]
async fn a_fence_waits_for_the_commit_that_is_under_way() {
    let Some((_database, store)) = two_replicas().await else { return };
    let proof = store.begin().await.unwrap();
    let proven = "SELECT id FROM replica WHERE id = 'a' AND NOT fenced FOR KEY SHARE";
    assert_eq!(proof.execute_unprepared(proven).await.unwrap().rows_affected(), 1);
    let heartbeat = "UPDATE replica SET expires_at_us = 1 WHERE id = 'a'";
    assert_eq!(store.writer().execute_unprepared(heartbeat).await.unwrap().rows_affected(), 1, "passes");
    let fence = store.writer().execute_unprepared(FENCE);
    tokio::pin!(fence);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut fence).await.is_err(), "did not wait");
    proof.commit().await.unwrap();
    fence.await.unwrap();
    assert_eq!(store.writer().execute_unprepared(proven).await.unwrap().rows_affected(), 0);
}

/// Suspended in the middle of a local transaction, a replica would hold up the fence for ever: the server ends it.
#[tokio::test]
async fn a_suspended_commit_does_not_hold_up_the_fence_for_ever() {
    let Some((_database, store)) = two_replicas().await else { return };
    let suspended = store.begin().await.unwrap();
    suspended.execute_unprepared("SELECT id FROM replica WHERE id = 'a' FOR KEY SHARE").await.unwrap();
    let patience = tokio::time::Instant::now() + Duration::from_secs(6);
    while store.writer().execute_unprepared(FENCE).await.is_err() {
        assert!(tokio::time::Instant::now() < patience, "still held up");
    }
    assert!(suspended.commit().await.is_err());
}

#[tokio::test]
async fn what_is_open_belongs_to_one_of_them() {
    let Some((database, store)) = two_replicas().await else { return };
    let a = HistoryWriter::start_as(store.clone(), "a".into());
    let (gid, append) = started("k", Reuse::AfterFailed);
    a.append(append).await.unwrap();
    let (of_a, of_b) = (HistoryReader::of(store.clone(), "a".into()), HistoryReader::of(store, "b".into()));
    assert_eq!(of_a.load(&gid).await.unwrap().unwrap().row.owner, "a");
    assert!(matches!(of_b.load(&gid).await, Err(ReadError::Elsewhere { owner }) if owner == "a"));
    assert_eq!(
        (of_a.open_gids().await.unwrap(), of_b.open_gids().await.unwrap()),
        (vec![gid.clone()], vec![])
    );
    database.run("UPDATE global_transaction SET owner = 'b';").await;
    assert!(matches!(of_a.load(&gid).await, Err(ReadError::Elsewhere { owner }) if owner == "b"));
    let b = HistoryWriter::start_as(of_b_store(&database).await, "b".into());
    b.append(end(&gid, "k", "failed")).await.unwrap();
    assert_eq!(of_a.load(&gid).await.unwrap().unwrap().row.status, "failed", "anybody shows what has ended");
}

async fn of_b_store(database: &OwnDatabase) -> Store {
    Store::open(&database.url()).await.unwrap()
}

/// A process of the version before knows nothing of owners: its statements still run.
#[tokio::test]
async fn the_version_before_can_write_on_the_new_schema() {
    let Some((database, store)) = two_replicas().await else { return };
    database
        .run(
            "INSERT INTO global_transaction (gid, caller, request_id, request_digest, definition, definition_version, \
             mode, business_key, status, reason, is_open, needs_attention, coordinator, created_at_us, finished_at_us) \
             VALUES ('g', 'c', 'r', '', 'd', 1, 'saga', 'k', 'accepted', '', true, false, 'dtm', 1, 0);",
        )
        .await;
    let of_b = HistoryReader::of(store, "b".into());
    assert!(matches!(of_b.load("g").await, Err(ReadError::Elsewhere { owner }) if owner.is_empty()));
}

/// What ended has no driver: its replica looks after it, and when that is gone, the eldest.
#[tokio::test]
async fn what_a_gone_replica_ended_is_looked_after_by_the_eldest() {
    let Some((database, store)) = two_replicas().await else { return };
    let mut ended = Vec::new();
    for replica in ["a", "b"] {
        let writer = HistoryWriter::start_as(store.clone(), replica.into());
        let (gid, append) = started(replica, Reuse::Always);
        writer.append(append).await.unwrap();
        writer.append(end(&gid, replica, "failed")).await.unwrap();
        ended.push(gid);
    }
    let of = async |replica: &str| {
        let reader = HistoryReader::of(store.clone(), replica.into());
        let scope = reader.scope().await.unwrap();
        reader.ended_gids(&scope, ("", "z"), 10).await.unwrap()
    };
    assert_eq!((of("a").await, of("b").await), (vec![ended[0].clone()], vec![ended[1].clone()]));
    database.run(FENCE).await;
    assert_eq!(of("b").await, ended);
}
