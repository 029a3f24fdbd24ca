//! Settings of lanes on each store: kept, followed by whoever shares the store, and never half changed.

use crate::on_every_store;
use crate::place::Place;
use amends_orchestrator::engine::{LaneBook, LaneChange, LaneError, LaneSettings, Lanes, Reset};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout};

on_every_store!(
    what_is_set_outlives_the_process_and_is_followed,
    changes_at_once_lose_nothing_of_each_other,
    what_makes_no_sense_changes_nothing,
);

/// Two looks of a follower, and some time for a busy machine.
const FOLLOWED: Duration = Duration::from_secs(5);

/// One orchestrator's lanes: `gateway` was given a rate at the start.
async fn replica(place: &Place) -> (Lanes, LaneBook) {
    let participants =
        BTreeMap::from(["gateway", "order"].map(|name| (name.to_owned(), "127.0.0.1:1".to_owned())));
    let given = BTreeMap::from([("gateway".to_owned(), "rate=7".parse().unwrap())]);
    let lanes = Lanes::with_settings(&participants, &given).unwrap();
    let book = LaneBook::open(place.store().await, lanes.clone()).await.unwrap();
    (lanes, book)
}

fn settings(lanes: &Lanes, participant: &str) -> LaneSettings {
    lanes.get(participant).unwrap().settings().0
}

fn change(settings: Vec<(&'static str, u32)>, reset: Reset) -> LaneChange {
    LaneChange { participant: "gateway".into(), reset, settings, subject: "ann".into(), at_us: 1 }
}

async fn what_is_set_outlives_the_process_and_is_followed(place: Place) {
    let (one, book) = replica(&place).await;
    let (other, others_book) = replica(&place).await;
    let follower = tokio::spawn(async move { others_book.follow().await });
    book.change(&change(vec![("concurrency", 3)], Reset::No)).await.unwrap();
    book.change(&change(vec![("failures", 9)], Reset::No)).await.unwrap();
    let wanted: LaneSettings = "concurrency=3,rate=7,failures=9".parse().unwrap();
    assert_eq!(settings(&one, "gateway"), wanted, "at once, and the first change is kept by the second");
    assert_eq!(settings(&one, "order"), LaneSettings::default());
    until(&other, wanted).await;
    assert_eq!(settings(&replica(&place).await.0, "gateway"), wanted, "a process that starts has it");
    book.change(&change(vec![("rate", 8)], Reset::Yes)).await.unwrap();
    until(&other, "rate=8".parse().unwrap()).await;
    book.change(&change(Vec::new(), Reset::Yes)).await.unwrap();
    assert_eq!(settings(&one, "gateway"), "rate=7".parse().unwrap(), "as it was given");
    until(&other, "rate=7".parse().unwrap()).await;
    follower.abort();
}

/// The first of all above all: there is no row yet that one could keep from the other.
async fn changes_at_once_lose_nothing_of_each_other(place: Place) {
    const ROUNDS: u32 = 20;
    let ((_, one), (_, other)) = (replica(&place).await, replica(&place).await);
    for round in 1..=ROUNDS {
        let (ones, others) =
            (change(vec![("concurrency", round)], Reset::No), change(vec![("failures", round)], Reset::No));
        let (first, second) = tokio::join!(one.change(&ones), other.change(&others));
        first.and(second).unwrap();
        let wanted: LaneSettings = format!("rate=7,concurrency={round},failures={round}").parse().unwrap();
        assert_eq!(settings(&replica(&place).await.0, "gateway"), wanted, "round {round}");
        one.change(&change(Vec::new(), Reset::Yes)).await.unwrap();
    }
}

async fn until(lanes: &Lanes, wanted: LaneSettings) {
    let followed = async {
        while settings(lanes, "gateway") != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let began = Instant::now();
    assert!(timeout(FOLLOWED, followed).await.is_ok(), "not followed after {:?}", began.elapsed());
}

async fn what_makes_no_sense_changes_nothing(place: Place) {
    let (lanes, book) = replica(&place).await;
    let unknown = LaneChange { participant: "hotel".into(), ..change(vec![("rate", 1)], Reset::No) };
    assert!(matches!(book.change(&unknown).await, Err(LaneError::Unknown(name)) if name == "hotel"));
    for settings in [vec![("rate", 1), ("concurrency", 0)], vec![("open_max_ms", 10)], vec![("speed", 1)]] {
        let refused = book.change(&change(settings, Reset::No)).await;
        assert!(matches!(refused, Err(LaneError::Settings(_))), "{refused:?}");
    }
    assert_eq!(settings(&lanes, "gateway"), "rate=7".parse().unwrap());
    assert_eq!(settings(&replica(&place).await.0, "gateway"), "rate=7".parse().unwrap());
}
