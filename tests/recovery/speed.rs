//! How soon everything moves again after the orchestrator was killed, and that this does not depend on how much has
//! been finished before. Figures for a release build, the sizes of the promise included:
//! `cargo test --release -p amends --test recovery speed -- --nocapture`
use crate::herd::{Herd, MIXED};
use crate::store::Store;
use crate::{LOADED, tell};
use amends_stack::{CoordinatorChoice, Role};
use amends_testkit::{Must as _, until, within};
use std::time::{Duration, Instant};

/// Running when the orchestrator dies.
const RUNNING: usize = 1_000;
/// Finished before that, the second time.
const FINISHED: usize = 100_000;
/// A debug build of everything, on a machine that other tests use too, may take so many times longer.
const SLOWER: u32 = if cfg!(debug_assertions) { 30 } else { 1 };

/// What is promised, from the start of the process on.
struct Promise {
    /// Each was called again at least once.
    moving: Duration,
    /// Each has ended.
    finished: Duration,
}

/// What was seen of it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    ready: Duration,
    moving: Duration,
    finished: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_coordinator_goes_on_at_once() {
    let promise = Promise { moving: Duration::from_secs(1), finished: Duration::from_secs(2) };
    recover(CoordinatorChoice::Embedded, RUNNING, &promise).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dtm_goes_on_within_a_minute() {
    let minute = Duration::from_secs(60) / SLOWER;
    let running = if cfg!(debug_assertions) { RUNNING / 4 } else { RUNNING };
    recover(CoordinatorChoice::Dtm, running, &Promise { moving: minute, finished: minute }).await;
}

async fn recover(coordinator: CoordinatorChoice, running: usize, promise: &Promise) {
    let _alone = LOADED.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut herd = Herd::gather(folder.path(), coordinator).await;
    let first = die_and_recover(&mut herd, running).await;
    tell(&format!("{coordinator:?}, {running} running, little finished: {first:?}"));
    finish_many(&herd).await;
    let second = die_and_recover(&mut herd, running).await;
    tell(&format!("{coordinator:?}, {running} running, {FINISHED} finished: {second:?}"));
    for seen in [first, second] {
        assert!(seen.moving <= promise.moving * SLOWER, "{coordinator:?}: {seen:?}");
        assert!(seen.finished <= promise.finished * SLOWER, "{coordinator:?}: {seen:?}");
    }
    let same = first.ready * 2 + Duration::from_millis(300) * SLOWER;
    assert!(second.ready <= same, "it reads what is finished: {first:?}, {second:?}");
    herd.judge().await;
    herd.stack.stop().await;
}

/// All stand in a step or before it when the orchestrator dies, and may go on as soon as it is back.
async fn die_and_recover(herd: &mut Herd, running: usize) -> Seen {
    herd.noop.mark();
    herd.noop.hold("02");
    herd.start(running, &MIXED).await;
    within("each has begun", herd.noop.called(running)).await;
    until("all of them run", async || (herd.open().await == Some(running)).then_some(())).await;
    herd.stack.kill9(Role::Orchestrator).await.must("kill the orchestrator");
    herd.noop.let_go();
    herd.noop.mark();
    let start = Instant::now();
    let ready = async {
        herd.stack.restart(Role::Orchestrator).await.must("restart the orchestrator");
        start.elapsed()
    };
    let moving = async {
        within("each moves again", herd.noop.called(running)).await;
        start.elapsed()
    };
    let finished = async {
        herd.all_end().await;
        start.elapsed()
    };
    let (ready, moving, finished) = tokio::join!(ready, moving, finished);
    Seen { ready, moving, finished }
}

/// Copies one finished global transaction with all that belongs to it, as if that had happened yesterday.
async fn finish_many(herd: &Herd) {
    herd.stack.halt(Role::Orchestrator).await.must("halt the orchestrator");
    let store = Store::open(&herd.stack, Role::Orchestrator).await;
    let one = "SELECT min(gid) FROM global_transaction WHERE status = 'succeeded'";
    let one = store.text(one).await.unwrap();
    for table in ["global_transaction", "plan", "event"] {
        let columns = store.columns(table).await;
        let value = |column: &String| match column.as_str() {
            "gid" | "business_key" => "substr(gid, 1, 24) || printf('%012x', number)".to_owned(),
            "request_id" => "'copy-' || number".to_owned(),
            "created_at_us" | "finished_at_us" | "time_us" => format!("{column} - 86400000000"),
            _ => column.clone(),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let copied = store
            .run(&format!(
                "INSERT INTO {table} ({}) WITH RECURSIVE numbers(number) AS \
                 (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {FINISHED}) \
                 SELECT {} FROM numbers, (SELECT * FROM {table} WHERE gid = '{one}')",
                columns.join(", "),
                values.join(", ")
            ))
            .await;
        assert!(copied >= FINISHED as u64, "{copied} rows of {table}");
    }
    store.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    herd.stack.restart(Role::Orchestrator).await.must("restart the orchestrator");
}
