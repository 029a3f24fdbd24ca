//! What ended long ago goes to the archive, whole and once, whenever the process dies; the rest stays.
use crate::on_every_store;
use crate::place::{Place, migrated};
use amends_dtm::Gid;
use amends_orchestrator::history::entity::{event, global_transaction, plan};
use amends_orchestrator::history::{Amount, HistoryReader, ListFilter, Row, Whole, generate};
use amends_orchestrator::retention::{Archive, Policy, Record, Retention, RetentionError};
use amends_serve::store::Store;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

on_every_store! {
    what_ended_long_ago_is_archived_whole_and_gone,
    a_crash_at_any_moment_loses_nothing_and_archives_nothing_twice,
    what_went_on_after_it_was_archived_stays,
    what_a_restore_brought_back_is_archived_beside_the_first_file,
    what_was_written_too_late_is_not_archived_twice,
}

const HOUR: i64 = 3_600_000_000;
/// A minute behind midnight: what is made ended on two days.
const MADE: i64 = 1_790_035_260_000_000;
const NOW: i64 = MADE + 2 * HOUR;
const ENDED: u64 = 60;

fn retention(reader: HistoryReader, folder: &Path) -> Retention {
    let policy = Policy {
        retain: Duration::from_secs(3_600),
        archive: Archive::at(folder.to_owned()),
        interval: Duration::from_secs(3_600),
    };
    Retention::new(policy, reader, || NOW)
}

/// Gids in the store, oldest first.
async fn gids(reader: &HistoryReader) -> Vec<String> {
    let mut asked = ListFilter { limit: 1_000, now_us: NOW, ..ListFilter::default() };
    let mut gids = Vec::new();
    loop {
        let page = reader.list(&asked).await.unwrap();
        gids.extend(page.rows.into_iter().map(|row| row.gid));
        asked.before = page.next;
        if asked.before.is_none() {
            gids.reverse();
            return gids;
        }
    }
}

async fn what_ended_long_ago_is_archived_whole_and_gone(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let store = place.store().await;
    generate(&store, Amount { finished: ENDED, open: 5 }, MADE, |_| {}).await.unwrap();
    let reader = HistoryReader::new(store.clone());
    let all = gids(&reader).await;
    // One needs a person, and one ended only just now.
    let (stuck, fresh) = (all[3].clone(), all[4].clone());
    for (gid, needs_attention, finished_at_us) in [(&stuck, true, MADE), (&fresh, false, NOW - HOUR)] {
        let row = global_transaction::Entity::find_by_id(gid).one(store.writer()).await.unwrap().unwrap();
        let changed = global_transaction::ActiveModel {
            needs_attention: Set(needs_attention),
            finished_at_us: Set(finished_at_us),
            ..row.into_active_model()
        };
        changed.update(store.writer()).await.unwrap();
    }
    let due: Vec<String> = all[..usize::try_from(ENDED).unwrap()]
        .iter()
        .filter(|gid| **gid != stuck && **gid != fresh)
        .cloned()
        .collect();
    let before = reader.whole(&due).await.unwrap();
    assert_eq!(before.len(), due.len());

    let retention = retention(reader.clone(), folder.path());
    assert_eq!(retention.pass().await.unwrap(), ENDED - 2);
    assert_eq!(retention.pass().await.unwrap(), 0, "there is no more");

    let mut stayed = vec![stuck, fresh];
    stayed.extend_from_slice(&all[usize::try_from(ENDED).unwrap()..]);
    assert_eq!(gids(&reader).await, stayed);
    assert!(reader.rows(&due[0], 1).await.unwrap().is_empty(), "the events are gone, too");
    assert_eq!(archive.gids().await.unwrap(), due);
    for whole in before {
        let gid = Gid::parse(&whole.row.gid).unwrap();
        let found = archive.find(&gid).await.unwrap().unwrap();
        let (row, events) = (found.row(), found.events());
        assert_eq!(events, whole.events);
        assert_eq!(row, Row { shape: 0, owner: String::new(), ..whole.row.clone() });
        assert_eq!(found, Record::from(whole));
    }
    assert!(archive.find(&Gid::generate()).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a folder for each day");
}

/// Polls a pass until it was woken so often; `true` = it was over before.
async fn until_woken(
    pass: &mut Pin<&mut impl Future<Output = Result<u64, RetentionError>>>,
    mut left: usize,
) -> bool {
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        pass.as_mut().poll(context).map(|done| {
            done.unwrap();
            true
        })
    })
    .await
}

