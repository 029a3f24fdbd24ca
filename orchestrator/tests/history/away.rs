//! The store goes away under the writer and comes back: nothing acknowledged is lost, nobody waits long for an answer,
//! and the first append after the return is made. PostgreSQL is stopped and started; an SQLite file does not go away.
use crate::place::{Place, migrated};
use crate::samples::{more, started};
use amends_orchestrator::history::{AppendError, HistoryReader, HistoryWriter, ReadError, Reuse};
use amends_serve::store::Store;
use amends_testkit::own_cluster;
use futures::future::join_all;
use std::time::{Duration, Instant};

/// Longest wait for an answer while the store is away: 2 s for a connection, perhaps behind another such wait.
const PROMPT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_server_is_back() {
    let Some(mut cluster) = own_cluster().await else { return };
    cluster.create_database("history").await.unwrap();
    let store = migrated(&cluster.url("history")).await;
    let (writer, reader) = (HistoryWriter::start(store.clone()), HistoryReader::new(store));
    let mut acknowledged = Vec::new();
    for n in 0..3 {
        // Under way when the server ends: each is stored or not, and whoever is told that it is finds it.
        let starts: Vec<_> = (0..400).map(|m| started(&format!("{n} {m}"), Reuse::AfterFailed)).collect();
        let under_way = join_all(starts.iter().map(|(_, append)| writer.append(append.clone())));
        let (done, stopped) = futures::join!(under_way, cluster.stop());
        stopped.unwrap();
        acknowledged.extend(
            starts.iter().zip(&done).filter(|(_, done)| done.is_ok()).map(|(start, _)| start.0.clone()),
        );
        let away = Instant::now();
        let refused = join_all((0..600).map(|_| writer.append(started("away", Reuse::Always).1))).await;
        assert!(refused.iter().all(|refused| matches!(refused, Err(AppendError::Store(_)))));
        assert!(away.elapsed() < PROMPT, "600 answers took {:?}", away.elapsed());
        assert!(matches!(reader.load(&starts[0].0).await, Err(ReadError::Store(_))));
        cluster.start_again().await.unwrap();
        let (gid, append) = started(&format!("back {n}"), Reuse::AfterFailed);
        writer.append(append).await.unwrap();
        writer.append(more(&gid, [2])).await.unwrap();
        acknowledged.push(gid);
    }
    let open = reader.open_gids().await.unwrap();
    assert!(acknowledged.iter().all(|gid| open.contains(gid)), "an acknowledged start is lost");
    for gid in &open {
        assert!(reader.load(gid).await.unwrap().unwrap().state.last_seq > 0, "{gid} is there by half");
    }
}

/// The server cuts one session in the middle of what it does: the writer does not take that for a refusal.
#[tokio::test]
async fn a_cut_connection_is_nobodys_refusal() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let store = migrated(&database.url()).await;
    let writer = HistoryWriter::start(store);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid();";
    for round in 0..5 {
        let starts: Vec<_> = (0..50).map(|n| started(&format!("{round} {n}"), Reuse::AfterFailed)).collect();
        let under_way = join_all(starts.iter().map(|(_, append)| writer.append(append.clone())));
        let (done, ()) = futures::join!(under_way, database.run(cut));
        assert!(done.iter().all(Result::is_ok), "{:?}", done.iter().find(|done| done.is_err()));
        let stored =
            HistoryReader::new(Store::open(&database.url()).await.unwrap()).open_gids().await.unwrap();
        assert!(starts.iter().all(|(gid, _)| stored.contains(gid)));
    }
}
