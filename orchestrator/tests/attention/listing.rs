//! Lists of what is open: oldest first, by cause, owner and acknowledgement, page by page; and what an older schema
//! knew is in them.
use crate::place::Place;
use crate::samples::{event, more, started};
use amends_migrations::history::Migrator;
use amends_orchestrator::attention::{Count, Listing, NeedFilter, Place as Spot};
use amends_orchestrator::history::entity::attention;
use amends_orchestrator::history::{Append, HistoryWriter, Needs, Reuse};
use amends_serve::store::Store;
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigratorTrait as _;

crate::on_every_store!(
    what_is_open_is_listed,
    a_later_append_replaces_what_was_open,
    an_older_history_is_listed_too
);

fn open(gid: &str, cause: &str, since_us: i64, owner: &str) -> attention::Model {
    attention::Model {
        gid: gid.into(),
        cause: cause.into(),
        opened_seq: 2,
        since_us,
        branch_id: "01".into(),
        op: "action".into(),
        reason: "UNAVAILABLE gone".into(),
        owner: owner.into(),
        acknowledged_by: owner.into(),
        acknowledged_at_us: i64::from(!owner.is_empty()),
        note: String::new(),
    }
}

async fn needed(writer: &HistoryWriter, key: &str, all: impl Fn(&str) -> Vec<attention::Model>) -> String {
    let (gid, start) = started(key, Reuse::Always);
    writer.append(start).await.unwrap();
    let needs = Needs { gid: gid.clone(), open: all(&gid), notices: Vec::new() };
    writer.append(Append { needs: Some(needs), ..more(&gid, [2]) }).await.unwrap();
    gid
}

fn all() -> NeedFilter {
    NeedFilter { limit: 100, ..NeedFilter::default() }
}

async fn keys(listing: &Listing, filter: NeedFilter) -> Vec<String> {
    let page = listing.page(&filter).await.unwrap();
    page.iter().map(|(need, deed)| format!("{} {}", deed.business_key, need.cause)).collect()
}

async fn what_is_open_is_listed(place: Place) {
    let history = place.open().await;
    let listing = Listing::new(place.store().await);
    needed(&history.writer, "young", |gid| vec![open(gid, "disagreement", 30, "")]).await;
    let old = needed(&history.writer, "old", |gid| {
        vec![open(gid, "retries_exhausted", 10, "ann"), open(gid, "disagreement", 20, "")]
    })
    .await;
    let every = ["old retries_exhausted", "old disagreement", "young disagreement"];
    assert_eq!(keys(&listing, all()).await, every);
    assert_eq!(keys(&listing, NeedFilter { gid: old, ..all() }).await, &every[..2]);
    assert_eq!(keys(&listing, NeedFilter { cause: "disagreement".into(), ..all() }).await, &every[1..]);
    assert_eq!(keys(&listing, NeedFilter { owner: "ann".into(), ..all() }).await, &every[..1]);
    assert_eq!(keys(&listing, NeedFilter { acknowledged: Some(true), ..all() }).await, &every[..1]);
    assert_eq!(keys(&listing, NeedFilter { acknowledged: Some(false), ..all() }).await, &every[1..]);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = listing.page(&NeedFilter { limit: 1, after, ..all() }).await.unwrap();
        let Some((need, deed)) = page.into_iter().next() else { break };
        paged.push(format!("{} {}", deed.business_key, need.cause));
        let spot = Spot { since_us: need.since_us, gid: need.gid, cause: need.cause };
        after = Spot::parse(&spot.token());
        assert_eq!(after, Some(spot));
    }
    assert_eq!(paged, every);
    let count = |cause: &str, open, unacknowledged, since_us| Count {
        cause: cause.into(),
        open,
        unacknowledged,
        since_us,
    };
    assert_eq!(
        listing.counts().await.unwrap(),
        [count("disagreement", 2, 2, 20), count("retries_exhausted", 1, 0, 10)]
    );
}

async fn a_later_append_replaces_what_was_open(place: Place) {
    let history = place.open().await;
    let listing = Listing::new(place.store().await);
    let gid = needed(&history.writer, "k", |gid| vec![open(gid, "a", 10, ""), open(gid, "b", 20, "")]).await;
    let needs = Needs { gid: gid.clone(), open: vec![open(&gid, "b", 20, "ann")], notices: Vec::new() };
    history.writer.append(Append { needs: Some(needs), ..more(&gid, [3]) }).await.unwrap();
    assert_eq!(keys(&listing, all()).await, ["k b"]);
    let needs = Needs { gid: gid.clone(), ..Needs::default() };
    history.writer.append(Append { needs: Some(needs), ..more(&gid, [4]) }).await.unwrap();
    assert!(keys(&listing, all()).await.is_empty());
}

/// The schema before there was a table of needs: what its events say to be open is open.
async fn an_older_history_is_listed_too(place: Place) {
    const BEFORE: u32 = 4;
    let store = Store::open(&place.url()).await.unwrap();
    Migrator::up(store.writer(), Some(BEFORE)).await.unwrap();
    let needs_a_person = |gid: &str, flag: bool| {
        format!(
            "INSERT INTO global_transaction (gid, caller, request_id, request_digest, definition, \
             definition_version, mode, business_key, status, reason, is_open, needs_attention, coordinator, \
             created_at_us, finished_at_us) VALUES ('{gid}', 'c', '{gid}', '', 'd', 1, 'saga', '{gid}', 'running', \
             '', true, {flag}, 'dtm', 1, 0)"
        )
    };
    let event = |gid: &str, seq: i64, kind: &str, cause: &str| {
        let row = event(gid, seq);
        format!(
            "INSERT INTO event (gid, seq, time_us, kind, branch_id, op, attempt, code, reason, build_id) \
             VALUES ('{gid}', {seq}, {}, '{kind}', '', '', 0, '{cause}', 'why', 'old')",
            row.time_us
        )
    };
    let statements = [
        needs_a_person("open", true),
        event("open", 1, "attention_opened", "a"),
        event("open", 2, "attention_closed", "a"),
        event("open", 3, "attention_opened", "a"),
        event("open", 4, "attention_opened", "a"),
        event("open", 5, "attention_opened", "b"),
        event("open", 6, "attention_closed", "b"),
        needs_a_person("closed", false),
        event("closed", 1, "attention_opened", "a"),
        event("closed", 2, "finished", "succeeded"),
    ];
    for statement in statements {
        store.writer().execute_unprepared(&statement).await.unwrap();
    }
    Migrator::up(store.writer(), None).await.unwrap();
    let page = Listing::new(store).page(&all()).await.unwrap();
    let listed: Vec<_> =
        page.iter().map(|(need, _)| (need.gid.as_str(), need.cause.as_str(), need.opened_seq)).collect();
    assert_eq!(listed, [("open", "a", 3)]);
}