/// A process that dies when it was woken so often; `true` = its pass was over before.
fn process(url: String, folder: PathBuf, wakings: usize) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // What the disk was told to do it does; nothing else is begun.
    runtime.block_on(async move {
        let retention = retention(HistoryReader::new(migrated(&url).await), &folder);
        until_woken(&mut pin!(retention.pass()), wakings).await
    })
}

/// Sessions of whoever is suspended.
const SUSPENDED: &str = "suspended";
const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'suspended';";

async fn sessions_as(place: &Place, session: &str) -> Store {
    Store::open_as(&place.url(), Some(session)).await.unwrap()
}

async fn a_crash_at_any_moment_loses_nothing_and_archives_nothing_twice(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let store = place.store().await;
    generate(&store, Amount { finished: 0, open: 5 }, MADE, |_| {}).await.unwrap();
    let reader = HistoryReader::new(store.clone());
    let open = gids(&reader).await;
    let mut ended: BTreeSet<String> = BTreeSet::new();
    let mut made = MADE;
    for wakings in 0_usize.. {
        if gids(&reader).await.len() == open.len() {
            made -= 1_000;
            generate(&store, Amount { finished: 3, open: 0 }, made, |_| {}).await.unwrap();
            ended.extend(gids(&reader).await.into_iter().filter(|gid| !open.contains(gid)));
        }
        let (url, path) = (place.url(), folder.path().to_owned());
        let over = tokio::task::spawn_blocking(move || process(url, path, wakings)).await.unwrap();
        let archived = archive.gids().await.unwrap();
        let stored = gids(&reader).await;
        let is_somewhere = |gid: &&String| archived.contains(gid) || stored.contains(gid);
        assert_eq!(ended.iter().filter(is_somewhere).count(), ended.len(), "{wakings} wakings lost some");
        if over {
            assert!(wakings > 5, "only {wakings} moments");
            break;
        }
    }
    retention(reader.clone(), folder.path()).pass().await.unwrap();
    let mut archived = archive.gids().await.unwrap();
    archived.sort_unstable();
    assert_eq!(archived, ended.into_iter().collect::<Vec<_>>());
    assert_eq!(gids(&reader).await, open);
}

async fn what_went_on_after_it_was_archived_stays(place: Place) {
    let store = place.store().await;
    generate(&store, Amount { finished: 2, open: 0 }, MADE, |_| {}).await.unwrap();
    let reader = HistoryReader::new(store.clone());
    let all = gids(&reader).await;
    let mut known: Vec<(String, i64)> = Vec::new();
    for gid in &all {
        known.push((gid.clone(), reader.rows(gid, 0).await.unwrap().last().unwrap().seq));
    }
    let newest = reader.rows(&all[1], known[1].1).await.unwrap().remove(0);
    let late = event::Model { seq: newest.seq + 1, ..newest };
    late.into_active_model().insert(store.writer()).await.unwrap();
    assert_eq!(reader.purger().purge(&known).await.unwrap(), all[..1]);
    assert_eq!(gids(&reader).await, all[1..]);
    known[1].1 += 1;
    assert_eq!(reader.purger().purge(&known).await.unwrap(), all[1..]);
    assert!(gids(&reader).await.is_empty());
}

async fn what_a_restore_brought_back_is_archived_beside_the_first_file(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let store = place.store().await;
    generate(&store, Amount { finished: 2, open: 0 }, MADE, |_| {}).await.unwrap();
    let reader = HistoryReader::new(store.clone());
    let all = gids(&reader).await;
    let mut before = reader.whole(&all).await.unwrap();
    let retention = retention(reader.clone(), folder.path());
    assert_eq!(retention.pass().await.unwrap(), 2);
    // The restored store knows less of it: the last event is missing.
    let restored = before.swap_remove(0);
    let (events, gid) = (&restored.events, Gid::parse(&restored.row.gid).unwrap());
    restored.row.clone().into_active_model().insert(store.writer()).await.unwrap();
    let less = events[..events.len() - 1].iter().cloned().map(event::Model::into_active_model);
    event::Entity::insert_many(less).exec(store.writer()).await.unwrap();
    assert_eq!(retention.pass().await.unwrap(), 1);
    let mut archived = archive.gids().await.unwrap();
    archived.sort_unstable();
    assert_eq!(archived, [&all[..1], &all[..]].concat());
    assert_eq!(archive.find(&gid).await.unwrap().unwrap().events(), *events);
}

