//! Watch over the wire, on a real store: each event once and in order, whatever the watcher or the server does, and no
//! question to the store while nothing is missing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod watched;

use amends_orchestrator::history::{End, Fact, FlatFact};
use amends_proto::amends::v1::transactions_server::Transactions as _;
use amends_proto::amends::v1::{Event, GetHistoryRequest, WatchRequest};
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status};
use watched::{Draw, House, MANY, PATIENCE, seqs};

/// All events of a watch, or the error that it ended with.
async fn all(
    mut stream: impl futures::Stream<Item = Result<Event, Status>> + Unpin,
) -> Result<Vec<Event>, Status> {
    let mut events = Vec::new();
    while let Some(event) = timeout(PATIENCE, stream.next()).await.expect("the watch does not end") {
        events.push(event?);
    }
    Ok(events)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_watcher_gets_each_event_once_whenever_it_comes() {
    const COMMITS: u64 = 400;
    let house = House::open(MANY).await;
    let live = house.begin().await;
    let gid = live.base().gid.clone();
    let mut watchers = Vec::new();
    for seed in 0..150 {
        let (live, mut client, mut draw) = (Arc::clone(&live), house.client().await, Draw(seed));
        let gid = gid.clone();
        watchers.push(tokio::spawn(async move {
            let moment = i64::try_from(draw.below(COMMITS)).unwrap();
            let seen = live.until(|state| state.last_seq >= moment || state.end.is_some()).await.last_seq;
            let from_seq = i64::try_from(draw.below(u64::try_from(seen).unwrap() + 1)).unwrap() + 1;
            let stream = client.watch(WatchRequest { gid, from_seq }).await.unwrap().into_inner();
            (seed, from_seq, all(stream).await.unwrap())
        }));
    }
    let mut draw = Draw(4);
    for _ in 0..COMMITS {
        house.append(&live, draw.below(3) + 1).await;
        if draw.below(8) == 0 {
            tokio::task::yield_now().await;
        }
    }
    house.finish(&live).await;
    let stored = house.stored(&gid).await;
    for watcher in watchers {
        let (seed, from_seq, events) = watcher.await.unwrap();
        let first = usize::try_from(from_seq - 1).unwrap();
        assert!(events == stored[first..], "seed {seed} from {from_seq}: {:?}", seqs(&events));
    }
}

/// With the store's readers closed, whoever asks it gets an error: nobody does.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_watchers_never_ask_the_store() {
    const AT_ONE: usize = 1_000;
    const GIDS: usize = 100;
    const EACH: usize = 10;
    let house = House::open(MANY).await;
    let mut lives = Vec::new();
    for _ in 0..GIDS {
        lives.push(house.begin().await);
    }
    let mut watchers = Vec::new();
    for (many, chosen) in [(AT_ONE, &lives[..1]), (EACH, &lives[..])] {
        // As many as one connection carries.
        let client = house.client().await;
        for live in chosen {
            for _ in 0..many {
                let request = WatchRequest { gid: live.base().gid.clone(), from_seq: 1 };
                let mut stream = client.clone().watch(request).await.unwrap().into_inner();
                let first = stream.next().await.unwrap().unwrap();
                assert_eq!((first.seq, first.kind.as_str()), (1, "started"));
                watchers.push((live.base().gid.clone(), stream));
            }
        }
    }
    assert_eq!(watchers.len(), 2_000);
    house.close_readers().await;
    for live in &lives {
        for _ in 0..5 {
            house.append(live, 2).await;
        }
        house.finish(live).await;
    }
    for (gid, stream) in watchers {
        let events =
            all(stream).await.unwrap_or_else(|status| panic!("{gid}: the store was asked: {status}"));
        assert_eq!(seqs(&events), (2..=13).collect::<Vec<_>>(), "{gid}");
        assert_eq!(events.last().unwrap().kind, "finished");
    }
}

#[tokio::test]
async fn who_has_everything_resumes_without_a_question_to_the_store() {
    let house = House::open(MANY).await;
    let live = house.begin().await;
    house.append(&live, 3).await;
    house.close_readers().await;
    let request = |from_seq| WatchRequest { gid: live.base().gid.clone(), from_seq };
    let stream = house.client().await.watch(request(5)).await.unwrap().into_inner();
    let behind = house.client().await.watch(request(4)).await.unwrap().into_inner();
    house.finish(&live).await;
    assert_eq!(seqs(&all(stream).await.unwrap()), [5, 6]);
    assert_eq!(all(behind).await.unwrap_err().code(), Code::Unavailable, "what is past is only in the store");
}

