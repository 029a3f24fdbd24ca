//! Acknowledged means durable; all or nothing for each append, whatever shares its commit.
use crate::on_every_store;
use crate::place::Place;
use crate::samples::{end, event, more, row, started};
use amends_dtm::Gid;
use amends_orchestrator::history::{AppendError, Reuse, Row, bounded};
use futures::future::join_all;

on_every_store! {
    an_acknowledged_append_is_there_after_reopening,
    many_appends_at_once_all_arrive,
    a_bad_append_leaves_nothing_and_takes_no_neighbour_down,
    a_start_that_is_refused_half_way_leaves_nothing,
    an_append_may_be_longer_than_any_statement,
    texts_come_back_as_they_were,
    only_what_has_not_ended_is_open,
    a_row_changes_with_its_events,
}

async fn an_acknowledged_append_is_there_after_reopening(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append).await.unwrap();
    history.writer.append(more(&gid, [2])).await.unwrap();
    drop(history);
    let again = place.open().await;
    let loaded = again.reader.load(&gid).await.unwrap().unwrap();
    assert_eq!((loaded.row, loaded.state.last_seq), (row(&gid, "k"), 2));
    assert_eq!(again.reader.open_gids().await.unwrap(), [gid]);
    assert!(again.reader.load(Gid::generate().as_str()).await.unwrap().is_none());
}

/// More than fit into one commit.
async fn many_appends_at_once_all_arrive(place: Place) {
    let history = place.open().await;
    let appends: Vec<_> = (0..1_200).map(|n| started(&format!("k{n}"), Reuse::AfterFailed)).collect();
    let mut gids: Vec<String> = appends.iter().map(|(gid, _)| gid.clone()).collect();
    let done = join_all(appends.into_iter().map(|(_, append)| history.writer.append(append))).await;
    assert!(done.iter().all(Result::is_ok));
    gids.sort();
    assert_eq!(history.reader.open_gids().await.unwrap(), gids, "oldest first");
    let ends = gids.iter().enumerate().map(|(n, gid)| end(gid, &format!("k{n}"), "succeeded"));
    let done = join_all(ends.map(|end| history.writer.append(end))).await;
    assert!(done.iter().all(Result::is_ok));
    assert!(history.reader.open_gids().await.unwrap().is_empty());
}

async fn a_bad_append_leaves_nothing_and_takes_no_neighbour_down(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append).await.unwrap();
    let good: Vec<_> = (0..50).map(|n| started(&format!("n{n}"), Reuse::AfterFailed)).collect();
    let bad = history.writer.append(more(&gid, [2, 1]));
    let neighbours = join_all(good.iter().map(|(_, append)| history.writer.append(append.clone())));
    let (bad, neighbours) = futures::join!(bad, neighbours);
    assert!(matches!(bad, Err(AppendError::Store(_))), "{bad:?}");
    assert!(neighbours.iter().all(Result::is_ok));
    assert_eq!(history.reader.load(&gid).await.unwrap().unwrap().state.last_seq, 1, "all or nothing");
    history.writer.append(more(&gid, [2])).await.unwrap();
    assert_eq!(history.reader.load(&gid).await.unwrap().unwrap().state.last_seq, 2, "and it goes on");
}

/// Row and plan are in the same commit as the events, of which one cannot be.
async fn a_start_that_is_refused_half_way_leaves_nothing(place: Place) {
    let history = place.open().await;
    let (gid, mut append) = started("k", Reuse::RejectWhileRunning);
    append.events.push(event(&gid, 1));
    let refused = history.writer.append(append.clone()).await;
    assert!(matches!(refused, Err(AppendError::Store(_))), "{refused:?}");
    assert!(history.reader.load(&gid).await.unwrap().is_none());
    assert!(history.reader.rows(&gid, 1).await.unwrap().is_empty());
    append.events.pop();
    history.writer.append(append).await.unwrap();
    assert_eq!(history.reader.open_gids().await.unwrap(), [gid], "its key was not taken either");
}

/// 10 values an event: both stores' limits of bound values are passed, SQLite's 32,766 and PostgreSQL's 65,535.
async fn an_append_may_be_longer_than_any_statement(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::AfterFailed);
    history.writer.append(append).await.unwrap();
    history.writer.append(more(&gid, 2..=7_000)).await.unwrap();
    let stored = history.reader.rows(&gid, 1).await.unwrap();
    assert!(stored.iter().map(|event| event.seq).eq(1..=7_000), "in order, without a gap");
}

/// A participant's reason is anybody's text.
async fn texts_come_back_as_they_were(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("ключ 🔑 'quoted' \"twice\" \\ %_", Reuse::AfterFailed);
    let key = append.row.clone().unwrap().business_key;
    history.writer.append(append).await.unwrap();
    let reasons = ["é".repeat(4_000), "nul \0 inside".to_owned(), "\u{1f680}\n\r\t'; --".to_owned()]
        .map(|text| bounded(&text));
    let mut append = more(&gid, 2..=4);
    for (event, reason) in append.events.iter_mut().zip(&reasons) {
        event.reason.clone_from(reason);
    }
    append.row = Some(Row { reason: reasons[1].clone(), ..row(&gid, &key) });
    history.writer.append(append).await.unwrap();
    let stored = history.reader.rows(&gid, 2).await.unwrap();
    assert!(stored.iter().map(|event| &event.reason).eq(&reasons));
    assert_eq!(history.reader.newest_of_key("d", &key).await.unwrap(), Some(gid));
}

async fn only_what_has_not_ended_is_open(place: Place) {
    let history = place.open().await;
    let mut open = Vec::new();
    for (n, status) in ["succeeded", "", "failed", "", "cancelled"].into_iter().enumerate() {
        let key = n.to_string();
        let (gid, append) = started(&key, Reuse::Always);
        history.writer.append(append).await.unwrap();
        if status.is_empty() {
            open.push(gid);
        } else {
            history.writer.append(end(&gid, &key, status)).await.unwrap();
        }
    }
    assert_eq!(history.reader.open_gids().await.unwrap(), open);
}

/// Of several rows of one gid in a commit the newest counts; who it is does not change.
async fn a_row_changes_with_its_events(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::Always);
    let mut running = more(&gid, [2]);
    running.row = Some(Row { status: "running".into(), ..row(&gid, "k") });
    let expected =
        Row { status: "running".into(), needs_attention: true, reason: "why".into(), ..row(&gid, "k") };
    let mut attention = more(&gid, [3]);
    attention.row = Some(expected.clone());
    let all = [append, running, attention].map(|append| history.writer.append(append));
    assert!(join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(history.reader.load(&gid).await.unwrap().unwrap().row, expected);
    let mut another = more(&gid, [4]);
    another.row = Some(Row { request_id: "another".into(), created_at_us: 7, ..row(&gid, "another") });
    history.writer.append(another).await.unwrap();
    assert_eq!(history.reader.load(&gid).await.unwrap().unwrap().row, row(&gid, "k"));
}