/// Somebody was suspended between the proof of his turn and the writing of his file: he reads six, another one archives four
/// of them and takes them out, and then the file of six is there, too.
async fn what_was_written_too_late_is_not_archived_twice(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let (store, late) = (place.store().await, tempfile::tempdir().unwrap());
    generate(&store, Amount { finished: 6, open: 0 }, MADE + HOUR / 4, |_| {}).await.unwrap();
    let reader = HistoryReader::new(store.clone());
    let all = gids(&reader).await;
    let stored = reader.whole(&all).await.unwrap();
    assert_eq!(retention(reader.clone(), late.path()).pass().await.unwrap(), 6);
    let put_back = async |some: &[Whole]| {
        for Whole { row, plan, events } in some.iter().cloned() {
            let plan = plan::Model { gid: row.gid.clone(), body: plan };
            plan.into_active_model().insert(store.writer()).await.unwrap();
            row.into_active_model().insert(store.writer()).await.unwrap();
            let events = events.into_iter().map(event::Model::into_active_model);
            event::Entity::insert_many(events).exec(store.writer()).await.unwrap();
        }
    };
    put_back(&stored[..4]).await;
    let retention = retention(reader.clone(), folder.path());
    assert_eq!(retention.pass().await.unwrap(), 4);
    put_back(&stored[4..]).await;
    for (day, name) in files(late.path()) {
        let to = folder.path().join(&day);
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(late.path().join(&day).join(&name), to.join(format!("{name}.pending"))).unwrap();
    }
    // Once to mend it, and once with nothing left to mend.
    for _ in 0..2 {
        retention.pass().await.unwrap();
        let mut archived = archive.gids().await.unwrap();
        archived.sort_unstable();
        assert_eq!(archived, all);
        assert!(files(folder.path()).iter().all(|(_, name)| name.ends_with(".jsonl.gz")));
    }
    assert!(gids(&reader).await.is_empty());
}

/// Day and name of each file of an archive.
fn files(archive: &Path) -> Vec<(String, String)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let days = names(archive).into_iter();
    days.flat_map(|day| names(&archive.join(&day)).into_iter().map(move |name| (day.clone(), name))).collect()
}

/// As when one has not noticed yet that it is not the eldest any more.
#[tokio::test]
async fn two_replicas_at_once_neither_fail_nor_archive_anything_twice() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let (store, others) = (place.store().await, place.store().await);
    let reader = HistoryReader::new(store.clone());
    let (one, other) =
        (retention(reader.clone(), folder.path()), retention(HistoryReader::new(others), folder.path()));
    let mut all = Vec::new();
    for round in 0..5 {
        generate(&store, Amount { finished: ENDED, open: 0 }, MADE + round * 1_000_000, |_| {})
            .await
            .unwrap();
        all.extend(gids(&reader).await);
        let (first, second) = tokio::join!(one.pass(), other.pass());
        assert_eq!(first.unwrap() + second.unwrap(), ENDED, "round {round}");
    }
    assert!(gids(&reader).await.is_empty());
    let mut archived = archive.gids().await.unwrap();
    archived.sort_unstable();
    all.sort_unstable();
    assert_eq!(archived, all);
}

/// Suspended at any moment for longer than its turn lasts, while another one does the work.
#[tokio::test]
async fn a_replica_that_lost_its_turn_takes_nothing_out() {
    let Some(place) = Place::postgres().await else { return };
    let Place::Postgres(database) = &place else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::at(folder.path().to_owned());
    let store = place.store().await;
    let reader = HistoryReader::new(store.clone());
    let mut all = BTreeSet::new();
    for wakings in 0_usize.. {
        let made = MADE + i64::try_from(wakings).unwrap() * 1_000_000;
        generate(&store, Amount { finished: 3, open: 0 }, made, |_| {}).await.unwrap();
        all.extend(gids(&reader).await);
        let suspended = retention(HistoryReader::new(sessions_as(&place, SUSPENDED).await), folder.path());
        let mut pass = pin!(suspended.pass());
        let over = until_woken(&mut pass, wakings).await;
        database.run(END_SESSIONS).await;
        retention(reader.clone(), folder.path()).pass().await.unwrap();
        if over {
            assert!(wakings > 5, "only {wakings} moments");
            break;
        }
        // It finds its turn gone, or had nothing left to do.
        drop(pass.await);
    }
    retention(reader.clone(), folder.path()).pass().await.unwrap();
    assert!(gids(&reader).await.is_empty());
    let mut archived = archive.gids().await.unwrap();
    archived.sort_unstable();
    assert_eq!(archived, all.into_iter().collect::<Vec<_>>(), "each once");
}