#[tokio::test]
async fn a_watcher_that_falls_behind_misses_nothing() {
    let house = House::open(MANY).await;
    let live = house.begin().await;
    let gid = live.base().gid.clone();
    // Not over the wire: nothing but the stream itself can hold what this watcher does not take.
    let request = Request::new(WatchRequest { gid: gid.clone(), from_seq: 0 });
    let mut stream = house.service.watch(request).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().seq, 1);
    for _ in 0..300 {
        house.append(&live, 2).await;
    }
    assert_eq!(stream.next().await.unwrap().unwrap().seq, 2);
    for _ in 0..300 {
        house.append(&live, 1).await;
    }
    house.finish(&live).await;
    assert_eq!(seqs(&all(stream).await.unwrap()), (3..=903).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_watch_ends_at_the_end_and_one_after_it_has_everything() {
    let house = House::open(MANY).await;
    let live = house.begin().await;
    let gid = live.base().gid.clone();
    let request = WatchRequest { gid: gid.clone(), from_seq: 0 };
    let before = house.client().await.watch(request.clone()).await.unwrap().into_inner();
    house.finish(&live).await;
    assert_eq!(seqs(&all(before).await.unwrap()), [1, 2, 3]);
    let attention = Fact::AttentionOpened { cause: "disagreement".into(), at: None, text: String::new() };
    house.append_behind(&gid, 4, &FlatFact::from(&attention)).await;
    let after = house.client().await.watch(request).await.unwrap().into_inner();
    let events = all(after).await.unwrap();
    assert_eq!(events, house.stored(&gid).await);
    let last = (events[2].kind.as_str(), events[2].code.as_str());
    assert_eq!(last, ("finished", FlatFact::from(&Fact::Finished(End::Succeeded)).code.as_str()));
    assert_eq!(events.len(), 4);
    let ahead = WatchRequest { gid, from_seq: 5 };
    let nothing = house.client().await.watch(ahead).await.unwrap().into_inner();
    assert_eq!(all(nothing).await.unwrap(), []);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_reason() {
    let house = House::open(MANY).await;
    let live = house.begin().await;
    let gid = live.base().gid.clone();
    let unknown = "018f0000-0000-7000-8000-000000000000".to_owned();
    for (gid, from_seq, code, reason) in [
        (unknown, 1, Code::NotFound, "GID_NOT_FOUND"),
        ("not-a-gid".to_owned(), 1, Code::InvalidArgument, "INVALID_REQUEST"),
        (gid.clone(), -1, Code::InvalidArgument, "INVALID_REQUEST"),
        (gid.clone(), i64::MIN, Code::InvalidArgument, "INVALID_REQUEST"),
        (gid.clone(), 3, Code::OutOfRange, "AHEAD_OF_HISTORY"),
        (gid.clone(), i64::MAX, Code::OutOfRange, "AHEAD_OF_HISTORY"),
    ] {
        let refused = house.client().await.watch(WatchRequest { gid, from_seq }).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message().split('|').next().unwrap()),
            (code, reason),
            "{from_seq}"
        );
    }
    let history = GetHistoryRequest { gid, from_seq: -1, page_size: 0 };
    assert_eq!(house.client().await.get_history(history).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_who_goes_makes_room() {
    let house = House::open(2).await;
    let live = house.begin().await;
    let mut client = house.client().await;
    let request = WatchRequest { gid: live.base().gid.clone(), from_seq: 0 };
    let one = client.watch(request.clone()).await.unwrap();
    let _two = client.watch(request.clone()).await.unwrap();
    let refused = client.watch(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().starts_with("TOO_MANY_WATCHERS|2 watchers"), "{}", refused.message());
    drop(one);
    let end = Instant::now() + PATIENCE;
    // Its going has to travel to the server.
    while client.watch(request.clone()).await.is_err() {
        assert!(Instant::now() < end, "who went away still takes room");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_servers_time_limit_is_for_answers_not_for_streams() {
    let limit = Duration::from_millis(200);
    let house = House::with_limit(MANY, limit).await;
    let live = house.begin().await;
    let request = WatchRequest { gid: live.base().gid.clone(), from_seq: 0 };
    let stream = house.client().await.watch(request).await.unwrap().into_inner();
    tokio::time::sleep(limit * 3).await;
    house.finish(&live).await;
    assert_eq!(all(stream).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_server_that_goes_down_says_so_and_waits_for_no_watcher() {
    let mut house = House::open(MANY).await;
    let live = house.begin().await;
    let request = WatchRequest { gid: live.base().gid.clone(), from_seq: 0 };
    let mut stream = house.client().await.watch(request).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().seq, 1);
    let began = Instant::now();
    house.stop().await;
    let told = stream.next().await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message().split('|').next().unwrap()), (Code::Unavailable, "STOPPING"));
    assert!(began.elapsed() < Duration::from_secs(5), "a drain lasts ten seconds where a call is in flight");
}

#[tokio::test]
async fn a_long_history_comes_in_pages() {
    let house = House::open(MANY).await;
    let live = house.begin().await;
    for _ in 0..60 {
        house.append(&live, 20).await;
    }
    let gid = live.base().gid.clone();
    let mut client = house.client().await;
    for (page_size, answers) in [(0, 2), (1_000, 2), (400, 4), (1_201, 0)] {
        let (mut events, mut from_seq, mut pages) = (Vec::new(), 0, 0);
        let refused = loop {
            let request = GetHistoryRequest { gid: gid.clone(), from_seq, page_size };
            let page = match client.get_history(request).await {
                Ok(page) => page.into_inner(),
                Err(status) => break Some(status.code()),
            };
            events.extend(page.events);
            (from_seq, pages) = (page.next_seq, pages + 1);
            if from_seq == 0 {
                break None;
            }
        };
        assert_eq!(pages, answers, "of {page_size} events each");
        assert_eq!(refused, (answers == 0).then_some(Code::InvalidArgument));
        assert_eq!(seqs(&events), if answers == 0 { Vec::new() } else { (1..=1_201).collect() });
    }
}
