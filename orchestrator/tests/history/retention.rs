//! What ended long ago goes to the archive, whole and once, whenever the process dies; the rest stays.
use crate::on_every_store;
use crate::place::{Place, migrated};
use amends_dtm::Gid;
use amends_orchestrator::history::entity::{event, global_transaction};
use amends_orchestrator::history::{Amount, HistoryReader, ListFilter, Row, generate};
use amends_orchestrator::retention::{Archive, Policy, Record, Retention};
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

on_every_store! {
    what_ended_long_ago_is_archived_whole_and_gone,
    a_crash_at_any_moment_loses_nothing_and_archives_nothing_twice,
    what_went_on_after_it_was_archived_stays,
    what_a_restore_brought_back_is_archived_beside_the_first_file,
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

/// A process that dies when it was woken so often; `true` = its pass was over before.
fn process(url: String, folder: PathBuf, wakings: usize) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // What the disk was told to do it does; nothing else is begun.
    runtime.block_on(async move {
        let retention = retention(HistoryReader::new(migrated(&url).await), &folder);
        let mut pass = pin!(retention.pass());
        let mut left = wakings;
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
    })
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
    assert_eq!(reader.purger().purge(&known).await.unwrap(), 1);
    assert_eq!(gids(&reader).await, all[1..]);
    known[1].1 += 1;
    assert_eq!(reader.purger().purge(&known).await.unwrap(), 1);
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
