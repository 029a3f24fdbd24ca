//! Lists have stable pages, events come in order, and a business key leads to its newest.
use crate::on_every_store;
use crate::place::Place;
use crate::samples::{end, more, row, started};
use amends_dtm::Gid;
use amends_orchestrator::history::{Append, ListFilter, Reuse, Row, Scope};

on_every_store! {
    pages_go_from_new_to_old_without_gap_or_repeat,
    a_list_shows_what_its_filter_asks_for,
    events_come_in_pages_in_order,
    a_key_leads_to_its_newest,
    an_audit_finds_what_ended_and_what_needs_a_person,
    a_start_finds_what_ended_last_on_one_coordinator,
}

async fn pages_go_from_new_to_old_without_gap_or_repeat(place: Place) {
    let history = place.open().await;
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
        seen.extend(page.rows.into_iter().map(|row| row.gid));
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
        // One that starts meanwhile is newer than any page to come.
        history.writer.append(started(Gid::generate().as_str(), Reuse::Always).1).await.unwrap();
    }
    assert_eq!(seen, gids);
}

async fn a_list_shows_what_its_filter_asks_for(place: Place) {
    let history = place.open().await;
    let (failed, append) = started("f", Reuse::Always);
    history.writer.append(append).await.unwrap();
    history.writer.append(end(&failed, "f", "failed")).await.unwrap();
    let (stuck, append) = started("s", Reuse::Always);
    history.writer.append(append).await.unwrap();
    let mut attention = more(&stuck, [2]);
    attention.row = Some(Row { needs_attention: true, ..row(&stuck, "s") });
    history.writer.append(attention).await.unwrap();
    let (fresh, append) = started("n", Reuse::Always);
    history.writer.append(append).await.unwrap();
    let list = async |filter: ListFilter| -> Vec<String> {
        let page = history.reader.list(&ListFilter { limit: 10, ..filter }).await.unwrap();
        page.rows.into_iter().map(|row| row.gid).collect()
    };
    let of = |statuses: Vec<&'static str>| ListFilter { statuses, ..ListFilter::default() };
    assert_eq!(list(of(vec!["failed"])).await, std::slice::from_ref(&failed));
    assert_eq!(list(of(vec!["failed", "accepted"])).await, [fresh, stuck.clone(), failed]);
    assert!(list(of(vec!["succeeded"])).await.is_empty());
    let attention = ListFilter { attention_only: true, ..ListFilter::default() };
    assert_eq!(list(attention.clone()).await, [stuck]);
    assert!(list(ListFilter { statuses: vec!["failed"], ..attention }).await.is_empty());
}

async fn events_come_in_pages_in_order(place: Place) {
    let history = place.open().await;
    let (gid, append) = started("k", Reuse::Always);
    history.writer.append(append).await.unwrap();
    let (other, append) = started("o", Reuse::Always);
    history.writer.append(append).await.unwrap();
    history.writer.append(more(&gid, 2..=10)).await.unwrap();
    history.writer.append(more(&other, 2..=10)).await.unwrap();
    let page = async |from: i64| -> Vec<i64> {
        let rows = history.reader.page(&gid, from, 4).await.unwrap();
        assert!(rows.iter().all(|event| event.gid == gid));
        rows.into_iter().map(|event| event.seq).collect()
    };
    assert_eq!(page(1).await, [1, 2, 3, 4]);
    assert_eq!(page(5).await, [5, 6, 7, 8]);
    assert_eq!(page(9).await, [9, 10]);
    assert!(page(11).await.is_empty());
}

async fn a_key_leads_to_its_newest(place: Place) {
    let history = place.open().await;
    let newest = async |definition: &str| history.reader.newest_of_key(definition, "k").await.unwrap();
    assert_eq!(newest("d").await, None);
    for _ in 0..3 {
        let (gid, append) = started("k", Reuse::Always);
        history.writer.append(append).await.unwrap();
        assert_eq!(newest("d").await, Some(gid));
    }
    assert_eq!(newest("another").await, None);
}

async fn an_audit_finds_what_ended_and_what_needs_a_person(place: Place) {
    let history = place.open().await;
    assert_eq!(history.reader.scope().await.unwrap(), Scope::All);
    let mut ended = Vec::new();
    for n in 0..5 {
        let key = format!("k{n}");
        let (gid, append) = started(&key, Reuse::Always);
        history.writer.append(append).await.unwrap();
        // The one in the middle stays open.
        if n != 2 {
            history.writer.append(end(&gid, &key, "failed")).await.unwrap();
            ended.push(gid);
        }
    }
    let page = async |after: &str, until: &str| {
        history.reader.ended_gids(&Scope::All, (after, until), 2).await.unwrap()
    };
    assert_eq!(page("", "z").await, ended[..2]);
    assert_eq!(page(&ended[1], "z").await, ended[2..]);
    assert_eq!(page("", &ended[1]).await, ended[..1]);
    assert!(page(&ended[3], "z").await.is_empty());

    let attention = async || history.reader.attention_gids(&Scope::All, 10).await.unwrap();
    assert!(attention().await.is_empty());
    let mut found = end(&ended[3], "k4", "failed");
    found.events.truncate(0);
    found.row = found.row.map(|row| Row { needs_attention: true, ..row });
    history.writer.append(found).await.unwrap();
    assert_eq!(attention().await, ended[3..]);
}

async fn a_start_finds_what_ended_last_on_one_coordinator(place: Place) {
    let history = place.open().await;
    let mut ended = Vec::new();
    for n in 0..6 {
        let key = format!("k{n}");
        let (gid, append) = started(&key, Reuse::Always);
        let here = Row { coordinator: "embedded".into(), ..append.row.clone().unwrap() };
        // One is open, one is the other coordinator's.
        let append = if n == 1 { Append { row: Some(here.clone()), ..append } } else { append };
        history.writer.append(append).await.unwrap();
        let mut over = end(&gid, &key, "succeeded");
        if n == 1 {
            over.row = Some(Row { is_open: false, ..here });
        }
        if n != 3 {
            history.writer.append(over).await.unwrap();
        }
        if n != 1 && n != 3 {
            ended.insert(0, gid);
        }
    }
    let newest = async |among: u64| history.reader.newest_ended(&Scope::All, "dtm", among).await.unwrap();
    assert_eq!(newest(100).await, ended);
    assert_eq!(newest(3).await, ended[..2], "the third of the newest is open");
    assert!(newest(0).await.is_empty());
}
