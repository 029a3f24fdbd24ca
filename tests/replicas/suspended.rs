//! Fencing: a replica is suspended past its lease while participants are at its calls. The other takes over; when the
//! first one wakes up it calls nobody, appends nothing and ends.
use crate::load::{Load, request};
use crate::pair::Pair;
use crate::tell;
use amends_testkit::{Coordinator, Must as _, SOON, until};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout};

/// Global transactions that are under way when it is suspended.
const UNDER_WAY: usize = 24;

/// Who wrote each event: the server notes the name of the session, which is the replica's.
const NOTE_WRITERS: &str =
    "ALTER TABLE event ADD COLUMN writer text NOT NULL DEFAULT current_setting('application_name')";
const WRITERS: &str = "SELECT writer, count(*) FROM event GROUP BY writer";

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_wakes_up_after_its_lease_does_nothing() {
    let Some(mut pair) = Pair::start(Coordinator::Embedded).await else { return };
    let database = Database::connect(pair.database.url()).await.must("reach the database");
    database.execute_unprepared(NOTE_WRITERS).await.must(NOTE_WRITERS);
    let log = pair.participant.log.clone();
    let [first, second] = pair.clients();
    log.shut();
    // All at once: the first call must not have run out of time before the last one begins.
    let start = async |number| {
        let started = first.clone().start(request(number)).await;
        started.must("start").into_inner().gid
    };
    let gids = futures::future::join_all((0..UNDER_WAY).map(start)).await;
    until("participants are at all of its calls", async || (log.running() == UNDER_WAY).then_some(())).await;
    let suspended = Instant::now();
    pair.replicas[0].signal("-STOP").await;
    let (its_events, its_calls) = (writers(&database).await, log.callers());
    assert_eq!((its_events.len(), its_calls.len()), (1, 1), "{its_events:?} {its_calls:?}");

    // The new owner calls each of them again, but not before the calls of the suspended one are over.
    let calls = log.begun();
    until("the other calls", async || (log.begun() >= calls + UNDER_WAY).then_some(())).await;
    tell(&format!("the other called all {UNDER_WAY} again {:.1?} after the suspension", suspended.elapsed()));
    assert_eq!(log.overlaps(), []);

    pair.replicas[0].signal("-CONT").await;
    let ended = timeout(SOON, pair.replicas[0].ended()).await.expect("the fenced replica goes on");
    let said = pair.replicas[0].said();
    // Whichever it notices first: that its time is over, or that a commit of its own is refused.
    let noticed = ["the lease ended", "this replica was fenced"].iter().any(|word| said.contains(word));
    assert!(!ended.success() && noticed, "{ended}, it said:\n{said}");
    let (its, events) = its_events.first_key_value().unwrap();
    assert_eq!(
        writers(&database).await.get(its),
        Some(events),
        "the fenced replica appended; it said:\n{said}"
    );
    let (address, calls) = its_calls.first_key_value().unwrap();
    assert_eq!(log.callers().get(address), Some(calls), "the fenced replica called; it said:\n{said}");
    assert_eq!(log.callers().len(), 2, "one connection each: {:?}", log.callers());

    log.open();
    let load = Load::new([second.clone(), second]);
    for (number, gid) in gids.iter().enumerate() {
        until("the other brings it to its end", async || load.get(number, gid).await.finished_at).await;
    }
    assert_eq!(log.overlaps(), [], "two calls of one op at the same time");
    pair.replicas[0].start();
    pair.replicas[0].serves().await;
}

/// Events by the session that wrote them.
async fn writers(database: &DatabaseConnection) -> BTreeMap<String, i64> {
    let rows =
        database.query_all_raw(Statement::from_string(DbBackend::Postgres, WRITERS)).await.must(WRITERS);
    let count = |row: &sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.iter().map(count).collect::<Result<_, sea_orm::DbErr>>().must(WRITERS)
}
